"""Frame indices and exact time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, order=True)
class FrameRange:
    """A half-open range ``[start, end)`` of reference frames.

    Raises:
        ValueError: when it is empty, or starts before frame 0.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"not a frame range: [{self.start}, {self.end})")

    def __len__(self) -> int:
        return self.end - self.start

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, int) and self.start <= frame < self.end


def frame_time(frame: int, frame_rate: Fraction) -> Fraction:
    """The presentation time of a frame, in seconds, on a constant cadence that starts at 0."""
    return Fraction(frame) / frame_rate


def seconds_text(time: Fraction, digits: int = 6) -> str:
    """A time in seconds as decimal text, rounded half up, the way FFmpeg's options take it."""
    scale = 10**digits
    ticks = int(abs(time) * scale + Fraction(1, 2))
    sign = "-" if time < 0 and ticks else ""
    return f"{sign}{ticks // scale}.{ticks % scale:0{digits}d}"
