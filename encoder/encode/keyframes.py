"""Where the IDR frames are: the same frames in every rendition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

from encoder.media.frames import FrameRange, seconds_text
from encoder.media.shots import Shot


def gop_frames(frame_rate: Fraction, gop_seconds: Fraction) -> int:
    """The most frames between two IDR frames that last at most ``gop_seconds``."""
    return max(1, int(frame_rate * gop_seconds))


def plan_gops(shots: Iterable[Shot], longest: int) -> tuple[FrameRange, ...]:
    """The groups of pictures: they tile the shots, none is longer than ``longest`` frames.

    A shot is divided evenly, because a short rest would spend a whole intra picture on itself.
    """
    gops = []
    for shot in shots:
        start, length = shot.frames.start, len(shot.frames)
        count = -(-length // longest)
        bounds = [start + length * i // count for i in range(count + 1)]
        gops += [FrameRange(a, b) for a, b in pairwise(bounds)]
    return tuple(gops)


def force_key_frames(keyframes: Sequence[int], frame_rate: Fraction) -> str:
    """The value of FFmpeg's ``-force_key_frames`` for these frames.

    FFmpeg makes the first frame at or after each time a key frame; half a frame early is safe
    against rounding on either side.
    """
    half = Fraction(1, 2)
    times = (max(Fraction(0), (frame - half) / frame_rate) for frame in keyframes)
    return ",".join(seconds_text(time) for time in times)
