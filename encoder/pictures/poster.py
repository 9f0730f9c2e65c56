"""The poster: which picture stands for a title.

It should be a good picture (sharp, of some contrast and colour), a whole one (not black, not in a
fade or next to a cut), and one that looks like the title. Stills are compared with each other, so
that nothing has to be known of what sharp means in a title of fog.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from encoder.media.shots import Analysis, Shot

Plane = NDArray[np.uint8]

# A picture is dark where its luma is below this, and flat where it deviates by less: code values
# of full range.
_DARK, _FLAT = 24, 12.0
_MOST_DARK = 0.75
# Nearer to a cut than this there may be the rest of a transition, or its blur.
_FROM_CUT = Fraction(3, 4)
# In a fade a picture is dimmer or brighter than its shot is on average.
_FADE = (0.75, 1.35)
# Titles and credits lie there.
_HEAD, _TAIL = 0.06, 0.88
# How much each counts; the sum is 1. Each is the rank among the title's stills, 0 to 1.
_SHARP, _CONTRAST, _COLOUR, _TYPICAL, _STEADY = 0.25, 0.2, 0.2, 0.25, 0.1


@dataclass(frozen=True, slots=True)
class Look:
    """What a still looks like.

    ``brightness`` and ``contrast`` are mean and deviation of luma, ``dark`` the share of its
    pixels that are next to black, ``sharpness`` the 95th percentile of the gradient, ``colour``
    the spread of chroma, ``palette`` the shares of the colours it consists of.
    """

    frame: int
    brightness: float
    contrast: float
    dark: float
    sharpness: float
    colour: float
    palette: NDArray[np.float64]


def look_at(frame: int, luma: Plane, blue: Plane, red: Plane) -> Look:
    """Measures a still: full-range planes, 4:2:0."""
    bright = luma.astype(np.float32)
    across = np.abs(np.diff(bright, axis=1))[:-1]
    down = np.abs(np.diff(bright, axis=0))[:, :-1]
    rows, columns = blue.shape
    coarse = bright[: 2 * rows : 2, : 2 * columns : 2][:rows, :columns]
    bins = (coarse // 32).astype(np.intp) * 64 + (blue // 32).astype(np.intp) * 8 + red // 32
    palette = np.bincount(bins.ravel(), minlength=512) / bins.size
    return Look(
        frame=frame,
        brightness=float(bright.mean()),
        contrast=float(bright.std()),
        dark=float((luma < _DARK).mean()),
        sharpness=float(np.percentile(across + down, 95)),
        colour=float(np.hypot(blue.std(), red.std())),
        palette=palette,
    )


def choose_poster(looks: Sequence[Look], analysis: Analysis) -> int:
    """The frame of the still that stands best for the title.

    Where every still is black, in a fade or next to a cut, the best of these.

    Args:
        looks: of the title's stills, at least one.
        analysis: the shots.
    """
    usual = np.mean([one.palette for one in looks], axis=0)
    likeness = [float(np.minimum(one.palette, usual).sum()) for one in looks]
    steady = [_distance_to_cut(one.frame, analysis) for one in looks]
    worth = (
        _SHARP * _ranks([one.sharpness for one in looks])
        + _CONTRAST * _ranks([one.contrast for one in looks])
        + _COLOUR * _ranks([one.colour for one in looks])
        + _TYPICAL * _ranks(likeness)
        + _STEADY * _ranks([min(one, 2.0) for one in steady])
    )
    faults = np.array([_faults(one, analysis) for one in looks])
    return looks[int(np.argmax(worth - faults))].frame


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """The share of the values that are smaller; equal ones count half."""
    found = np.asarray(values, dtype=np.float64)
    ordered = np.sort(found)
    low = np.searchsorted(ordered, found, "left")
    high = np.searchsorted(ordered, found, "right")
    return np.asarray((low + high) / (2 * len(found)), dtype=np.float64)


def _shot_of(frame: int, analysis: Analysis) -> Shot:
    starts = [shot.frames.start for shot in analysis.shots]
    return analysis.shots[bisect_right(starts, frame) - 1]


def _distance_to_cut(frame: int, analysis: Analysis) -> float:
    """Seconds to the nearer end of its shot."""
    frames = _shot_of(frame, analysis).frames
    return float(min(frame - frames.start, frames.end - 1 - frame) / analysis.frame_rate)


def _faults(look: Look, analysis: Analysis) -> float:
    """What speaks against a still, whatever else it is: each is worth more than all merits."""
    shot = _shot_of(look.frame, analysis)
    faults = 0.0
    if look.dark > _MOST_DARK or look.contrast < _FLAT:
        faults += 4.0
    # The brightness of shots is of limited range: 16 is black, 235 white.
    own, shots = look.brightness, max(1.0, (shot.complexity.brightness - 16) * 255 / 219)
    if not _FADE[0] * shots - 4 <= own <= _FADE[1] * shots + 4:
        faults += 2.0
    seconds = float(len(shot.frames) / analysis.frame_rate)
    if _distance_to_cut(look.frame, analysis) < min(float(_FROM_CUT), seconds / 4):
        faults += 1.0
    if not _HEAD <= look.frame / analysis.frames <= _TAIL:
        faults += 0.3
    return faults
