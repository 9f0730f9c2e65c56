"""Shots and how hard they are to compress."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from encoder.media.frames import FrameRange

#: Sides of pictures, over those of the reference pictures.
DETAIL_SCALES = (0.2, 1 / 3, 0.5, 0.6, 0.75)


@dataclass(frozen=True, slots=True)
class Complexity:
    """Means over a shot's frames, measured on luma downscaled for analysis (8-bit code values).

    ``spatial`` and ``temporal`` are the spatial and temporal information of ITU-T P.910 (07/2022):
    standard deviation of the Sobel-filtered frame, and of the difference to the frame before.
    ``texture`` is the frequency-weighted DCT energy of 32x32 blocks (as in VCA's E), ``noise`` an
    estimate of the standard deviation of grain at full size, where it was not averaged away, and
    ``brightness`` the mean luma. ``detail`` is what scaling down to each of :data:`DETAIL_SCALES`
    loses, as a mean squared error at full size. ``temporal`` and ``brightness`` are of every frame,
    the others of samples.
    """

    spatial: float
    temporal: float
    texture: float
    noise: float
    brightness: float
    detail: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames between two cuts. ``cut`` is false where a long shot was split at the maximum."""

    frames: FrameRange
    cut: bool
    complexity: Complexity


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one decode of the master found: its exact number of reference frames and its shots.

    The shots tile ``[0, frames)`` exactly, in order. ``damaged`` says that the decoder had to make
    up some of the pictures, or of their parts.
    """

    frames: int
    frame_rate: Fraction
    shots: tuple[Shot, ...]
    damaged: bool = False
