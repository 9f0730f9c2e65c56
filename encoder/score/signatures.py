"""Signatures: each picture as averages of its areas, which compression leaves nearly untouched.

Luma is reduced to 32x18 averages and chroma to 16x9: they are cheap to make in the pass that
measures, and tell frames, framings and colours apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS, ROWS = 32, 18
CELLS = COLUMNS * ROWS
CHROMA = CELLS // 4
#: A code value of 8 bits in the 16 bits of signatures.
STEP = 256

# Of shape (frames, CELLS + 2 CHROMA), 16 bits: Y, U and V, one after the other.
Signatures = NDArray[np.uint16]


def load(path: Path) -> Signatures:
    """Signatures from a file of raw 4:2:0 pictures of 16 bits, mapped, not read."""
    size = CELLS + 2 * CHROMA
    count = path.stat().st_size // (2 * size) if path.exists() else 0
    if not count:
        return np.zeros((0, size), np.uint16)
    found: Signatures = np.memmap(path, np.dtype("<u2"), "r", shape=(count, size))
    return found


def luma(values: Signatures) -> NDArray[np.float32]:
    """The averages of luma, in 8-bit code values, of shape (frames, CELLS)."""
    return values[:, :CELLS].astype(np.float32) / np.float32(STEP)


def varying(values: Signatures) -> NDArray[np.float64]:
    """Luma in 8-bit code values, half of its mean taken away.

    The mean counts less: a change of levels alters it alike at every offset.
    """
    seen = luma(values).astype(np.float64)
    result: NDArray[np.float64] = seen - seen.mean(axis=1, keepdims=True) / 2
    return result


def areas(plane: NDArray[Any], rows: int, columns: int) -> NDArray[np.float64]:
    """Averages of twelve areas of each picture of a plane, of shape (frames, 12)."""
    cells = plane.reshape(-1, 3, rows // 3, 4, columns // 4)
    means: NDArray[np.float64] = cells.mean(axis=(2, 4), dtype=np.float64).reshape(-1, 12)
    return means


def in_common(
    reference: Signatures, distorted: Signatures, offset: int, most: int
) -> tuple[Signatures, Signatures] | None:
    """Frames that two files have in common, evenly spread; None where they have none.

    Args:
        reference: signatures of the one.
        distorted: of the other, whose frame n shows the reference's n + ``offset``.
        offset: in frames.
        most: how many frames are taken at the most.
    """
    first, last = max(0, -offset), min(len(distorted), len(reference) - offset)
    if first >= last:
        return None
    at = np.unique(np.linspace(first, last - 1, most).astype(np.intp))
    return reference[at + offset], distorted[at]
