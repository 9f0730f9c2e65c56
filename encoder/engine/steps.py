"""The first steps of the pipeline, and what all steps share: the store, stages, warnings."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np

from encoder.analysis.analyze import AnalysisSettings, analyze
from encoder.engine.events import Emit, Notice, Stage, StageFinished, StageStarted
from encoder.engine.interruption import Interruption
from encoder.engine.request import digest_key
from encoder.engine.resources import Resources
from encoder.engine.stage import Meter, Running, WouldRun, cpu_seconds
from encoder.engine.store import Entry, Store, key_of
from encoder.errors import MasterError
from encoder.ffmpeg.checksums import Checksums, read_checksums
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.conform import Conform
from encoder.media.master import Master
from encoder.media.policy import Policy
from encoder.media.serial import from_plain
from encoder.media.shots import Analysis
from encoder.probe.conform import decide_conform
from encoder.probe.digest import digest_file
from encoder.probe.probe import probe
from encoder.probe.refusal import check_path

T = TypeVar("T")

_STAGE_OF: dict[str, Stage] = {"analyze": "analyze", "audio": "audio"}
# Raised when a step comes to give another result for the same inputs.
VERSIONS = {"probe": 1, "analyze": 2, "audio": 1, "score": 2}
_CHECKSUMS = "checksums.npy"


class Steps:
    """The steps, with what they run on: an FFmpeg, a store, and somebody who listens.

    Args:
        ffmpeg: the program.
        store: where results are kept.
        emit: told what goes on.
        jobs: FFmpeg processes at a time in trials.
        resources: what the encode may use; by default as many processes as ``jobs``.
        interruption: how a wish to stop arrives, which the encode heeds between chunks.
        only_plan: nothing after probing is made; what is not in the store raises
            :class:`WouldRun`.
    """

    def __init__(
        self,
        ffmpeg: Ffmpeg,
        store: Store,
        emit: Emit,
        jobs: int = 1,
        *,
        resources: Resources | None = None,
        interruption: Interruption | None = None,
        only_plan: bool = False,
    ) -> None:
        self.ffmpeg = ffmpeg
        self.store = store
        self.emit = emit
        self.jobs = jobs
        self.resources = resources or Resources(jobs)
        self.interruption = interruption or Interruption()
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
        key = key_of({**inputs, "step": step, "version": VERSIONS[step]})
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
        key = digest_key(path)
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

    def _analysis_inputs(self, master: Master, conform: Conform) -> dict[str, object]:
        return {**self._title(master, conform), "settings": AnalysisSettings()}

    def _analysis_key(self, master: Master, conform: Conform) -> str:
        inputs = self._analysis_inputs(master, conform)
        return key_of({**inputs, "step": "analyze", "version": VERSIONS["analyze"]})

    def analysis(self, master: Master, conform: Conform) -> Analysis:
        """The shots of the title.

        Raises:
            MasterError: when no picture can be decoded.
        """
        with self.stage("analyze", master.video.frames, "frames") as running:

            def work(folder: Path) -> Analysis:
                listed = folder / "frames.crc"
                made = analyze(
                    self.ffmpeg,
                    master,
                    conform,
                    AnalysisSettings(),
                    checksums=listed,
                    on_progress=running.progress,
                )
                np.save(folder / _CHECKSUMS, read_checksums(listed))
                listed.unlink()
                return made

            found, _, running.cached = self._cached(
                "analyze", self._analysis_inputs(master, conform), Analysis, work
            )
            running.detail = f"{len(found.shots)} shots, {found.frames} frames"
        if conform.frame_rate == master.video.frame_rate and found.frames != master.video.frames:
            self.warn(
                f"The container promises {master.video.frames} frames, {found.frames} could be "
                "decoded; the package has those"
            )
        return found

    def _title(self, master: Master, conform: Conform) -> dict[str, object]:
        """What determines the reference pictures."""
        return {
            "digest": master.digest,
            "ffmpeg": self.ffmpeg.version,
            "conform": replace(conform, changes=()),
        }

    def _checksums(self, master: Master, conform: Conform) -> Checksums:
        """Those of the reference pictures; analysis took them."""
        entry = self.store.find("analyze", self._analysis_key(master, conform))
        if entry is None:
            raise self.store.unusable(OSError(errno.ENOENT, "the analysis has gone from it"))
        return np.asarray(np.load(entry.folder / _CHECKSUMS), dtype=np.uint32)
