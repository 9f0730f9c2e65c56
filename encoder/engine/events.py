"""What the engine tells while it runs: typed events that a front end only renders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["probe", "analyze", "ladder", "encode", "audio", "package", "score", "report"]
STAGES: tuple[Stage, ...] = (
    "probe",
    "analyze",
    "ladder",
    "encode",
    "audio",
    "package",
    "score",
    "report",
)


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins. ``total`` is its amount of work in ``unit``, 0 when it is not known."""

    stage: Stage
    detail: str
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class StageProgress:
    """``done`` of the total; ``detail`` and ``total`` may change as a stage goes on."""

    stage: Stage
    detail: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage is done; ``cached`` when its result was in the store."""

    stage: Stage
    cached: bool
    detail: str
    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know: a warning about the master, a choice that was made."""

    level: Literal["info", "warning"]
    text: str


Event = StageStarted | StageProgress | StageFinished | Notice
Emit = Callable[[Event], None]


def silent(event: Event) -> None:
    """Takes events and tells nobody."""
