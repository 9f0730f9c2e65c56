"""The steps of the pipeline, each a function from values to a value, cached in the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from encoder.encode.audio import encode_audio
from encoder.encode.audio_graph import he_aac_encoder
from encoder.encode.chunk import Title
from encoder.encode.chunk_command import Measuring
from encoder.encode.chunks import ChunkRung
from encoder.engine.chunk_runner import ChunkRunner, Task
from encoder.engine.chunk_runner import Running as ChunkProgress
from encoder.engine.chunk_store import ChunkStore
from encoder.engine.events import Notice
from encoder.engine.package_steps import PackageSteps
from encoder.engine.reasons import why_missing
from encoder.engine.remaining import Remaining
from encoder.engine.resources import batches, cores, expected_memory, workers
from encoder.engine.score_steps import ScoreSteps
from encoder.engine.stage import Running, WouldRun
from encoder.engine.trials import TrialMaker
from encoder.engine.video import (
    EncodedRung,
    EncodedTitle,
    EncodePlan,
    encode_title,
    join_rung,
    missing_tasks,
    plan_encode,
    what_is_missing,
)
from encoder.ffmpeg.locate import capabilities
from encoder.ladder.decide import decide_ladder
from encoder.ladder.evidence import EFFORTS, EffortName, gather
from encoder.ladder.policy import load_policy
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.ladder import Ladder, Rung, Trial
from encoder.media.master import Master
from encoder.media.pictures import Pictures
from encoder.media.policy import AudioPolicy, PicturesPolicy, Policy
from encoder.media.renditions import AudioRendition, Rendition, RenditionSet
from encoder.media.shots import Analysis
from encoder.pictures.make import make_pictures
from encoder.report.text import some


class Pipeline(ScoreSteps, PackageSteps):
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
                        at_once=EFFORTS[effort].whole,
                        on_report=running.report,
                        on_missing=self._may_try,
                    )
                    trials = gather(
                        conform, analysis, policy, EFFORTS[effort], make, stop or _never
                    )
                    running.cached = make.made == 0
            reference = load_policy(policy.reference) if policy.reference else None
            ladder = decide_ladder(conform, analysis, policy, reference, trials)
            running.detail = f"{some(len(ladder.rungs), 'rung')} from {some(len(trials), 'trial')}"
        return ladder

    def _may_try(self, missing: Sequence[dict[str, object]]) -> None:
        if self.only_plan:
            why = why_missing(self.store, "trials", missing)
            raise WouldRun("ladder", f"trials are not in the store: {why}")

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
        plan, rungs = self.encode_rungs(
            master,
            conform,
            analysis,
            ladder.rungs,
            policy,
            measuring,
            Remaining(conform, measuring),
        )
        return self.finish(master, conform, analysis, policy, plan, rungs)

    def encode_rungs(
        self,
        master: Master,
        conform: Conform,
        analysis: Analysis,
        rungs: Sequence[Rung],
        policy: Policy,
        measuring: Measuring | None,
        remaining: Remaining,
        why: str = "",
    ) -> tuple[EncodePlan, tuple[EncodedRung, ...]]:
        """Some or all rungs of a title, in chunks, measured in the same pass.

        ``why`` tells people why these. ``remaining`` counts the turns that a title is encoded in.

        Raises:
            EncodeError: when an encode fails or is not what was asked for.
            MeasureError: when a frame was not measured.
            KeyboardInterrupt: when it was interrupted, after chunks under way were finished.
        """
        plan = plan_encode(analysis, conform, rungs, policy)
        kept = ChunkStore(self.store, self._title(master, conform))
        with self.stage("encode", analysis.frames, "frames") as running:
            tasks = missing_tasks(plan, kept)
            title = Title(self.ffmpeg, master, conform, self._checksums(master, conform))
            runner = self._runner(plan, title, kept, measuring, running, remaining)
            found = encode_title(plan, runner, tasks)
            running.cached = not tasks
            running.detail = (
                why or f"{some(len(rungs), 'rung')}, {some(len(plan.chunks), 'chunk')} of each"
            )
            if tasks and len(tasks) < len(plan.chunks):
                running.detail += f", {len(plan.chunks) - len(tasks)} of them cached"
        return plan, found

    def join(
        self, master: Master, conform: Conform, plan: EncodePlan, rungs: Sequence[EncodedRung]
    ) -> tuple[Rendition, ...]:
        """The renditions of encoded rungs; none where only a plan is made.

        Raises:
            EncodeError: when chunks do not fit together.
        """
        if self.only_plan:
            return ()
        kept = ChunkStore(self.store, self._title(master, conform))
        with self.stage("encode") as running:
            joined = [join_rung(plan, kept, rung, self.store) for rung in rungs]
            running.cached = all(was_there for _, was_there in joined)
            running.detail = f"{some(len(rungs), 'rendition')} joined"
        return tuple(rendition for rendition, _ in joined)

    def finish(
        self,
        master: Master,
        conform: Conform,
        analysis: Analysis,
        policy: Policy,
        plan: EncodePlan,
        rungs: Sequence[EncodedRung],
    ) -> EncodedTitle:
        """What a title's encoded rungs are packaged with: joined, with its audio and pictures.

        Raises:
            EncodeError: when chunks do not fit together, or an encode of audio fails.
        """
        made = RenditionSet(
            self.join(master, conform, plan, rungs),
            self._audio(master, conform, analysis, policy.audio),
            conform.frame_rate,
            analysis.frames,
            self._pictures(master, conform, analysis, policy.pictures),
            shots=tuple(shot.frames.start for shot in analysis.shots),
        )
        return EncodedTitle(made, plan, tuple(rungs))

    def _runner(
        self,
        plan: EncodePlan,
        title: Title,
        kept: ChunkStore,
        measuring: Measuring | None,
        running: Running,
        remaining: Remaining,
    ) -> ChunkRunner:
        asked = [plan.asked(rung, plan.chunks[0]) for rung in plan.rungs]
        measured = measuring is not None

        def divide(rungs: tuple[ChunkRung, ...]) -> tuple[tuple[ChunkRung, ...], ...]:
            return batches(self.resources, title.conform, rungs, measured=measured)

        parts = divide(tuple(asked))
        most = max(expected_memory(title.conform, part, measured=measured) for part in parts)
        count = workers(self.resources, most, len(plan.chunks), max(map(len, parts)))

        def tell(state: ChunkProgress) -> None:
            detail = (
                f"{state.chunks} of {some(state.of, 'chunk')}, {state.bytes * 8 / 1e6:.1f} Mbit"
            )
            left = remaining.seconds(state.frames / state.total)
            running.report(detail, state.frames, state.total, left)

        def begin(tasks: Sequence[Task]) -> None:
            self._may_encode(plan, kept, tasks)
            remaining.begin(tasks)

        return ChunkRunner(
            title,
            kept,
            measuring,
            workers=count,
            vmaf_threads=max(1, cores() // (count * max(len(part) for part in parts))),
            divide=divide,
            interruption=self.interruption,
            memory=self.meter.memory,
            cuts=self.cuts.setdefault((title.master.digest, title.conform), {}),
            on_running=tell,
            on_notice=lambda text: self.emit(Notice("warning", text)),
            on_missing=begin,
        )

    def _may_encode(self, plan: EncodePlan, kept: ChunkStore, tasks: Sequence[Task]) -> None:
        if self.only_plan:
            named = ", ".join(rung.id for rung in plan.rungs)
            raise WouldRun("encode", f"{named}: {what_is_missing(plan, kept, tasks)}")

    def _audio(
        self, master: Master, conform: Conform, analysis: Analysis, policy: AudioPolicy
    ) -> tuple[AudioRendition, ...]:
        if not master.audio:
            return ()
        duration = frame_time(analysis.frames, conform.frame_rate)
        he_aac = he_aac_encoder(capabilities(self.ffmpeg))
        with self.stage("audio") as running:

            def work(folder: Path) -> tuple[tuple[AudioRendition, ...], tuple[str, ...]]:
                said: list[str] = []
                tracks = encode_audio(
                    *(self.ffmpeg, master, conform, duration, policy, folder),
                    he_aac=he_aac,
                    on_warning=said.append,
                )
                own = tuple(replace(t, path=t.path.relative_to(folder)) for t in tracks)
                return own, tuple(said)

            (found, warnings), entry, running.cached = self.cached(
                "audio",
                {
                    "digest": master.digest,
                    "ffmpeg": self.ffmpeg.build,
                    "offset": conform.audio_offset,
                    "duration": duration,
                    "policy": policy,
                    "he_aac": he_aac,
                },
                tuple[tuple[AudioRendition, ...], tuple[str, ...]],
                work,
            )
            running.detail = some(len(found), "track")
        for text in warnings:
            self.warn(text)
        return tuple(replace(track, path=entry.folder / track.path) for track in found)

    def _pictures(
        self, master: Master, conform: Conform, analysis: Analysis, policy: PicturesPolicy
    ) -> Pictures:
        """Thumbnails and poster, from what analysis kept."""
        if not (policy.thumbnails or policy.poster or policy.dense_iframes):
            return Pictures()
        with self.stage("pictures") as running:

            def work(folder: Path) -> Pictures:
                return make_pictures(
                    self.ffmpeg,
                    master,
                    conform,
                    analysis,
                    policy,
                    self._stills(master, conform),
                    self._checksums(master, conform),
                    folder,
                )

            found, entry, running.cached = self.cached(
                "pictures",
                {"analysis": self._analysis_key(master, conform), "policy": policy},
                Pictures,
                work,
            )
            count = found.thumbnails.count if found.thumbnails else 0
            running.detail = some(count, "thumbnail") + (", a poster" if found.poster else "")
        return found.moved(lambda path: entry.folder / path)


def _never() -> bool:
    return False
