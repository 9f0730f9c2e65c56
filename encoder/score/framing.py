"""Whether two files show the same part of a picture: a crop, a zoom, a shift, a mirror.

A picture that is zoomed by a little differs from itself by its gradient times the way that each
place goes. So the zoom and the shift of a whole file follow from a linear fit of the differences of
matched pictures (the optical flow of Lucas and Kanade 1981, for one flow of the whole picture).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.score.signatures import COLUMNS, ROWS, Signatures, in_common, luma

Floats = NDArray[np.float64]

# How far the edges have moved at least, in cells of a signature (1/32 of the width, 1/18 of the
# height), how much of what is no change of contrast the movement explains at least, and how far
# both halves of the file may say otherwise.
_MOVED, _EXPLAINED, _APART = 0.08, 0.25, 0.3
# What is left to a picture that is turned or mirrored like the other, of what is without that.
_TURNED = 0.5
_SAMPLE = 120
# Root mean square of the differences, in 8-bit code values, below which they are compression's.
_DIFFERENT = 1.0


@dataclass(frozen=True, slots=True)
class Framing:
    """How a file shows the picture otherwise than its reference, in words; turned, or moved."""

    what: str
    turned: bool


def find_framing(reference: Signatures, distorted: Signatures, offset: int) -> Framing | None:
    """What was done to the framing, if that explains how two files differ.

    Args:
        reference: signatures of the one.
        distorted: of the other, whose frame n shows the reference's n + ``offset``.
        offset: in frames.
    """
    common = in_common(reference, distorted, offset, _SAMPLE)
    if common is None:
        return None
    ours, theirs = (_pictures(one) for one in common)
    as_is = float(((theirs - ours) ** 2).mean())
    if as_is < _DIFFERENT**2:
        return None
    for what, turned in (
        ("mirrored", ours[:, :, ::-1]),
        ("upside down and mirrored", ours[:, ::-1]),
        ("upside down", ours[:, ::-1, ::-1]),
    ):
        if float(((theirs - turned) ** 2).mean()) < _TURNED * as_is:
            return Framing(f"it is {what}", turned=True)
    return _moved(ours, theirs)


def _moved(ours: Floats, theirs: Floats) -> Framing | None:
    whole, explained = _fit(ours, theirs)
    half = len(ours) // 2
    if explained < _EXPLAINED or half < 1:
        return None
    parts = slice(0, half), slice(half, None)
    halves = [_fit(ours[part], theirs[part])[0] for part in parts]
    words = []
    for number, (name, cells) in enumerate(
        (("across", COLUMNS), ("down", ROWS), ("to the right", COLUMNS), ("downwards", ROWS))
    ):
        found = float(whole[number])
        sure = max(abs(float(one[number]) - found) for one in halves) < _APART * abs(found)
        # A shift is also what a picture that moves and lags looks like.
        if abs(found) < _MOVED * (1 if number < 2 else 3) or not sure:
            continue
        # Half of the cells lie between the middle and an edge.
        share = -found / (cells / 2 if number < 2 else cells)
        words.append(f"{'zoomed' if number < 2 else 'shifted'} by {share:+.1%} {name}")
    return Framing("it is " + " and ".join(words), turned=False) if words else None


def _fit(ours: Floats, theirs: Floats) -> tuple[Floats, float]:
    """Cells that the right and lower edges move inwards, and that everything moves, by zoom across
    and down and by shift; and how much of the squared difference that explains.
    """
    down, across = np.gradient(ours, axis=(1, 2))
    x = (np.arange(COLUMNS) - (COLUMNS - 1) / 2) / (COLUMNS / 2)
    y = (np.arange(ROWS) - (ROWS - 1) / 2) / (ROWS / 2)
    contrast = ours.ravel()
    columns = [across * x, down * y[:, None], across, down]
    basis = np.stack([*(one.ravel() for one in columns), contrast], axis=1)
    off = (theirs - ours).ravel()
    solution = np.linalg.lstsq(basis, off, rcond=None)[0]
    left = float(((off - basis @ solution) ** 2).sum())
    same = off - contrast * float(contrast @ off) / max(float(contrast @ contrast), 1e-9)
    return solution[:4], 1 - left / max(float((same**2).sum()), 1e-9)


def _pictures(values: Signatures) -> Floats:
    """Luma without its mean, as pictures."""
    found = luma(values).astype(np.float64)
    found -= found.mean(axis=1, keepdims=True)
    return found.reshape(-1, ROWS, COLUMNS)
