"""By how many frames a file is off at each of its frames: the likeliest path through the offsets.

What an encoder does to a picture stays much the same from a frame to the next, so it is the change
from frame to frame that says the most: at a frame where the offset goes from s to t, the file must
change by as much as from the reference's frame at s to the one at t. Where it stays, by as much as
the reference does. The pictures themselves add to that, but much less than there are frames, as
their errors are the same one for a while.

The cost of a change is a negative logarithm of its likelihood, when errors are normal and of a
variance that nothing is known of; of paths, the cheapest is taken (Viterbi).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from encoder.score.signatures import CELLS, Signatures, varying

Floats = NDArray[np.float64]

#: Offsets that are tried around the one that fits the whole best, in frames.
REACH = 12
# How many numbers of a signature are independent of each other in what an encoder does to them.
_INDEPENDENT = 16
# For how many frames the error of a picture stays.
_LASTING = 25
# What a change of offset costs, and the most that a frame's evidence counts.
_CHANGE = 12.0
_MOST = 40.0
# What it costs to show a frame that the reference does not have: less than to change the offset at
# every frame so as to stay among those that it has, as the last one is often the likest.
_OUTSIDE = 2.0
# Where nothing moves all offsets fit alike: the one that needs no explanation is taken.
_AWAY, _AWAY_MOST = 1.0, 4
# In 8-bit code values: smaller differences are rounding.
_ROUNDING = 0.03
_HUGE = 1e9
_BLOCK = 256


def likeliest(reference: Signatures, distorted: Signatures, centre: int) -> NDArray[np.intp]:
    """The likeliest offset of each frame: distorted frame n shows reference frame n + offset.

    Args:
        reference: signatures of one file.
        distorted: of the other, one frame or more.
        centre: the offset around which others are tried, up to :data:`REACH` from it.
    """
    still, shown = _spreads(reference, distorted, centre)
    states = 2 * REACH + 1
    away = np.abs(np.arange(states) - REACH + centre)
    total = np.minimum(away, _AWAY_MOST) * _AWAY
    came = np.zeros((len(distorted), states), np.int8)
    for start in range(0, len(distorted), _BLOCK):
        steps, pictures = _errors(reference, distorted, centre, start)
        moves, stays = _moves(steps, still), _stays(pictures, shown)
        for n in range(len(pictures)):
            if start + n:
                ways = total[:, None] + moves[n]
                came[start + n] = ways.argmin(axis=0)
                total = ways.min(axis=0)
            total = total + stays[n]
    path = np.zeros(len(distorted), np.intp)
    path[-1] = int(total.argmin())
    for n in range(len(distorted) - 1, 0, -1):
        path[n - 1] = came[n][path[n]]
    return path + (centre - REACH)


def _spreads(reference: Signatures, distorted: Signatures, centre: int) -> tuple[float, float]:
    """Usual squared errors of the changes and of the pictures at the offset that fits best."""
    moved, shown = [], []
    for start in range(0, len(distorted), _BLOCK):
        steps, pictures = _errors(reference, distorted, centre, start)
        kept = np.diagonal(steps, axis1=1, axis2=2)
        moved.append(kept.min(axis=1))
        shown.append(pictures.min(axis=1))
    found = []
    for parts in (moved, shown):
        values = np.concatenate(parts)
        values = values[np.isfinite(values)]
        found.append(max(_ROUNDING**2, float(np.median(values)) if values.size else 0.0))
    # What is less than the error of a picture, an encoder may leave as it was.
    return max(found), found[1]


def _moves(errors: Floats, spread: float) -> Floats:
    """What the changes from frame to frame cost, against the best of those that stay."""
    costs = _INDEPENDENT / 2 * np.log(errors + spread)
    states = np.arange(errors.shape[1])
    kept = costs[:, states, states]
    least = kept.min(axis=1, initial=_HUGE)[:, None]
    # Nothing has to jump to where the reference ends.
    costs = np.where(np.isfinite(costs), costs - least[:, :, None], np.inf) + _CHANGE
    costs[:, states, states] = np.where(
        np.isfinite(kept), np.minimum(kept - least, _MOST), _OUTSIDE
    )
    return costs


def _stays(errors: Floats, spread: float) -> Floats:
    """What the pictures cost, against the best."""
    costs = _INDEPENDENT / 2 * np.log(errors + spread)
    least = costs.min(axis=1, keepdims=True, initial=_HUGE)
    known = np.minimum(costs - least, _MOST)
    return np.where(np.isfinite(costs), known, _OUTSIDE) / _LASTING


def _errors(
    reference: Signatures, distorted: Signatures, centre: int, start: int
) -> tuple[Floats, Floats]:
    """Mean squared errors of a block of frames, infinite where the reference has no such frame.

    Returns:
        Those of the change from the frame before, of shape (frames, offset before, offset now),
        and of the pictures, of shape (frames, offset).
    """
    end = min(len(distorted), start + _BLOCK)
    states = 2 * REACH + 1
    low = start - 1 + centre - REACH
    places = np.arange(low, end + centre + REACH)
    there = (places >= 0) & (places < len(reference))
    around = np.zeros((len(places), CELLS))
    around[there] = varying(reference[places[there]])
    ours = varying(distorted[max(0, start - 1) : end])
    # Differences alone count: smaller numbers are rounded less.
    middle = ours.mean(axis=0)
    around -= middle
    ours -= middle
    if not start:
        ours = np.concatenate([ours[:1], ours])
    changes, now = np.diff(ours, axis=0), ours[1:]
    squares = (around * around).sum(axis=1)
    among = around @ around.T
    # Row n's offset number i is the reference's place n + 1 + i, and n + i at the frame before.
    rows = np.arange(end - start)[:, None]
    at = rows + 1 + np.arange(states)
    before = at - 1
    along = changes @ around.T
    like = now @ around.T
    pictures = (
        (now * now).sum(axis=1)[:, None] - 2 * np.take_along_axis(like, at, 1) + squares[at]
    ) / CELLS
    pictures[~there[at]] = np.inf
    a, b = before[:, :, None], at[:, None, :]
    steps = (
        (changes * changes).sum(axis=1)[:, None, None]
        - 2 * np.take_along_axis(along, at, 1)[:, None, :]
        + 2 * np.take_along_axis(along, before, 1)[:, :, None]
        + squares[a]
        + squares[b]
        - 2 * among[a, b]
    ) / CELLS
    steps[~(there[a] & there[b])] = np.inf
    return np.maximum(steps, 0), np.maximum(pictures, 0)
