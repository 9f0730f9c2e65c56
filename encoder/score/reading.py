"""Which frame of the reference each frame of a distorted file shows, and how alike they are.

A change of offset from a frame to the next is a frame that was dropped or repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from encoder.score.arrived import find_arrival
from encoder.score.frozen import find_frozen
from encoder.score.offsets import REACH, likeliest
from encoder.score.proof import is_likelier, proven
from encoder.score.signatures import COLUMNS, ROWS, Signatures, areas, luma, varying

Floats = NDArray[np.float32]

# Below this distance, in 8-bit code values, pictures are the same but for compression.
_NOISE = 0.12
_LEAST_NOISE = 0.03
_BLOCK = 256
# So many frames at an end are not the middle.
_END = 1
# What is left of the squared error of pictures at another offset, if it is theirs; and how far they
# must agree on that: all that they gain, to the root of the sum of squares. Of one it is 1, of many
# that agree more.
_BETTER, _AGREED = 0.99, 0.5
# How many frames away is far, and for how many is a moment.
_FAR, _MOMENT = 3, 24
# What an offset that is out of reach must leave of the distance at none.
_CLEARLY = 0.7
# Fewer changes from frame to frame correlate by accident.
_LEAST_MOTION = 12
# Pictures whose cells deviate by less than this have nothing to be told by.
_FLAT = 2.0


@dataclass(frozen=True, slots=True)
class Jump:
    """From this frame of the distorted file on, frames are off by other than before.

    ``before`` and ``after`` are offsets: distorted frame n shows reference frame n + offset.
    """

    frame: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What the signatures tell.

    ``offset`` is that of the first frames, ``usual`` that of most, and ``certain`` whether the
    pictures exclude any other: where not, and none is clearly likelier, none is taken.
    ``doubted`` is a frame that may repeat the one before it, or was left so by the encode.
    ``likeness`` is the median correlation of the pictures matched so, None when all are flat,
    ``rest`` what they differ by but for their means (root mean square, in 8-bit code values), and
    ``motion`` the correlation of how much both change from frame to frame, None when too few do.
    """

    offset: int
    usual: int
    certain: bool
    jumps: tuple[Jump, ...]
    doubted: int | None
    likeness: float | None
    rest: float
    motion: float | None


def read_alignment(reference: Signatures, distorted: Signatures) -> Reading:
    """Aligns the signatures of two files.

    Raises:
        ValueError: when one has no frames.
    """
    if not len(reference) or not len(distorted):
        raise ValueError("no signatures")
    centre = 0
    # The usual case needs no search; a large offset shows as frames that are not like theirs.
    if len(reference) != len(distorted) or _fit_at(reference, distorted, 0) > 4 * _NOISE:
        centre = _coarse_offset(reference, distorted)
        # What is nearly as likely without being far off is.
        near = _fit_at(reference, distorted, 0)
        if abs(centre) <= REACH or _fit_at(reference, distorted, centre) > _CLEARLY * near:
            centre = 0
    offsets = _confirmed(reference, distorted, likeliest(reference, distorted, centre))
    # Frames that only one side has are matched with anything: what they say does not count.
    usual = int(np.bincount(offsets - offsets.min()).argmax() + offsets.min())
    there = np.arange(len(offsets)) + usual
    there = np.flatnonzero((there >= 0) & (there < len(reference)))
    settled = _settled(offsets[there])
    inside = proven(reference, distorted, there, settled)
    certain = bool((inside == settled).all())
    changes = np.flatnonzero(np.diff(inside)) + 1
    if not len(changes):
        if len(inside):
            offsets, usual = np.full_like(offsets, inside[0]), int(inside[0])
        found, known = _constant(reference, distorted, usual)
        certain &= known
        offsets, inside = offsets + (found - usual), inside + (found - usual)
        usual = found
    jumps = tuple(Jump(int(there[n]), int(inside[n - 1]), int(inside[n])) for n in changes.tolist())
    frozen = find_frozen(reference, distorted, usual) if not jumps else None
    doubted = None
    if frozen is not None and frozen.certain:
        again = frozen.frame
        jumps = Jump(again, usual, usual - 1), Jump(again + 1, usual - 1, usual)
    elif frozen is not None:
        doubted = frozen.frame
    likeness, rest = _agreement(reference, distorted, offsets, there)
    return Reading(
        int(inside[0]) if len(inside) else usual,
        usual,
        certain and doubted is None,
        jumps,
        doubted,
        likeness,
        rest,
        _motion(reference, distorted, usual),
    )


def _constant(reference: Signatures, distorted: Signatures, usual: int) -> tuple[int, bool]:
    """The offset of a file without jumps, and whether that is certain.

    What the pictures cannot tell is no reason to call a file off.
    """
    frames = range(len(distorted))
    found = find_arrival(reference, distorted, usual)

    def is_off(by: int) -> bool:
        return not by or is_likelier(reference, distorted, frames, by, 0)

    if found.certain and is_off(found.offset):
        return found.offset, True
    if not usual:
        # By how many frames may not be told, but that it is off, and to which side.
        off = min(found.possible) > 0 or max(found.possible) < 0
        return (found.offset if off and is_off(found.offset) else 0), False
    none = find_arrival(reference, distorted, 0) if abs(usual) <= REACH else found
    if none.certain and is_off(none.offset):
        return none.offset, True
    return (usual if usual in found.possible and is_off(usual) else 0), False


def _confirmed(
    reference: Signatures, distorted: Signatures, offsets: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Offsets without changes that make pictures no more alike.

    Where nothing moves, any offset will do; and encoders that copy a picture from another one,
    before or after it, change as if they had jumped, but do not stay there.
    """
    result = offsets.copy()
    edges = [0, *(np.flatnonzero(np.diff(offsets)) + 1).tolist(), len(offsets)]
    current = int(offsets[0])
    for start, end in pairwise(edges):
        new = int(offsets[start])
        at = np.arange(start, end)
        at = at[(at + min(current, new) >= 0) & (at + max(current, new) < len(reference))]
        if new != current and at.size:
            at = at[np.unique(np.linspace(0, at.size - 1, _BLOCK).astype(np.intp))]
            here = varying(distorted[at])
            before, after = (
                ((here - varying(reference[at + one])) ** 2).mean(axis=1) for one in (current, new)
            )
            gains = before - after
            agreed = float(gains.sum()) > _AGREED * float(np.sqrt((gains * gains).sum()))
            if not agreed or float(after.sum()) >= _BETTER * float(before.sum()):
                new = current
        result[start:end] = new
        current = new
    return result


def _settled(offsets: NDArray[np.intp]) -> NDArray[np.intp]:
    """Offsets without changes at the first or last frame, which begin or end it, and without those
    that lead far away for a moment: nobody drops or repeats frames so, but encoders that lag behind
    a sudden movement come near to older pictures.
    """
    result = offsets.copy()
    edges = (np.flatnonzero(np.diff(offsets)) + 1).tolist()
    for start, end in pairwise(edges):
        before, after = int(result[start - 1]), int(result[end])
        if before == after and abs(result[start] - before) >= _FAR and end - start <= _MOMENT:
            result[start:end] = before
    edges = (np.flatnonzero(np.diff(result)) + 1).tolist()
    for edge in edges:
        if edge <= _END:
            result[:edge] = result[edge]
    for edge in reversed(edges):
        if len(result) - edge <= _END < edge:
            result[edge:] = result[edge - 1]
    return result


def _distance(a: Floats, b: Floats) -> NDArray[np.float32]:
    """Mean absolute difference of pictures without their means, and half that of the means.

    The means count less: a change of levels alters them alike at every offset.
    """
    mean_a, mean_b = a.mean(axis=1, keepdims=True), b.mean(axis=1, keepdims=True)
    rest = np.abs((a - mean_a) - (b - mean_b)).mean(axis=1)
    result: NDArray[np.float32] = rest + np.abs(mean_a - mean_b)[:, 0] / 2
    return result


def _coarse_offset(reference: Signatures, distorted: Signatures) -> int:
    """The offset at which the changes of both from frame to frame correlate best.

    Cross-correlation by Fourier transform of the temporal differences of 3x4 areas.
    """
    ours, theirs = _changes(reference), _changes(distorted)
    size = 1 << int(len(ours) + len(theirs)).bit_length()
    product = np.fft.rfft(ours, size, axis=0) * np.conj(np.fft.rfft(theirs, size, axis=0))
    together = np.fft.irfft(product.sum(axis=1), size)
    candidates = {0}
    for place in np.argsort(together)[-8:]:
        candidates.add(int(place) if place < size // 2 else int(place) - size)
    scored = [(_fit_at(reference, distorted, one), abs(one), one) for one in candidates]
    return min(scored)[2]


def _changes(values: Signatures) -> NDArray[np.float64]:
    blocks = range(0, len(values), _BLOCK)
    parts = [areas(luma(values[start : start + _BLOCK]), ROWS, COLUMNS) for start in blocks]
    steps = np.diff(np.concatenate(parts), axis=0)
    # A cut must not outweigh everything else.
    return np.clip(steps, -20, 20)


def _fit_at(reference: Signatures, distorted: Signatures, offset: int) -> float:
    """The mean distance at one offset, over a sample of frames; large when few overlap."""
    first, last = max(0, -offset), min(len(distorted), len(reference) - offset)
    if last - first < min(8, len(distorted), len(reference)):
        return float("inf")
    at = np.unique(np.linspace(first, last - 1, 200).astype(np.intp))
    return float(_distance(luma(distorted[at]), luma(reference[at + offset])).mean())


def _agreement(
    reference: Signatures,
    distorted: Signatures,
    offsets: NDArray[np.intp],
    there: NDArray[np.intp],
) -> tuple[float | None, float]:
    """Median correlation of matched pictures, and what they differ by."""
    if not len(there):
        return None, 0.0
    at = there[np.unique(np.linspace(0, len(there) - 1, 300).astype(np.intp))]
    theirs = at + offsets[at]
    inside = (theirs >= 0) & (theirs < len(reference))
    if not inside.any():
        return None, 0.0
    a, b = luma(reference[theirs[inside]]), luma(distorted[at[inside]])
    flat_a, flat_b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    deviation_a, deviation_b = (np.sqrt((x * x).mean(axis=1)) for x in (flat_a, flat_b))
    told = np.maximum(deviation_a, deviation_b) > _FLAT
    if not told.any():
        return None, 0.0
    together = (flat_a * flat_b).mean(axis=1)[told]
    product = (deviation_a * deviation_b)[told]
    likeness = float(np.median(together / np.maximum(product, 0.25)))
    rest = np.sqrt(((flat_a - flat_b) ** 2).mean(axis=1))[told]
    return likeness, float(np.median(rest))


def _motion(reference: Signatures, distorted: Signatures, offset: int) -> float | None:
    """Correlation of the (logarithmic) changes of matched frames from the ones before them.

    It is that of the same scenes whatever is cut off or added around them, and of different scenes
    only by accident. Offsets nearby are tried as well, as those of other framings are uncertain.
    """
    ours = np.log(_steps(reference) + _NOISE)
    theirs = np.log(_steps(distorted) + _NOISE)
    found = []
    for tried in range(offset - REACH, offset + REACH + 1):
        first, last = max(0, -tried), min(len(theirs), len(ours) - tried)
        a, b = ours[first + tried : last + tried], theirs[first:last]
        if last - first < _LEAST_MOTION or min(float(a.std()), float(b.std())) < _LEAST_NOISE:
            continue
        found.append(float(np.corrcoef(a, b)[0, 1]))
    return max(found, default=None)


def _steps(values: Signatures) -> NDArray[np.float32]:
    """Distances of each picture but the first to the one before it."""
    parts = [np.zeros(0, np.float32)]
    for start in range(0, len(values) - 1, _BLOCK):
        block = luma(values[start : start + _BLOCK + 1])
        parts.append(_distance(block[1:], block[:-1]))
    return np.concatenate(parts)
