"""Whether two files mean the same colours by their code values, whatever their headers say.

Averages over large areas of matched pictures are put through every mistake that is made with
colour: the range taken for the other, the matrix for another, chroma planes swapped, another
transfer. Compression moves such averages by little and in no direction, so that a mistake that
explains what the pictures differ by is one that was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from encoder.score.signatures import (
    CELLS,
    CHROMA,
    COLUMNS,
    ROWS,
    STEP,
    Signatures,
    areas,
    in_common,
)

Floats = NDArray[np.float64]

# Luma coefficients of red and blue: ITU-R BT.601-7 2.5.1, BT.709-6 3.2 and BT.2020-2 table 4.
_COEFFICIENTS = {
    "BT.601": (0.299, 0.114),
    "BT.709": (0.2126, 0.0722),
    "BT.2020": (0.2627, 0.0593),
}
# How much of the squared difference a mistake leaves, at most, to have been made, and how much of
# its own size it must have.
_LEFT, _SIZE = 0.65, (0.7, 1.4)
# Of another range, which changes everything: what it leaves.
_LEFT_OF_RANGE = 0.3
# Root mean square of what pictures differ by, in 8-bit code values, below which nobody sees it:
# of everything, and of what a matrix changes.
_VISIBLE, _FAINT = 0.4, 0.25
# Chroma that deviates from the middle by less is none, by more than the second is some.
_COLOURLESS, _COLOURED = 0.05, 1.0
# Code values that are one level of luma, and how many areas a level has at least.
_LEVEL, _LEAST = 8, 5
# What luma is off by, as a function of itself, where it was graded: root mean square in 8-bit code
# values; and how much of the squared difference that function explains where it was not learned.
_GRADED, _EXPLAINED = 2.0, 0.8
_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Mistake:
    """What was done to the colours, in words, and what would undo it."""

    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Change:
    """What it makes of (Y, U, V) in 8-bit code values: a matrix and what is added."""

    mistake: Mistake
    matrix: Floats
    offset: Floats

    def made_of(self, colours: Floats) -> Floats:
        result: Floats = colours @ self.matrix.T + self.offset
        return result


def find_mistake(reference: Signatures, distorted: Signatures, offset: int) -> Mistake | None:
    """The mistake with colour that explains how two files differ, if one does.

    Args:
        reference: signatures of the one.
        distorted: of the other, whose frame n shows the reference's n + ``offset``.
        offset: in frames.
    """
    common = in_common(reference, distorted, offset, _SAMPLE)
    if common is None:
        return None
    ours, theirs = (_colours(one) for one in common)
    if _chroma(theirs) < _COLOURLESS and _chroma(ours) > _COLOURED:
        return _NO_CHROMA
    return _range_mistake(ours, theirs) or _matrix_mistake(ours, theirs) or _grading(ours, theirs)


def _range_mistake(ours: Floats, theirs: Floats) -> Mistake | None:
    as_is = float(((theirs - ours) ** 2).sum())
    for change in _RANGES:
        left = float(((theirs - np.clip(change.made_of(ours), 0, 255)) ** 2).sum())
        if left < _LEFT_OF_RANGE * as_is and as_is > _VISIBLE**2 * len(ours):
            return change.mistake
    return None


def _matrix_mistake(ours: Floats, theirs: Floats) -> Mistake | None:
    """Of the mistakes that leave levels alone, the one that leaves least to explain.

    Conversions round one way, and all differences by a little: only how they vary counts.
    """
    found = _varying(theirs - ours)
    best, least = None, _LEFT * float((found**2).sum())
    for change in _MATRICES:
        made = _varying(change.made_of(ours) - ours)
        strength = float((made**2).sum())
        left = float(((found - made) ** 2).sum())
        if left >= least or strength < _FAINT**2 * len(ours):
            continue
        if _SIZE[0] < float((found * made).sum()) / strength < _SIZE[1]:
            best, least = change.mistake, left
    return best


def _grading(ours: Floats, theirs: Floats) -> Mistake | None:
    """Whether luma was changed as a function of itself, as by another transfer.

    The function that is learned from one half of the file has to hold in the other.
    """
    x, off = ours[:, 0], theirs[:, 0] - ours[:, 0]
    half = len(x) // 2
    halves = slice(0, half), slice(half, None)
    left = whole = 0.0
    for learned, tried in (halves, halves[::-1]):
        counts, means = _curve(x[learned], off[learned])
        level = _levels(x[tried])
        known = counts[level] >= _LEAST
        left += float(((off[tried] - means[level])[known] ** 2).sum())
        whole += float((off[tried][known] ** 2).sum())
    counts, means = _curve(x, off)
    bend = float(np.sqrt(np.average(means**2, weights=counts)))
    if bend < _GRADED or left > (1 - _EXPLAINED) * whole:
        return None
    return Mistake(
        f"Their luma levels differ by {bend:.1f} on average, as a function of the level: another "
        "transfer, tone mapping or grading",
        "Compare with a reference that went through the same colour conversion.",
    )


def _curve(x: Floats, off: Floats) -> tuple[Floats, Floats]:
    """How many areas are of each level, and what they are off by on average."""
    level = _levels(x)
    counts = np.bincount(level, minlength=256 // _LEVEL).astype(np.float64)
    return counts, np.bincount(level, off, minlength=256 // _LEVEL) / np.maximum(counts, 1)


def _levels(x: Floats) -> NDArray[np.intp]:
    return np.clip(x / _LEVEL, 0, 256 // _LEVEL - 1).astype(np.intp)


def _varying(values: Floats) -> Floats:
    result: Floats = values - values.mean(axis=0)
    return result


def _chroma(colours: Floats) -> float:
    return float(np.sqrt(((colours[:, 1:] - 128) ** 2).mean()))


def _colours(values: Signatures) -> Floats:
    """Averages of Y, U and V over twelve areas of each picture, of shape (areas, 3)."""
    planes = (
        (values[:, :CELLS], ROWS, COLUMNS),
        (values[:, CELLS : CELLS + CHROMA], ROWS // 2, COLUMNS // 2),
        (values[:, CELLS + CHROMA :], ROWS // 2, COLUMNS // 2),
    )
    means = [areas(*plane).reshape(-1) for plane in planes]
    return np.stack(means, axis=1) / STEP


def _coder(name: str) -> Floats:
    """The matrix from R'G'B' of 0 to 1 to Y, U and V of limited range, without what is added."""
    red, blue = _COEFFICIENTS[name]
    luma = np.array([red, 1 - red - blue, blue])
    u = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
    v = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
    return np.stack([219 * luma, 224 * u, 224 * v])


_MIDDLE = np.array([16.0, 128.0, 128.0])


def _matrix(old: str, new: str) -> _Change:
    both = _coder(new) @ np.linalg.inv(_coder(old))
    mistake = Mistake(
        "Their matrices differ, which their headers do not tell: by its colours, the reference is "
        f"of {old} and the file of {new}",
        "Label the one whose header is wrong with the matrix that it has "
        "(setparams=colorspace=...), and encode again.",
    )
    return _Change(mistake, both, _MIDDLE - both @ _MIDDLE)


def _range(luma: float, chroma: float, black: float, what: str) -> _Change:
    scale = np.diag([luma, chroma, chroma])
    mistake = Mistake(
        f"Their ranges differ, which their headers do not tell: {what}",
        "Set the range of the wrong one right (setparams=range=...) and encode again.",
    )
    return _Change(mistake, scale, np.array([black, 128.0, 128.0]) - scale @ [0.0, 128.0, 128.0])


# Limited range shown as full, and full as limited (ITU-R BT.601-7 2.5.3).
_RANGES = (
    _range(
        255 / 219, 255 / 224, -16 * 255 / 219, "limited-range pictures were stretched to full range"
    ),
    _range(219 / 255, 224 / 255, 16.0, "full-range pictures were squeezed into limited range"),
)
_MATRICES = (
    *(_matrix(old, new) for old, new in permutations(_COEFFICIENTS, 2)),
    _Change(
        Mistake("The planes of its chroma are swapped", "Swap them back (swapuv)."),
        np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]]),
        np.zeros(3),
    ),
)
_NO_CHROMA = Mistake(
    "It has lost the colours of the reference: its chroma planes are grey",
    "Look for a filter or a pixel format (gray) on the way that took them away.",
)
