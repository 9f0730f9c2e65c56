"""Shows events: a live view on a terminal, sparse lines elsewhere, NDJSON for machines."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from encoder.engine.events import (
    Event,
    StageFinished,
    StageProgress,
    StageStarted,
    event_document,
)
from encoder.errors import MachineError, printable
from encoder.report.plain import json_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# Without a terminal: the first line of a stage after this many seconds, then at doubling times.
_FIRST_LINE_SECONDS = 2.0


class Renderer:
    """Takes events; a context manager that leaves the terminal as it found it."""

    def __init__(self, *, quiet: bool, events: Path | None) -> None:
        self._quiet = quiet
        self._path = events
        self._file: TextIO | None = None
        self._live: _Live | _Lines | None = None

    def __enter__(self) -> Renderer:
        if self._path is not None:
            try:
                self._file = (
                    sys.stderr
                    if str(self._path) == "-"
                    else self._path.open("w", encoding="utf-8", buffering=1)
                )
            except OSError as error:
                raise self._unwritable(error) from error
        if not self._quiet and self._file is not sys.stderr:
            self._live = _Live() if sys.stderr.isatty() else _Lines()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.close()
        if self._file is not None and self._file is not sys.stderr:
            try:
                self._file.close()
            except OSError as failure:
                if error is None:
                    raise self._unwritable(failure) from failure

    def __call__(self, event: Event) -> None:
        if self._file is not None:
            try:
                self._file.write(json_line(event_document(event, time.time())))
            except OSError as error:
                raise self._unwritable(error) from error
        if self._live is not None:
            self._live.show(event)

    def _unwritable(self, error: OSError) -> MachineError:
        return MachineError(
            "The events file cannot be written",
            where=str(self._path),
            why=error.strerror or str(error),
            hint="Give another file with --events, or leave it out",
        )


def _summary(event: StageFinished) -> str:
    parts = ["cached" if event.cached else _duration(event.wall_seconds)]
    if event.detail:
        parts.append(event.detail)
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d} min"


class _Rate:
    """Speed and remaining time of a stage, from its progress."""

    def __init__(self, unit: str = "") -> None:
        self.started = time.monotonic()
        self._unit = unit
        self._done = 0

    def text(self, done: int, total: int, left: float | None) -> str:
        """What to show; a stage that counts anew has begun another part, which has its own.

        ``left`` is how many seconds are left, where the stage knows better than these counts.
        """
        if done < self._done:
            self.started = time.monotonic()
        self._done = done
        elapsed = time.monotonic() - self.started
        if done <= 0 or elapsed <= 0:
            return ""
        speed = done / elapsed
        per_second = " fps" if self._unit == "frames" else "/s"
        shown = f"{speed:.0f}{per_second}" if speed >= 10 else f"{speed:.1f}{per_second}"
        if left is None and total > 0:
            left = max(0, total - done) / speed
        if left is None:
            return shown
        return f"{shown}, {_duration(left)} left"


class _Lines:
    """Plain lines on standard error."""

    def __init__(self) -> None:
        self._rate = _Rate()
        self._started = time.monotonic()
        self._next = _FIRST_LINE_SECONDS

    def show(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self._rate = _Rate(event.unit)
            self._started = time.monotonic()
            self._next = _FIRST_LINE_SECONDS
        elif isinstance(event, StageProgress):
            elapsed = time.monotonic() - self._started
            rate = self._rate.text(event.done, event.total, event.left_seconds)
            if elapsed >= self._next:
                self._next = elapsed * 2
                share = f"{event.done}/{event.total}" if event.total else str(event.done)
                parts = (share, rate, event.detail)
                print(f"{event.stage}: {', '.join(p for p in parts if p)}", file=sys.stderr)
        elif isinstance(event, StageFinished):
            print(f"{event.stage}: done ({_summary(event)})", file=sys.stderr)
        else:
            print(f"{event.level}: {printable(event.text)}", file=sys.stderr)

    def close(self) -> None:
        """Nothing is left to undo."""


class _Live:
    """Stages with bars, redrawn in place by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = Console(stderr=True)
        self._progress: Progress = Progress(
            TextColumn("[bold]{task.fields[stage]:<8}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[share]:>5}"),
            TextColumn("{task.fields[text]}", markup=False),
            console=self._console,
            refresh_per_second=8,
        )
        self._tasks: dict[str, TaskID] = {}
        self._rate = _Rate()
        self._progress.start()

    def show(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self._rate = _Rate(event.unit)
            self._tasks[event.stage] = self._progress.add_task(
                "", total=event.total or None, stage=event.stage, share="", text=event.detail
            )
        elif isinstance(event, StageProgress):
            rate = self._rate.text(event.done, event.total, event.left_seconds)
            share = f"{min(1.0, event.done / event.total):.0%}" if event.total else ""
            self._progress.update(
                self._tasks[event.stage],
                completed=event.done,
                total=event.total or None,
                share=share,
                text=", ".join(part for part in (rate, event.detail) if part),
            )
        elif isinstance(event, StageFinished):
            task = self._tasks[event.stage]
            self._progress.update(task, total=1, completed=1, share="", text=_summary(event))
        else:
            from rich.text import Text

            style = "yellow" if event.level == "warning" else ""
            self._progress.console.print(
                Text(f"{event.level}: {printable(event.text)}", style=style)
            )

    def close(self) -> None:
        """Stops redrawing."""
        self._progress.stop()
