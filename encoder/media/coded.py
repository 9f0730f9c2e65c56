"""Files that were encoded elsewhere, as they are to be packaged."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from encoder.media.master import AudioStream, VideoStream


@dataclass(frozen=True, slots=True)
class CodedVideo:
    """The video of a file by its packets.

    ``times`` are when its pictures are presented, ascending, in ticks of ``time_base`` seconds.
    ``keyframes`` are the indices, in that order, of those that decoding can start at; ``leading``
    are those of them before which later pictures of the file are presented (an open group of
    pictures). ``delay`` is how many frames decoding is ahead of presentation. ``hidden`` pictures
    are left out by an edit list, ``untimed`` ones have no time.
    """

    stream: VideoStream
    time_base: Fraction
    times: tuple[int, ...]
    keyframes: tuple[int, ...]
    leading: tuple[int, ...]
    delay: int
    hidden: int
    untimed: int

    @property
    def frames(self) -> int:
        """How many pictures there are."""
        return len(self.times)

    def strays(self, rate: Fraction) -> int | None:
        """The first picture that is a quarter of a frame or more from its place at a frame rate,
        counted from the first one; None when all keep to it."""
        step = 1 / (rate * self.time_base)
        numerator, denominator = step.numerator, step.denominator
        for number, time in enumerate(self.times):
            off = (time - self.times[0]) * denominator - number * numerator
            if 4 * abs(off) >= numerator:
                return number
        return None

    def seconds(self, number: int) -> Fraction:
        """When a picture is presented, in seconds from the first one."""
        return (self.times[number] - self.times[0]) * self.time_base


@dataclass(frozen=True, slots=True)
class CodedFile:
    """A file: its pictures, if it has any, and its sound.

    ``container`` is FFmpeg's name of the format, ``text`` counts subtitle streams.
    """

    path: Path
    container: str
    video: CodedVideo | None
    audio: tuple[AudioStream, ...]
    text: int
