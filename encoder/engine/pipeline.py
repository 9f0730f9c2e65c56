"""The steps of the pipeline, each a function from values to a value, cached in the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from encoder.encode.audio import encode_audio
from encoder.encode.chunk import Title
from encoder.encode.chunk_command import Measuring
from encoder.encode.chunks import ChunkRung
from encoder.engine.chunk_runner import ChunkRunner
from encoder.engine.chunk_runner import Running as ChunkProgress
from encoder.engine.chunk_store import ChunkStore
from encoder.engine.events import Notice
from encoder.engine.resources import batches, cores, expected_memory, workers
from encoder.engine.scoring import decoded_checksums, pass_score
from encoder.engine.stage import Running, WouldRun
from encoder.engine.steps import VERSIONS, Steps
from encoder.engine.store import Entry, key_of
from encoder.engine.trials import TrialMaker
from encoder.engine.video import (
    EncodedRung,
    EncodePlan,
    encode_title,
    join_rung,
    missing_tasks,
    plan_encode,
    what_is_missing,
)
from encoder.ladder.decide import VMAF_MODEL, decide_ladder
from encoder.ladder.evidence import EFFORTS, EffortName, gather
from encoder.ladder.policy import load_policy
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.ladder import Ladder, Trial
from encoder.media.master import Master
from encoder.media.package import Package
from encoder.media.policy import AudioPolicy, Policy
from encoder.media.renditions import AudioRendition, RenditionSet
from encoder.media.scores import RenditionScore, Scorecard
from encoder.media.serial import from_plain
from encoder.media.shots import Analysis
from encoder.package.manifests import write_manifests
from encoder.package.package import package
from encoder.probe.digest import digest_file
from encoder.score.confirm import Measured, confirm
from encoder.score.measure import Distorted, measure


@dataclass(frozen=True, slots=True)
class EncodedTitle:
    """The renditions of a title, and the encoded chunks that its video was joined from."""

    renditions: RenditionSet
    plan: EncodePlan
    rungs: tuple[EncodedRung, ...]


class Pipeline(Steps):
    """The steps, with what they run on: see :class:`encoder.engine.steps.Steps`."""

    def ladder(
        self,
        master: Master,
        conform: Conform,
        analysis: Analysis,
        policy: Policy,
        effort: EffortName,
        stop: Callable[[], bool] | None = None,
    ) -> Ladder:
        """The rungs.

        ``stop`` is asked between trials: what is known by then decides.

        Raises:
            MachineError: when this FFmpeg cannot make trials.
            MeasureError: when a trial fails.
        """
        with self.stage("ladder") as running:
            trials: tuple[Trial, ...] = ()
            if policy.kind == "per-title":
                with self.store.work() as folder:
                    make = TrialMaker(
                        self.ffmpeg,
                        self.store,
                        self._title(master, conform),
                        master,
                        conform,
                        policy,
                        folder,
                        jobs=self.jobs,
                        on_report=running.report,
                        on_missing=self._may_try,
                    )
                    trials = gather(
                        conform, analysis, policy, EFFORTS[effort], make, stop or _never
                    )
                    running.cached = make.made == 0
            reference = load_policy(policy.reference) if policy.reference else None
            ladder = decide_ladder(conform, analysis, policy, reference, trials)
            running.detail = f"{len(ladder.rungs)} rungs from {len(trials)} trials"
        return ladder

    def _may_try(self) -> None:
        if self.only_plan:
            raise WouldRun("ladder", "trials are not in the store")

    # Ladder to Renditions

    def renditions(
        self, master: Master, conform: Conform, analysis: Analysis, ladder: Ladder, policy: Policy
    ) -> RenditionSet:
        """Every rung and audio track, encoded.

        Raises:
            EncodeError: when an encode fails or is not what was asked for.
        """
        return self.encode(master, conform, analysis, ladder, policy, None).renditions

    def encode(
        self,
        master: Master,
        conform: Conform,
        analysis: Analysis,
        ladder: Ladder,
        policy: Policy,
        measuring: Measuring | None,
    ) -> EncodedTitle:
        """Every rung and audio track, encoded; rungs are measured in the same pass.

        Raises:
            EncodeError: when an encode fails or is not what was asked for.
            MeasureError: when a frame was not measured.
            KeyboardInterrupt: when it was interrupted, after chunks under way were finished.
        """
        plan = plan_encode(analysis, conform, ladder.rungs, policy)
        kept = ChunkStore(self.store, self._title(master, conform))
        with self.stage("encode", analysis.frames, "frames") as running:
            tasks = missing_tasks(plan, kept)
            if tasks and self.only_plan:
                raise WouldRun("encode", what_is_missing(plan, tasks))
            if self.only_plan:
                running.cached = True
                audio = self._audio(master, conform, analysis, policy.audio)
                made = RenditionSet((), audio, conform.frame_rate, analysis.frames)
                return EncodedTitle(made, plan, ())
            title = Title(self.ffmpeg, master, conform, self._checksums(master, conform))
            rungs = encode_title(plan, self._runner(plan, title, kept, measuring, running), tasks)
            joined = [join_rung(plan, kept, rung, self.store) for rung in rungs]
            running.cached = not tasks and all(was_there for _, was_there in joined)
            running.detail = f"{len(rungs)} rungs in {len(plan.chunks)} chunks"
            if tasks and len(tasks) < len(plan.chunks):
                running.detail += f", {len(plan.chunks) - len(tasks)} of them cached"
        audio = self._audio(master, conform, analysis, policy.audio)
        made = RenditionSet(
            tuple(one for one, _ in joined), audio, conform.frame_rate, analysis.frames
        )
        return EncodedTitle(made, plan, rungs)

    def _runner(
        self,
        plan: EncodePlan,
        title: Title,
        kept: ChunkStore,
        measuring: Measuring | None,
        running: Running,
    ) -> ChunkRunner:
        asked = [plan.asked(rung, plan.chunks[0]) for rung in plan.rungs]
        measured = measuring is not None

        def divide(rungs: tuple[ChunkRung, ...]) -> tuple[tuple[ChunkRung, ...], ...]:
            return batches(self.resources, title.conform, rungs, measured=measured)

        parts = divide(tuple(asked))
        most = max(expected_memory(title.conform, part, measured=measured) for part in parts)
        count = workers(self.resources, most, len(plan.chunks))

        def tell(state: ChunkProgress) -> None:
            detail = f"{state.chunks} of {state.of} chunks, {state.bytes * 8 / 1e6:.1f} Mbit"
            running.report(detail, state.frames, state.total)

        return ChunkRunner(
            title,
            kept,
            measuring,
            workers=count,
            vmaf_threads=max(1, cores() // (count * max(len(part) for part in parts))),
            divide=divide,
            interruption=self.interruption,
            memory=self.meter.memory,
            on_running=tell,
            on_notice=lambda text: self.emit(Notice("warning", text)),
        )

    def _audio(
        self, master: Master, conform: Conform, analysis: Analysis, policy: AudioPolicy
    ) -> tuple[AudioRendition, ...]:
        if not master.audio:
            return ()
        duration = frame_time(analysis.frames, conform.frame_rate)
        with self.stage("audio") as running:

            def work(folder: Path) -> tuple[tuple[AudioRendition, ...], tuple[str, ...]]:
                said: list[str] = []
                tracks = encode_audio(
                    self.ffmpeg, master, conform, duration, policy, folder, on_warning=said.append
                )
                own = tuple(replace(t, path=t.path.relative_to(folder)) for t in tracks)
                return own, tuple(said)

            (found, warnings), entry, running.cached = self._cached(
                "audio",
                {
                    "digest": master.digest,
                    "ffmpeg": self.ffmpeg.version,
                    "offset": conform.audio_offset,
                    "duration": duration,
                    "policy": policy,
                },
                tuple[tuple[AudioRendition, ...], tuple[str, ...]],
                work,
            )
            running.detail = f"{len(found)} tracks"
        for text in warnings:
            self.warn(text)
        return tuple(replace(track, path=entry.folder / track.path) for track in found)

    # Renditions to Scorecard

    def package(self, renditions: RenditionSet, into: Path, segment_seconds: Fraction) -> Package:
        """Tracks and manifests in an empty folder.

        Raises:
            PackageError: when the renditions do not fit together.
        """
        with self.stage("package") as running:
            made = package(self.ffmpeg, renditions, into, segment_seconds=segment_seconds)
            running.detail = f"{len(made.tracks)} tracks, {made.bytes / 1e6:.1f} MB"
        return made

    def declare_scores(
        self,
        renditions: RenditionSet,
        card: Scorecard,
        folder: Path,
        segment_seconds: Fraction,
    ) -> Package:
        """Writes the manifests of a package again, with each variant's mean VMAF as its SCORE.

        Raises:
            PackageError: when the package is not that of the renditions.
        """
        means = {one.rendition: one.metric("vmaf").title.mean for one in card.renditions}
        return write_manifests(renditions, folder, segment_seconds=segment_seconds, scores=means)

    def pass_scorecard(
        self,
        master: Master,
        conform: Conform,
        analysis: Analysis,
        encoded: EncodedTitle,
        files: Sequence[Distorted],
        into: Path,
        measured: Measuring,
        *,
        every_frame: bool,
    ) -> Scorecard:
        """The scores that were measured while encoding, confirmed of the packaged files.

        A rung whose encode was in the store without its scores is measured now.

        Args:
            master: the source.
            conform: how its pictures become reference pictures.
            analysis: its shots.
            encoded: what :meth:`encode` gave.
            files: the packaged file of every rung.
            into: an existing folder for per-frame values.
            measured: what was measured.
            every_frame: whether all frames of the package are decoded to confirm, or key frames.

        Raises:
            MeasureError: when the package does not decode to the pictures that were measured.
        """
        scores: list[RenditionScore] = []
        confirmed: list[Measured] = []
        paths = {one.id: one.path for one in files}
        with self.stage("score", analysis.frames, "frames") as running:
            for rung in encoded.rungs:
                sums = decoded_checksums(rung)
                score = pass_score(rung, conform, analysis, measured, into)
                if score is not None and sums is not None:
                    scores.append(score)
                    confirmed.append(Measured(rung.rung.id, paths[rung.rung.id], sums))
            frames = confirm(
                self.ffmpeg,
                confirmed,
                encoded.plan.keyframes,
                every_frame=every_frame,
                on_progress=running.progress,
            )
            running.detail = (
                f"{len(scores)} of {len(files)} renditions measured as they were encoded, "
                f"confirmed by {frames} frames of each"
            )
        names = {one.rendition for one in scores}
        rest = [one for one in files if one.id not in names]
        if rest:
            card = self.scorecard(
                master,
                conform,
                analysis,
                rest,
                into,
                every=measured.every,
                model=measured.model,
            )
            scores += card.renditions
        order = {one.id: number for number, one in enumerate(files)}
        return Scorecard(tuple(sorted(scores, key=lambda one: order[one.rendition])))

    def scorecard(
        self,
        master: Master,
        conform: Conform,
        analysis: Analysis,
        files: Sequence[Distorted],
        into: Path,
        *,
        every: int,
        model: str = VMAF_MODEL,
    ) -> Scorecard:
        """Scores files against the master; per-frame values go into ``into``.

        Raises:
            MeasureError: when a file does not have the master's frames, or the measurement fails.
        """
        done: dict[str, tuple[RenditionScore, Entry]] = {}
        with self.stage("score", analysis.frames, "frames") as running:
            keys = {
                one.id: key_of(
                    {
                        **self._title(master, conform),
                        "shots": [shot.frames for shot in analysis.shots],
                        "file": digest_file(one.path),
                        "every": every,
                        "model": model,
                        "step": "score",
                        "version": VERSIONS["score"],
                    }
                )
                for one in files
            }
            missing = []
            for one in files:
                entry = self.store.find("score", keys[one.id])
                if entry is None:
                    missing.append(one)
                else:
                    done[one.id] = (from_plain(entry.value, RenditionScore), entry)
            running.cached = not missing
            if missing:
                with self.store.work() as folder:
                    made = measure(
                        self.ffmpeg,
                        master,
                        conform,
                        analysis,
                        missing,
                        folder,
                        every=every,
                        model=model,
                        on_progress=running.progress,
                    )
                    for one, score in zip(missing, made.renditions, strict=True):
                        with self.store.work() as own:
                            (folder / score.frames).rename(own / "frames.npz")
                            entry = self.store.save("score", keys[one.id], own, score)
                        done[one.id] = (score, entry)
            scores = []
            for one in files:
                score, entry = done[one.id]
                target = into / f"{one.id}.npz"
                target.write_bytes((entry.folder / "frames.npz").read_bytes())
                scores.append(replace(score, rendition=one.id, frames=Path(target.name)))
            running.detail = f"{len(missing)} of {len(files)} renditions, every {every} frames"
        return Scorecard(tuple(scores))


def _never() -> bool:
    return False
