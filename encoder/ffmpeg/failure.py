"""How an FFmpeg that ended with an error is told of."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from encoder.errors import printable


class ProcessFailed(Exception):  # noqa: N818 - what it is, not a defect of this program
    """FFmpeg ended with an error.

    ``tail`` are the last lines it printed, ``code`` its exit status (negative: the signal).
    ``stalled`` is whether it was killed because it stood still.
    """

    def __init__(self, code: int, tail: Sequence[str], *, stalled: bool = False) -> None:
        self.code = code
        self.tail = tuple(tail)
        self.stalled = stalled
        super().__init__(f"FFmpeg ended with {self.describe_code()}: {self.reason}")

    def describe_code(self) -> str:
        """The exit status in words."""
        if self.stalled:
            return "no progress for too long"
        if self.code < 0:
            return f"signal {signal.Signals(-self.code).name}"
        return f"exit status {self.code}"

    @property
    def reason(self) -> str:
        """The most telling of the last lines: the first error, without FFmpeg's log prefix."""
        errors = [line for line in self.tail if "[error]" in line or "[fatal]" in line]
        lines = errors[:2] or list(self.tail[-2:])
        return "; ".join(printable(_strip_prefix(line)) for line in lines) or "no message"

    @property
    def disk_full(self) -> bool:
        """Whether a write failed for want of space."""
        return any("No space left on device" in line for line in self.tail)


def _strip_prefix(line: str) -> str:
    while line.startswith("["):
        _, closed, rest = line.partition("] ")
        if not closed:
            break
        line = rest
    return line
