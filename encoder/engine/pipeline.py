"""The steps of the pipeline, each a function from values to a value, cached in the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from encoder.analysis.analyze import AnalysisSettings, analyze
from encoder.encode.audio import encode_audio
from encoder.encode.keyframes import gop_frames, plan_gops
from encoder.encode.video import encode_rungs
from encoder.engine.events import Emit, Notice, Stage, StageFinished, StageStarted
from encoder.engine.stage import Meter, Running, WouldRun, cpu_seconds
from encoder.engine.store import Entry, Store, key_of
from encoder.errors import MasterError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ladder.decide import (
    EFFORTS,
    VMAF_MODEL,
    EffortName,
    decide_ladder,
    measure_title,
    trial_sizes,
)
from encoder.ladder.policy import load_policy
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.ladder import Ladder, RateQualityPoint, Rung
from encoder.media.master import Master
from encoder.media.package import Package
from encoder.media.policy import AudioPolicy, Policy
from encoder.media.renditions import AudioRendition, Rendition, RenditionSet
from encoder.media.scores import RenditionScore, Scorecard
from encoder.media.serial import from_plain
from encoder.media.shots import Analysis
from encoder.package.manifests import write_manifests
from encoder.package.package import package
from encoder.probe.conform import decide_conform
from encoder.probe.digest import digest_file
from encoder.probe.probe import probe
from encoder.probe.refusal import check_path
from encoder.score.measure import Distorted, measure

T = TypeVar("T")

# Raised when a step comes to give another result for the same inputs.
_STAGE_OF: dict[str, Stage] = {"analyze": "analyze", "trials": "ladder", "audio": "audio"}
_VERSIONS = {"probe": 1, "analyze": 1, "trials": 2, "encode": 2, "audio": 1, "score": 2}


class Pipeline:
    """The steps, with what they run on: an FFmpeg, a store, and somebody who listens.

    Args:
        ffmpeg: the program.
        store: where results are kept.
        emit: told what goes on.
        jobs: FFmpeg processes at a time, where a step runs several.
        only_plan: nothing after probing is made; what is not in the store raises
            :class:`WouldRun`.
    """

    def __init__(
        self, ffmpeg: Ffmpeg, store: Store, emit: Emit, jobs: int = 1, *, only_plan: bool = False
    ) -> None:
        self.ffmpeg = ffmpeg
        self.store = store
        self.emit = emit
        self.jobs = jobs
        self.only_plan = only_plan
        self.meter = Meter()
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Tells of something that a person should know, and keeps it for the report."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.emit(Notice("warning", text))

    @contextmanager
    def stage(self, name: Stage, total: int = 0, unit: str = "") -> Iterator[Running]:
        """A stage: announced, timed, and told of when it is done."""
        self.emit(StageStarted(name, "", total, unit))
        running = Running(name, self.emit, total)
        wall, cpu = time.monotonic(), cpu_seconds()
        try:
            yield running
        finally:
            spent = cpu_seconds() - cpu
            self.meter.cpu[name] = self.meter.cpu.get(name, 0.0) + spent
        self.emit(
            StageFinished(name, running.cached, running.detail, spent, time.monotonic() - wall)
        )

    def _cached(
        self,
        step: str,
        inputs: dict[str, object],
        cls: type[T],
        work: Callable[[Path], T],
    ) -> tuple[T, Entry, bool]:
        """A step's value and entry, from the store or made now; and whether it was there."""
        key = key_of({**inputs, "step": step, "version": _VERSIONS[step]})
        entry = self.store.find(step, key)
        if entry is not None:
            return from_plain(entry.value, cls), entry, True
        if self.only_plan and step != "probe":
            raise WouldRun(_STAGE_OF[step], "not in the store")
        with self.store.work() as folder:
            value = work(folder)
            entry = self.store.save(step, key, folder, value)
        return value, entry, False

    # Master to Conform

    def master(self, path: Path) -> Master:
        """Probes the master.

        Raises:
            MasterError: when it cannot be read, or is of a kind that is not supported.
        """
        with self.stage("probe") as running:
            digest = self._digest(path)
            inputs = {"digest": digest, "av": version("av"), "ffmpeg": self.ffmpeg.version}
            found, _, running.cached = self._cached(
                "probe",
                dict(inputs),
                Master,
                lambda _: probe(path, self.ffmpeg, digest=digest),
            )
            master = replace(found, path=path)
        for defect in master.defects:
            self.warn(defect)
        return master

    def _digest(self, path: Path) -> str:
        """The content's digest, remembered for a file that did not change since.

        Raises:
            MasterError: when it cannot be read.
        """
        check_path(path)
        stat = path.stat()
        key = key_of(
            {
                "path": str(path.absolute()),
                "stat": [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino],
            }
        )
        entry = self.store.find("digest", key)
        if entry is not None:
            return str(entry.value)
        try:
            digest = digest_file(path)
        except OSError as error:
            raise MasterError(
                "The master cannot be read",
                where=str(path),
                why=error.strerror or str(error),
                hint="Check the disk that it lies on",
            ) from error
        with self.store.work() as folder:
            self.store.save("digest", key, folder, digest)
        return digest

    def conform(self, master: Master, policy: Policy) -> Conform:
        """The one decision how pictures become reference pictures."""
        return decide_conform(master, max_frame_rate=policy.max_frame_rate)

    # Conform to Ladder

    def analysis(self, master: Master, conform: Conform) -> Analysis:
        """The shots of the title.

        Raises:
            MasterError: when no picture can be decoded.
        """
        settings = AnalysisSettings()
        with self.stage("analyze", master.video.frames, "frames") as running:
            found, _, running.cached = self._cached(
                "analyze",
                {**self._title(master, conform), "settings": settings},
                Analysis,
                lambda _: analyze(
                    self.ffmpeg, master, conform, settings, on_progress=running.progress
                ),
            )
            running.detail = f"{len(found.shots)} shots, {found.frames} frames"
        if conform.frame_rate == master.video.frame_rate and found.frames != master.video.frames:
            self.warn(
                f"The container promises {master.video.frames} frames, {found.frames} could be "
                "decoded; the package has those"
            )
        return found

    def ladder(
        self,
        master: Master,
        conform: Conform,
        analysis: Analysis,
        policy: Policy,
        effort: EffortName,
    ) -> Ladder:
        """The rungs.

        Raises:
            MachineError: when this FFmpeg cannot make trials.
            MeasureError: when a trial fails.
        """
        with self.stage("ladder") as running:
            points: tuple[RateQualityPoint, ...] = ()
            if policy.kind == "per-title":
                points, _, running.cached = self._cached(
                    "trials",
                    {
                        **self._title(master, conform),
                        "shots": analysis.shots,
                        "codec": policy.codec,
                        "preset": policy.preset,
                        "sizes": trial_sizes(conform, policy, 1),
                        "gop": policy.gop_seconds,
                        "effort": EFFORTS[effort],
                        # Which rungs are refined depends on what the policy wants of them.
                        "policy": policy.digest,
                        "model": VMAF_MODEL,
                    },
                    tuple[RateQualityPoint, ...],
                    lambda folder: measure_title(
                        self.ffmpeg,
                        master,
                        conform,
                        analysis,
                        policy,
                        effort,
                        folder,
                        jobs=self.jobs,
                        on_report=running.report,
                    ),
                )
            reference = load_policy(policy.reference) if policy.reference else None
            ladder = decide_ladder(conform, analysis, policy, reference, points)
            running.detail = f"{len(ladder.rungs)} rungs from {len(points)} trials"
        return ladder

    # Ladder to Renditions

    def renditions(
        self, master: Master, conform: Conform, analysis: Analysis, ladder: Ladder, policy: Policy
    ) -> RenditionSet:
        """Every rung and audio track, encoded.

        Raises:
            EncodeError: when an encode fails or is not what was asked for.
        """
        video = self._video(master, conform, analysis, ladder, policy)
        audio = self._audio(master, conform, analysis, policy.audio)
        return RenditionSet(video, audio, conform.frame_rate, analysis.frames)

    def _video(
        self, master: Master, conform: Conform, analysis: Analysis, ladder: Ladder, policy: Policy
    ) -> tuple[Rendition, ...]:
        longest = gop_frames(conform.frame_rate, policy.gop_seconds)
        keyframes = tuple(gop.start for gop in plan_gops(analysis.shots, longest))
        done: dict[str, Rendition] = {}
        with self.stage("encode", analysis.frames, "frames") as running:
            missing: list[Rung] = []
            for rung in ladder.rungs:
                entry = self.store.find(
                    "encode", self._rung_key(master, conform, analysis, keyframes, rung)
                )
                if entry is None:
                    missing.append(rung)
                else:
                    done[rung.id] = _moved(entry, rung.id)
            running.cached = not missing
            if missing and self.only_plan:
                raise WouldRun("encode", "not in the store: " + ", ".join(r.id for r in missing))
            if missing:
                with self.store.work() as folder:
                    made = encode_rungs(
                        self.ffmpeg,
                        master,
                        conform,
                        [shot.frames for shot in analysis.shots],
                        missing,
                        keyframes,
                        longest,
                        folder,
                        on_progress=running.progress,
                    )
                    for rung, rendition in zip(missing, made, strict=True):
                        key = self._rung_key(master, conform, analysis, keyframes, rung)
                        with self.store.work() as own:
                            # The name in the store is not the rung's: equal rungs of other
                            # ladders are called differently.
                            rendition.path.rename(own / "rendition.mp4")
                            value = replace(rendition, path=Path("rendition.mp4"))
                            entry = self.store.save("encode", key, own, value)
                        done[rung.id] = _moved(entry, rung.id)
            running.detail = f"{len(missing)} of {len(ladder.rungs)} rungs"
        return tuple(done[rung.id] for rung in ladder.rungs)

    def _rung_key(
        self,
        master: Master,
        conform: Conform,
        analysis: Analysis,
        keyframes: Sequence[int],
        rung: Rung,
    ) -> str:
        settled = replace(rung, id="", expected=None, why="")
        return key_of(
            {
                **self._title(master, conform),
                "keyframes": list(keyframes),
                "shots": [shot.frames for shot in analysis.shots],
                "rung": settled,
                "step": "encode",
                "version": _VERSIONS["encode"],
            }
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
                        "version": _VERSIONS["score"],
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

    def _title(self, master: Master, conform: Conform) -> dict[str, object]:
        """What determines the reference pictures."""
        return {
            "digest": master.digest,
            "ffmpeg": self.ffmpeg.version,
            "conform": replace(conform, changes=()),
        }


def _moved(entry: Entry, identifier: str) -> Rendition:
    found = from_plain(entry.value, Rendition)
    return replace(found, id=identifier, path=entry.folder / found.path)
