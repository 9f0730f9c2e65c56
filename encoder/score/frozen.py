"""A frame that shows the one before it again, in a file that is not off before or after.

Such a frame was dropped and its place filled. Encoders also leave a picture as it was now and then,
where it changes by less than their errors, or begins to move after it was still; so one counts only
where the reference moves by more, where the frame before it is the right one, where the one after
it brings what was missing, and where no other frame of the file comes near to doing the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.score.signatures import CELLS, Signatures, luma

Floats = NDArray[np.float64]

# By how much, as a logarithm, a repeated frame explains two changes better than none does, at
# least, and how much better than any other frame of the file: to be sure, and to be in doubt.
_REPEATED, _ALONE = 0.6, 0.8
_DOUBTED, _DOUBTED_ALONE = 0.4, 0.3
# How far the reference moves there at least: to the error of pictures, of which little changes from
# a frame to the next, and in code values.
_SEEN, _MOVES = 0.5, 0.2
# What the frame after it leaves of the change that it brings, at the most.
_LEFT = 0.7
# What no encoder's own doing comes to, as a logarithm as well; and below that, the share of the
# movement that is shown, to the least that is shown of any other that is large enough beside it: of
# less movement less is shown.
_BEYOND, _LESS, _ALIKE = 2.75, 0.8, 1 / 2
_ROUNDING = 0.1
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frame that repeats the one before it, or (not ``certain``) may have been left as it was."""

    frame: int
    certain: bool


def find_frozen(reference: Signatures, distorted: Signatures, offset: int) -> Frozen | None:
    """The one frame that repeats the frame before it and is followed by the right one.

    Args:
        reference: signatures of one file.
        distorted: of the other, whose frame n shows the reference's n + ``offset``.
        offset: in frames.
    """
    first, last = max(0, -offset), min(len(distorted), len(reference) - offset)
    parts = [
        _look(reference, distorted, offset, start, min(last, start + _BLOCK + 2))
        for start in range(first, last - 2, _BLOCK)
    ]
    if not parts:
        return None
    gain, moves, errors, share, left = (np.concatenate(one) for one in zip(*parts, strict=True))
    seen = moves > max(_MOVES, _SEEN * float(np.sqrt(np.median(errors))))
    gain = np.where(moves > _MOVES, gain, -np.inf)
    best = int(np.argmax(np.where(seen, gain, -np.inf)))
    others = np.ones(len(gain), bool)
    others[max(0, best - 1) : best + 2] = False
    other = float(gain[others].max(initial=-np.inf))
    if not seen[best] or gain[best] < max(_DOUBTED, other + _DOUBTED_ALONE):
        return None
    if left[best] > _LEFT:
        return None
    if gain[best] < _BEYOND:
        # An encoder may have done it: it waits for a frame where a movement begins, or shows as
        # little of others.
        begins = moves[max(0, best - 2) : best].max(initial=0.0) <= _MOVES
        least = float(share[others & (moves > moves[best] * _ALIKE)].min(initial=np.inf))
        if begins or share[best] > _LESS * least:
            return None
    frame = first + best + 1
    if not _right(reference, distorted, offset, frame - 1):
        return None
    return Frozen(frame, bool(gain[best] >= max(_REPEATED, other + _ALONE)))


def _right(reference: Signatures, distorted: Signatures, offset: int, frame: int) -> bool:
    """Whether a frame is nearer to its own of the reference than to the one before that."""
    if frame + offset < 1:
        return True
    ours = luma(reference[frame + offset - 1 : frame + offset + 1]).astype(np.float64)
    before, own = _square(luma(distorted[frame : frame + 1]) - ours)
    return bool(own <= before)


def _look(
    reference: Signatures, distorted: Signatures, offset: int, start: int, end: int
) -> tuple[Floats, ...]:
    """For each frame but the first and the last of a range: how much better a repetition explains
    the changes to it and after it, how far the reference moves to it (root mean square), the
    squared error of the picture, the share of the reference's change to it that is shown, and what
    a repetition leaves of both changes, as a share of their squares.
    """
    theirs = luma(distorted[start:end]).astype(np.float64)
    ours = luma(reference[start + offset : end + offset]).astype(np.float64)
    off = theirs - ours
    off -= off.mean(axis=1, keepdims=True)
    change, wanted = np.diff(theirs, axis=0), np.diff(ours, axis=0)
    plain = _square(change - wanted)
    plain = plain[:-1] + plain[1:]
    both = wanted[:-1] + wanted[1:]
    after = _square(change[1:] - both)
    repeated = _square(change[:-1]) + after
    share = np.einsum("nc,nc->n", change[:-1], wanted[:-1]) / CELLS
    share /= _square(wanted[:-1]) + _ROUNDING**2
    left = after / (_square(both) + _ROUNDING**2)
    gain = np.log((plain + _ROUNDING**2) / (repeated + _ROUNDING**2))
    return gain, np.sqrt(_square(wanted[:-1])), _square(off)[1:-1], share, left


def _square(values: Floats) -> Floats:
    result: Floats = np.einsum("nc,nc->n", values, values) / CELLS
    return result
