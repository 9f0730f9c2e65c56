"""Tells a process that works slowly from one that stands still, and ends the latter."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
# One that computes but gets nowhere may do so for longer: the end of a measurement, or decoding up
# to a place, give no frames either.
_BUSY_FACTOR = 30
# Less of a processor than this is standing still.
_LEAST_LOAD = 0.02


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a process may stand still: ``seconds``, or ``factor`` times the longest that it took
    from one report of progress to the next so far, whichever is more."""

    seconds: float = 60.0
    factor: float = 20.0


class Watchdog:
    """Watches a process group in a thread of its own; kills it when patience is at an end.

    A context manager.
    """

    def __init__(self, group: int, patience: Patience) -> None:
        self._group = group
        self._patience = patience
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._at: tuple[int, int] = (0, 0)
        self._moved = time.monotonic()
        self._slowest = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.bit = False

    def heard(self, frame: int, time_us: int) -> None:
        """Takes a report of progress."""
        now = time.monotonic()
        with self._lock:
            if (frame, time_us) != self._at:
                self._at = (frame, time_us)
                self._slowest = max(self._slowest, now - self._moved)
                self._moved = now

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        patience = self._patience
        pause = min(1.0, patience.seconds / 4)
        busy, spent = time.monotonic(), _cpu_seconds(self._group)
        while not self._stop.wait(pause):
            now, used = time.monotonic(), _cpu_seconds(self._group)
            if used - spent >= _LEAST_LOAD * pause:
                busy = now
            spent = used
            with self._lock:
                moved, slowest = self._moved, self._slowest
            limit = max(patience.seconds, patience.factor * slowest)
            if now - max(moved, busy) > limit or now - moved > _BUSY_FACTOR * limit:
                self.bit = True
                with suppress(ProcessLookupError):
                    os.killpg(self._group, signal.SIGKILL)
                return


def _cpu_seconds(process: int) -> float:
    """CPU seconds of a process and its children so far; 0 where the system does not say.

    The FFmpeg that was chosen may be a script that starts another.
    """
    own = Path(f"/proc/{process}")
    try:
        text = (own / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    children: list[str] = []
    with suppress(OSError):  # not every kernel lists them
        children = (own / "task" / str(process) / "children").read_text(encoding="ascii").split()
    # The second field, the program's name in parentheses, may hold anything.
    fields = text.rpartition(")")[2].split()
    mine = (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
    return mine + sum(_cpu_seconds(int(child)) for child in children)
