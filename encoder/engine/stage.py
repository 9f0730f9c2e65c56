"""A stage under way: what it tells, and what it costs."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field

from encoder.engine.events import Emit, Stage, StageProgress
from encoder.engine.resources import PeakMemory


@dataclass(slots=True)
class Meter:
    """CPU seconds by stage and peak memory, of this process and of every FFmpeg it ran."""

    cpu: dict[Stage, float] = field(default_factory=dict)
    memory: PeakMemory = field(default_factory=PeakMemory)
    started: float = field(default_factory=time.monotonic)

    @property
    def wall_seconds(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.started


class WouldRun(Exception):  # noqa: N818 - an answer, not an error
    """Raised by a pipeline that only plans, at the first step that is not in the store."""

    def __init__(self, stage: Stage, detail: str) -> None:
        super().__init__(stage)
        self.stage = stage
        self.detail = detail


class Running:
    """A stage under way: tells how far it is."""

    def __init__(self, stage: Stage, emit: Emit, total: int) -> None:
        self._stage = stage
        self._emit = emit
        self.total = total
        self.detail = ""
        self.cached = False

    def progress(self, done: int, left_seconds: float | None = None) -> None:
        """``done`` of the total; ``left_seconds`` until the end of all parts, where it is known."""
        self._emit(StageProgress(self._stage, self.detail, done, self.total, left_seconds))

    def report(self, detail: str, done: int, total: int, left_seconds: float | None = None) -> None:
        """As :meth:`progress`, for a stage that consists of several parts."""
        self.detail, self.total = detail, total
        self.progress(done, left_seconds)


def cpu_seconds() -> float:
    """CPU seconds so far, of this process and of every child that it waited for."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
