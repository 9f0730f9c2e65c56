"""How unlike two pictures are once motion and changes of light are allowed for.

Pictures are compared as thumbnails: the mean Y, U and V of every cell of 16x16 pixels, about 30x17
of them. A cell is explained if its value lies within the range of the 3x3 cells around it in the
other picture, so that what moves by up to a cell, 64 pixels at 1080p, does not count; what is left
unexplained saturates, so that few strong differences do not outweigh many weak ones and dark scenes
count like bright ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Of shape (pictures, 3, rows, columns): Y, U and V in 8-bit code values.
Thumbnails = NDArray[np.float32]
Shares = NDArray[np.float32]

# Code values at which a cell's unexplained difference counts half. Compression leaves 0.2 or less
# between frames of one shot, cuts between dark scenes leave 2 to 5.
_HALF = np.float32(2.0)

_ONES = np.ones(16, np.float32)
_MEAN_OF_LUMA = np.full(16, 1 / 256, np.float32)
_MEAN_OF_CHROMA = np.full(8, 1 / 16, np.float32)

# Cells up to this luma are black, and say nothing when they are so in both pictures.
_BLACK = 20.0
_FEWEST_CELLS = 8

# A change of light may change the contrast by up to this factor.
_MOST_GAIN = 3.0
# Pictures whose cells deviate by less are flat: they have no structure to compare under another
# light.
FLAT = 3.0


def make_thumbnail(luma: NDArray[np.float32], chroma: NDArray[np.uint8], into: Thumbnails) -> None:
    """The thumbnail of one picture, written into an array of shape (3, rows, columns).

    Of chroma, a quarter of the rows is read: more costs time and changes nothing.

    Args:
        luma: of shape (16 rows, 16 columns).
        chroma: of shape (2, 8 rows, 8 columns).
        into: where it goes; contiguous.
    """
    _, rows, columns = into.shape
    # Products with a vector add up several times faster than reduce does.
    lines = np.matmul(_ONES, luma.reshape(rows, 16, columns * 16))
    np.matmul(lines.reshape(-1, 16), _MEAN_OF_LUMA, out=into[0].reshape(-1))
    bands = chroma.reshape(2, rows, 8, columns * 8)
    lines = bands[:, :, 2].astype(np.float32)
    lines += bands[:, :, 6]
    np.matmul(lines.reshape(-1, 8), _MEAN_OF_CHROMA, out=into[1:].reshape(-1))


def unlike(a: Thumbnails, b: Thumbnails) -> Shares:
    """The share, 0 to 1, of picture ``b`` that motion does not explain from ``a``; symmetric.

    Each picture of one array is compared with the one at the same place of the other.
    """
    return _unexplained(a, b, _seen(a, b))


def unlike_neighbours(pictures: Thumbnails) -> Shares:
    """:func:`unlike` of each picture but the first to the one before it."""
    low, high = _ranges(pictures)
    forth = _outside(pictures[1:], low[:-1], high[:-1])
    back = _outside(pictures[:-1], low[1:], high[1:])
    return _share(forth, back, _seen(pictures[:-1], pictures[1:]))


def unlike_in_any_light(a: Thumbnails, b: Thumbnails) -> Shares:
    """As :func:`unlike`, after bringing both to the same mean and contrast in each channel.

    Fades, flashes, tints and exposure then come out as alike. Pictures without structure cannot
    be compared so; of these, the result is that of :func:`unlike`.
    """
    seen = _seen(a, b)
    plain = _unexplained(a, b, seen)
    mask = seen[:, None]
    flat_a, deviation_a = _centred(a, mask)
    flat_b, deviation_b = _centred(b, mask)
    # One code value more keeps noise in a channel without contrast from being blown up.
    gain = np.clip((deviation_b + 1) / (deviation_a + 1), 1 / _MOST_GAIN, _MOST_GAIN)
    half = np.sqrt(gain)
    lit = _unexplained(flat_a * half, flat_b / half, seen)
    structure = np.minimum(deviation_a[:, 0, 0, 0], deviation_b[:, 0, 0, 0])
    result: Shares = np.where(structure < FLAT, plain, np.minimum(plain, lit))
    return result


def contrast(pictures: Thumbnails) -> tuple[Shares, NDArray[np.float32]]:
    """The share of cells that are not black, and the standard deviation of luma over them."""
    seen = _seen(pictures, pictures)
    deviation = _centred(pictures[:, :1], seen[:, None])[1][:, 0, 0, 0]
    return seen.mean(axis=(1, 2)), deviation


def correlation(a: Thumbnails, b: Thumbnails) -> NDArray[np.float32]:
    """The correlation of the lumas, -1 to 1, over cells that are not black in both; 1 if flat."""
    mask = _seen(a, b)[:, None]
    a, deviation_a = _centred(a[:, :1], mask)
    b, deviation_b = _centred(b[:, :1], mask)
    together = (a * b * mask).sum(axis=(1, 2, 3)) / _cells(mask)[:, 0, 0, 0]
    product = (deviation_a * deviation_b)[:, 0, 0, 0]
    result: NDArray[np.float32] = np.where(
        product < 1.0, np.float32(1.0), together / np.maximum(product, 1.0)
    )
    return result


def _seen(a: Thumbnails, b: Thumbnails) -> NDArray[np.float32]:
    return ((a[:, 0] > _BLACK) | (b[:, 0] > _BLACK)).astype(np.float32)


def _cells(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    count: NDArray[np.float32] = np.maximum(mask.sum(axis=(2, 3), keepdims=True), 1)
    return count


def _centred(
    pictures: Thumbnails, mask: NDArray[np.float32]
) -> tuple[Thumbnails, NDArray[np.float32]]:
    """Pictures less their mean over the masked cells, and their deviation there."""
    count = _cells(mask)
    centred = pictures - (pictures * mask).sum(axis=(2, 3), keepdims=True) / count
    squares = (centred * centred * mask).sum(axis=(2, 3), keepdims=True)
    return centred, np.sqrt(squares / count)


def _unexplained(a: Thumbnails, b: Thumbnails, seen: NDArray[np.float32]) -> Shares:
    return _share(_outside(b, *_ranges(a)), _outside(a, *_ranges(b)), seen)


def _share(
    forth: NDArray[np.float32], back: NDArray[np.float32], seen: NDArray[np.float32]
) -> Shares:
    """The share of cells that are unexplained, from how far their values are outside."""
    cells = forth / (forth + _HALF)
    cells += back / (back + _HALF)
    cells *= seen
    count = np.maximum(seen.sum(axis=(1, 2)), np.float32(_FEWEST_CELLS))
    share: Shares = cells.sum(axis=(1, 2)) / (2 * count)
    return share


def _outside(values: Thumbnails, low: Thumbnails, high: Thumbnails) -> NDArray[np.float32]:
    """How far values are outside their ranges, summed over Y, U and V."""
    distance = values - high
    np.maximum(distance, low - values, out=distance)
    np.maximum(distance, 0, out=distance)
    total: NDArray[np.float32] = distance[:, 0] + distance[:, 1]
    total += distance[:, 2]
    return total


def _ranges(pictures: Thumbnails) -> tuple[Thumbnails, Thumbnails]:
    """The least and the greatest value of the 3x3 cells around each."""
    return _around(pictures, np.minimum), _around(pictures, np.maximum)


def _around(pictures: Thumbnails, extreme: np.ufunc) -> Thumbnails:
    down = pictures.copy()
    extreme(down[..., 1:, :], pictures[..., :-1, :], out=down[..., 1:, :])
    extreme(down[..., :-1, :], pictures[..., 1:, :], out=down[..., :-1, :])
    across = down.copy()
    extreme(across[..., 1:], down[..., :-1], out=across[..., 1:])
    extreme(across[..., :-1], down[..., 1:], out=across[..., :-1])
    return across
