"""Stills: a small reference picture of every second, from which other pictures are made."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from encoder.media.conform import Conform

# The longer side of a still: as large as a thumbnail may be.
STILL_SIDE = 480


def still_distance(frame_rate: Fraction) -> int:
    """Frames from a still to the next: a second, to the nearest frame. The first is of frame 0."""
    return max(1, round(frame_rate))


def still_count(frames: int, frame_rate: Fraction) -> int:
    """How many stills a title of so many frames has."""
    return ceil(frames / still_distance(frame_rate))


def still_size(conform: Conform) -> tuple[int, int]:
    """Width and height of stills: even, of the pictures' shape, never larger than they are."""
    return fitting(conform.width, conform.height, STILL_SIDE)


def fitting(width: int, height: int, side: int) -> tuple[int, int]:
    """The size of about the same shape whose longer side is as given at most; both sides even."""
    ratio = min(Fraction(1), Fraction(side, max(width, height)))
    return max(2, 2 * round(width * ratio / 2)), max(2, 2 * round(height * ratio / 2))
