"""The first steps of the pipeline, and what all steps share: the store, stages, warnings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from encoder.engine.events import Emit, Notice, Stage, StageFinished, StageStarted
from encoder.engine.interruption import Interruption
from encoder.engine.reasons import fingerprints, why_missing
from encoder.engine.resources import Resources, cores
from encoder.engine.stage import Meter, Running, WouldRun, cpu_seconds
from encoder.engine.store import Entry, Store, digest_key, key_of
from encoder.engine.threads import at_once
from encoder.errors import MasterError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.conform import Conform
from encoder.media.master import Master
from encoder.media.policy import Policy
from encoder.media.serial import from_plain
from encoder.probe.conform import decide_conform
from encoder.probe.digest import digest_file
from encoder.probe.probe import probe
from encoder.probe.refusal import check_path

if TYPE_CHECKING:
    from encoder.encode.cut import Cut
    from encoder.media.frames import FrameRange

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be probed.

    ``trusting`` is whether a stream that says that it is progressive is taken to be, which spares
    the decoding of some stretches; ``refuse`` makes another error of that it cannot be read.
    """

    path: Path
    trusting: bool = False
    refuse: Callable[[MasterError], Exception] | None = None


_STAGE_OF: dict[str, Stage] = {
    "analyze": "analyze",
    "audio": "audio",
    "text": "text",
    "pictures": "pictures",
}
# Raised when a step comes to give another result for the same inputs.
VERSIONS = {"probe": 1, "analyze": 5, "pictures": 1, "text": 3, "audio": 2, "score": 2}


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
        # Where in a master decoding starts for its frames: found once, whatever is encoded of it.
        self.cuts: dict[tuple[str, Conform], dict[FrameRange, Cut]] = {}

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
        wall, before = time.monotonic(), self.meter.cpu.get(name, 0.0)
        with self.metered(name):
            yield running
        spent = self.meter.cpu[name] - before
        self.emit(
            StageFinished(name, running.cached, running.detail, spent, time.monotonic() - wall)
        )

    @contextmanager
    def metered(self, name: Stage) -> Iterator[None]:
        """Counts what is done as part of a stage, without telling of it."""
        cpu = cpu_seconds()
        try:
            yield
        finally:
            self.meter.cpu[name] = self.meter.cpu.get(name, 0.0) + cpu_seconds() - cpu

    def cached(
        self,
        step: str,
        inputs: dict[str, object],
        cls: type[T],
        work: Callable[[Path], T],
    ) -> tuple[T, Entry, bool]:
        """A step's value and entry, from the store or made now; and whether it was there."""
        inputs = {**inputs, "step": step, "version": VERSIONS[step]}
        key = key_of(inputs)
        entry = self.store.find(step, key)
        if entry is not None:
            return from_plain(entry.value, cls), entry, True
        if self.only_plan and step != "probe":
            why = why_missing(self.store, step, [inputs])
            raise WouldRun(_STAGE_OF[step], f"not in the store: {why}")
        with self.store.work() as folder:
            value = work(folder)
            entry = self.store.save(step, key, folder, value, fingerprints(inputs))
        return value, entry, False

    # Master to Conform

    def master(self, path: Path, *, trusting: bool = False) -> Master:
        """Probes the master.

        Args:
            path: the file.
            trusting: whether a stream that says that it is progressive is taken to be, which spares
                the decoding of some stretches.

        Raises:
            MasterError: when it cannot be read, or is of a kind that is not supported.
        """
        return self.masters([Wanted(path, trusting)])[0]

    def masters(self, wanted: Sequence[Wanted]) -> list[Master]:
        """Probes several files at a time.

        Raises:
            MasterError: as :meth:`master`, of the first that cannot be read, or what its ``refuse``
                made of that.
        """
        with self.stage("probe") as running:
            jobs = [partial(self._probed, one.path, one.trusting) for one in wanted]
            found: list[tuple[Master, bool]] = []
            for one, outcome in zip(wanted, at_once(jobs, cores()), strict=True):
                if isinstance(outcome, MasterError) and one.refuse is not None:
                    raise one.refuse(outcome) from outcome
                if isinstance(outcome, Exception):
                    raise outcome
                found.append(outcome)
            running.cached = all(cached for _, cached in found)
            running.detail = f"{len(found)} files" if len(found) > 1 else ""
        for master, _ in found:
            for defect in master.defects:
                self.warn(defect)
        return [master for master, _ in found]

    def _probed(self, path: Path, trusting: bool) -> tuple[Master, bool]:
        """What a file is, and whether that was in the store."""
        digest = self._digest(path)
        inputs: dict[str, object] = {
            "digest": digest,
            "av": version("av"),
            "ffmpeg": self.ffmpeg.build,
        }
        whole = key_of({**inputs, "step": "probe", "version": VERSIONS["probe"]})
        if trusting and self.store.find("probe", whole) is None:
            inputs["trusting"] = True
        found, _, cached = self.cached(
            "probe",
            dict(inputs),
            Master,
            lambda _: probe(path, self.ffmpeg, digest=digest, trusting=trusting),
        )
        return replace(found, path=path), cached

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
