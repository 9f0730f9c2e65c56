"""What the engine tells while it runs: typed events that a front end only renders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from encoder.report.plain import number

Stage = Literal[
    "probe",
    "analyze",
    "ladder",
    "encode",
    "audio",
    "text",
    "pictures",
    "package",
    "score",
    "report",
]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins. ``total`` is its amount of work in ``unit``, 0 when it is not known."""

    stage: Stage
    detail: str
    total: int
    unit: str


@dataclass(frozen=True, slots=True)
class StageProgress:
    """``done`` of the total; ``detail`` and ``total`` may change as a stage goes on.

    ``left_seconds`` is how long the stage still takes, with all of its parts that are to come; None
    where only ``done`` and ``total`` tell.
    """

    stage: Stage
    detail: str
    done: int
    total: int
    left_seconds: float | None = None


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
_KINDS: dict[type[Event], str] = {
    StageStarted: "stage_started",
    StageProgress: "stage_progress",
    StageFinished: "stage_finished",
    Notice: "notice",
}
SCHEMA = "encoder.event/1"
Emit = Callable[[Event], None]


def event_document(event: Event, time: float) -> dict[str, Any]:
    """An event as one object of the NDJSON stream; ``time`` is in seconds since 1970 (UTC)."""
    return {
        "schema": SCHEMA,
        "event": _KINDS[type(event)],
        "time": round(time, 3),
        **{
            name: number(value) if isinstance(value, float) else value
            for name, value in asdict(event).items()
        },
    }


def silent(event: Event) -> None:
    """Takes events and tells nobody."""
