"""Which frame of the reference each frame of a distorted file shows.

Each picture is reduced to a signature: its luma as 32x18 averages, which compression leaves nearly
untouched. A path through the distances between signatures (Viterbi) says by how many frames the
distorted file is off at each of its frames; a change of that offset is a frame that was dropped or
repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COLUMNS, ROWS = 32, 18
CELLS = COLUMNS * ROWS

# Of shape (frames, CELLS), 16 bits.
Signatures = NDArray[np.uint16]
Floats = NDArray[np.float32]

# Offsets that are tried around the one that fits the whole best, in frames.
_REACH = 12
# What a change of offset costs, in deviations: less would follow noise.
_CHANGE = 4.0
# Deviations beyond this say no more.
_MOST = 30.0
# Below this distance, in 8-bit code values, pictures are the same but for compression.
_NOISE = 0.12
_LEAST_NOISE = 0.03
# How far towards another frame of the reference pictures must lie to show it. An older one must be
# met closely, as encoders lag; one that is still to come cannot be shown by accident; and less will
# do where the numbers of frames already say that some are missing or too many.
_WAY_OLDER, _WAY_NEWER, _WAY_EXPECTED, _WAY_MOST = 0.9, 0.72, 0.6, 1.3
# What is left to an older frame, to the length of the way to it.
_REST = 1.0
_EVIDENCE = 0.05
_BLOCK = 256
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

    ``offset`` is that of the first frames. ``likeness`` is the median correlation of the pictures
    matched so, None when all are flat. ``gain`` and ``lift`` fit distorted luma to the reference's
    (8-bit code values). ``moving`` is whether anything moves, so that an offset can be told at all.
    """

    offset: int
    jumps: tuple[Jump, ...]
    likeness: float | None
    gain: float
    lift: float
    moving: bool


def load(path: Path) -> Signatures:
    """Signatures from a file of raw grey pictures of 16 bits, mapped, not read."""
    count = path.stat().st_size // (2 * CELLS) if path.exists() else 0
    if not count:
        return np.zeros((0, CELLS), np.uint16)
    found: Signatures = np.memmap(path, np.dtype("<u2"), "r", shape=(count, CELLS))
    return found


def read_alignment(reference: Signatures, distorted: Signatures) -> Reading:
    """Aligns the signatures of two files.

    Raises:
        ValueError: when one has no frames.
    """
    if not len(reference) or not len(distorted):
        raise ValueError("no signatures")
    centre = 0
    costs = _costs(reference, distorted, centre)
    best = costs.min(axis=1)
    # The usual case needs no search; a large offset shows as frames that nothing nearby is like.
    if float(np.median(best)) > 4 * _NOISE or len(reference) != len(distorted):
        centre = _coarse_offset(reference, distorted)
        if centre:
            costs = _costs(reference, distorted, centre)
    offsets = _confirmed(reference, distorted, _path(costs, centre))
    # Frames that only one side has are matched with anything: what they say does not count.
    usual = int(np.bincount(offsets - offsets.min()).argmax() + offsets.min())
    there = np.arange(len(offsets)) + usual
    there = np.flatnonzero((there >= 0) & (there < len(reference)))
    inside = offsets[there]
    changes = np.flatnonzero(np.diff(inside)) + 1
    jumps = tuple(Jump(int(there[n]), int(inside[n - 1]), int(inside[n])) for n in changes.tolist())
    likeness, gain, lift = _agreement(reference, distorted, offsets)
    moves = _steps(reference)
    return Reading(
        int(inside[0]) if len(inside) else usual,
        jumps,
        likeness,
        gain,
        lift,
        bool(moves.size and np.mean(moves > 2 * _NOISE) > 0.02),
    )


def _floats(values: Signatures) -> Floats:
    """8-bit code values."""
    return values.astype(np.float32) / np.float32(257)


def _distance(a: Floats, b: Floats) -> NDArray[np.float32]:
    """Mean absolute difference of pictures without their means, and half that of the means.

    The means count less: a change of levels alters them alike at every offset.
    """
    mean_a, mean_b = a.mean(axis=1, keepdims=True), b.mean(axis=1, keepdims=True)
    rest = np.abs((a - mean_a) - (b - mean_b)).mean(axis=1)
    result: NDArray[np.float32] = rest + np.abs(mean_a - mean_b)[:, 0] / 2
    return result


def _costs(reference: Signatures, distorted: Signatures, centre: int) -> NDArray[np.float32]:
    """Distances at each offset around ``centre``, of shape (frames, 2 reach + 1).

    Where the reference has no such frame, the distance is infinite.
    """
    count = len(distorted)
    found = np.full((count, 2 * _REACH + 1), np.inf, np.float32)
    for start in range(0, count, _BLOCK):
        end = min(count, start + _BLOCK)
        block = _floats(distorted[start:end])
        low = max(0, start + centre - _REACH)
        high = min(len(reference), end + centre + _REACH)
        if low >= high:
            continue
        around = _floats(reference[low:high])
        for column in range(2 * _REACH + 1):
            shift = centre + column - _REACH
            first, last = max(start, -shift), min(end, len(reference) - shift)
            if first < last:
                theirs = around[first + shift - low : last + shift - low]
                found[first:last, column] = _distance(block[first - start : last - start], theirs)
    return found


def _path(costs: NDArray[np.float32], centre: int) -> NDArray[np.intp]:
    """The likeliest offset at each frame, whole frames, by Viterbi's algorithm."""
    finite = np.where(np.isfinite(costs), costs, np.float32(1e6))
    # What matters is how much worse an offset is than the best, against how much the distance of
    # the right one varies from frame to frame by compression alone.
    usual = finite[:, int(np.median(finite, axis=0).argmin())]
    noise = float(np.median(np.abs(np.diff(usual)))) if len(usual) > 1 else 0.0
    excess = finite - finite.min(axis=1, keepdims=True)
    deviations = np.minimum(excess / max(_LEAST_NOISE, noise), _MOST).astype(np.float32)
    count, states = deviations.shape
    came = np.zeros((count, states), np.int8)
    total = deviations[0].copy()
    # Where nothing moves all offsets fit alike: the one that needs no explanation is taken.
    away = np.abs(np.arange(states) - _REACH + centre)
    total += np.minimum(away, 4) * np.float32(0.75)
    stay = np.arange(states)
    for n in range(1, count):
        cheapest = int(total.argmin())
        change = total[cheapest] + np.float32(_CHANGE)
        came[n] = np.where(total <= change, stay, cheapest)
        total = np.minimum(total, change) + deviations[n]
    path = np.zeros(count, np.intp)
    path[-1] = int(total.argmin())
    for n in range(count - 1, 0, -1):
        path[n - 1] = came[n][path[n]]
    return path + (centre - _REACH)


def _confirmed(
    reference: Signatures, distorted: Signatures, offsets: NDArray[np.intp]
) -> NDArray[np.intp]:
    """The offsets without those that are an encoder's lag.

    At low rates, encoders leave parts of a picture as they were before. So a picture may be nearer
    to an older one of the reference than to its own, without showing it: what it shows lies between
    the two. A change of offset counts where the pictures lie nearly all the way towards the new
    one.
    """
    result = offsets.copy()
    edges = [0, *(np.flatnonzero(np.diff(offsets)) + 1).tolist(), len(offsets)]
    current = 0
    for start, end in pairwise(edges):
        new = int(offsets[start])
        if new != current:
            way, evidence, rest = _way(reference, distorted, (start, end), current, new)
            needed = _WAY_OLDER if new < current else _WAY_NEWER
            if new == len(reference) - len(distorted):
                needed = _WAY_EXPECTED
            elif new < current and rest > _REST * evidence:
                needed = _WAY_MOST
            if not needed <= way <= _WAY_MOST or evidence < _EVIDENCE:
                new = current
        result[start:end] = new
        current = new
    return result


def _way(
    reference: Signatures, distorted: Signatures, span: tuple[int, int], old: int, new: int
) -> tuple[float, float, float]:
    """How far pictures lie on the way from the reference's at one offset to those at another.

    0 is at the old, 1 at the new; noise that is in none of them cancels out. The second value is
    the squared length of all ways, in code values, per cell; the third that of what is left from
    the pictures to the reference's at the new offset.
    """
    along, length, rest = 0.0, 0.0, 0.0
    for start in range(span[0], span[1], _BLOCK):
        at = np.arange(start, min(span[1], start + _BLOCK))
        low, high = at + min(old, new), at + max(old, new)
        at = at[(low >= 0) & (high < len(reference))]
        if not at.size:
            continue
        here, before, after = (
            values - values.mean(axis=1, keepdims=True)
            for values in (
                _floats(distorted[at]),
                _floats(reference[at + old]),
                _floats(reference[at + new]),
            )
        )
        ways = after - before
        along += float(((here - before) * ways).mean(axis=1).sum())
        length += float((ways * ways).mean(axis=1).sum())
        rest += float(((here - after) ** 2).mean(axis=1).sum())
    # Where only one of them exists, there is nothing to weigh.
    return (along / length, length, rest) if length > 0 else (1.0, _EVIDENCE, 0.0)


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
    areas = [
        _floats(values[start : start + _BLOCK])
        .reshape(-1, 3, ROWS // 3, 4, COLUMNS // 4)
        .mean(axis=(2, 4))
        .reshape(-1, 12)
        for start in range(0, len(values), _BLOCK)
    ]
    steps = np.diff(np.concatenate(areas).astype(np.float64), axis=0)
    # A cut must not outweigh everything else.
    return np.clip(steps, -20, 20)


def _fit_at(reference: Signatures, distorted: Signatures, offset: int) -> float:
    """The mean distance at one offset, over a sample of frames; large when few overlap."""
    first, last = max(0, -offset), min(len(distorted), len(reference) - offset)
    if last - first < min(8, len(distorted)):
        return float("inf")
    at = np.unique(np.linspace(first, last - 1, 200).astype(np.intp))
    return float(_distance(_floats(distorted[at]), _floats(reference[at + offset])).mean())


def _agreement(
    reference: Signatures, distorted: Signatures, offsets: NDArray[np.intp]
) -> tuple[float | None, float, float]:
    """Median correlation, and the line through the lumas of matched pictures."""
    at = np.unique(np.linspace(0, len(distorted) - 1, 300).astype(np.intp))
    theirs = at + offsets[at]
    inside = (theirs >= 0) & (theirs < len(reference))
    if not inside.any():
        return None, 1.0, 0.0
    a, b = _floats(reference[theirs[inside]]), _floats(distorted[at[inside]])
    flat_a, flat_b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    deviation_a, deviation_b = (np.sqrt((x * x).mean(axis=1)) for x in (flat_a, flat_b))
    told = np.maximum(deviation_a, deviation_b) > _FLAT
    if not told.any():
        return None, 1.0, 0.0
    together = (flat_a * flat_b).mean(axis=1)[told]
    product = (deviation_a * deviation_b)[told]
    likeness = float(np.median(together / np.maximum(product, 0.25)))
    x, y = a[told].ravel().astype(np.float64), b[told].ravel().astype(np.float64)
    if float(x.std()) < _FLAT:
        return likeness, 1.0, 0.0
    gain = float(np.cov(x, y)[0, 1] / x.var(ddof=1))
    return likeness, gain, float(y.mean() - gain * x.mean())


def _steps(values: Signatures) -> NDArray[np.float32]:
    """Distances of each picture but the first to the one before it."""
    parts = [np.zeros(0, np.float32)]
    for start in range(0, len(values) - 1, _BLOCK):
        block = _floats(values[start : start + _BLOCK + 1])
        parts.append(_distance(block[1:], block[:-1]))
    return np.concatenate(parts)
