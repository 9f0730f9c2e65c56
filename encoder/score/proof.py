"""Whether frames are clearly those of one offset rather than of another.

The likeliest path through the offsets takes what an encoder does for chance. At low rates it is
none: pictures stay as they were for a while, move by a part of what the reference does, or are a
mix of the ones before and after them, frame after frame in the same way. All that makes pictures
likest to other frames than their own, and mostly to older ones.

So two things are asked of frames that are said to be at an offset. Pictures must not have gone far
from there to the other one: a picture that lags by a half is as far from both. And of what changes
from frame to frame, the file must show a share, and little of what the reference does at the other
offset: a picture that hardly changes is like one of a part that hardly moves, but shows nothing of
its motion. Where pictures are far closer than they need be, as those of good encodes are, that is
enough: even motion is the same at all offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from encoder.score.signatures import Signatures, varying

Floats = NDArray[np.float64]

# Of the way to another offset, what pictures may have gone. Where that is newer, lag alone takes
# them from there to here: less then, and less still where the way is within their errors.
_GONE, _GONE_OLDER, _GONE_WITHIN = 0.5, 0.4, 0.3
# So many standard errors are added to it where changes do not tell.
_SURE = 2.5
# The least share of the changes that is shown. Where the way is within the errors: by how much it
# must be above that of the other offset, and what both must be within to be shares at all.
_SHARE = 0.15
_ABOVE, _MOST, _NOTHING = 0.2, 1.35, -0.2
# The share of the changes that makes an offset likelier, and the standard error of pictures that
# say nothing.
_SOME, _UNSURE = 0.1, 0.5
# How far the reference moves in a frame, in 8-bit code values, for an encoder to show it.
_MOVES = 0.2
# The part of the frames that most are.
_IN_MOST = 0.75
# How many frames away is far.
_FAR = 3
# How many numbers of a picture's error are independent, and for how many frames one lasts.
_INDEPENDENT, _LASTING = 16, 12
# In 8-bit code values: smaller differences are rounding.
_ROUNDING = 0.03
_BLOCK = 256


@dataclass(frozen=True, slots=True)
class _Shares:
    """What frames show of two offsets.

    ``gone`` is the share of the way from this offset's pictures to the other's, ``error`` its
    standard error, ``far`` whether that way is more than the pictures' errors; ``own`` and
    ``other`` are the shares of both offsets' changes, None where these do not differ. ``moves`` is
    how far the reference moves at this offset, at the most, and ``least`` how far the other
    offset's pictures are from this one's in most frames (root mean squares, in code values).
    """

    gone: float
    error: float
    far: bool
    own: float | None
    other: float | None
    moves: float
    least: float


def belong(
    reference: Signatures, distorted: Signatures, frames: range, offset: int, other: int
) -> bool:
    """Whether frames show the reference at one offset, and clearly not at another.

    Args:
        reference: signatures of one file.
        distorted: of the other.
        frames: frames of the distorted file, one after the other.
        offset: what they are said to be off by.
        other: what they may be off by instead.
    """
    found = _shares(reference, distorted, frames, offset, other)
    if found is None:
        return False
    most = _GONE
    if offset < other:
        # A picture that is left as it was shows one before it, and that for as long as it is left.
        if found.moves < _MOVES:
            return False
        most = _GONE_OLDER if found.far else _GONE_WITHIN
    sure = found.gone + _SURE * found.error < most
    if found.own is None or found.other is None:
        return sure
    if sure:
        return found.own >= found.other
    if found.gone >= most or found.own < _SHARE:
        return False
    if offset < other and not found.far:
        return found.other + _ABOVE <= found.own <= _MOST and found.other >= _NOTHING
    return found.own >= found.other


def is_likelier(
    reference: Signatures, distorted: Signatures, frames: range, offset: int, other: int
) -> bool:
    """Whether nothing speaks against frames being at the offset that is likeliest, not at another.

    Args:
        reference: signatures of one file.
        distorted: of the other.
        frames: frames of the distorted file, one after the other.
        offset: the likeliest.
        other: what they may be off by instead.
    """
    first, last = _in_both(reference, frames, offset, other)
    if first >= last:
        return True
    found = _shares(reference, distorted, frames, offset, other)
    if found is None:
        return False
    if found.own is not None and found.other is not None:
        if not max(_SOME, found.other) <= found.own <= _MOST or found.other < _NOTHING:
            return False
        # Nothing shows what is yet to come, unless it hardly moves.
        if offset > other and found.moves >= _MOVES:
            return True
    slow = found.least < _MOVES
    # What moves less than pictures err by is left for long: all that lags is older.
    if offset < other and slow and not found.far:
        return False
    if found.gone + _SURE * found.error < _GONE_WITHIN:
        return True
    if slow and offset < other:
        return False
    return found.gone < (_GONE_OLDER if slow else _GONE) and found.error < _UNSURE


def _waits(reference: Signatures, start: int, offset: int, before: int) -> bool:
    """Whether frames are much older from a frame on where nothing moves, so that an encoder may
    have waited where a movement begins.
    """
    if before - offset < _FAR:
        return False
    moved = np.diff(varying(reference[max(0, start + before - 1) : start + before + 2]), axis=0)
    return bool(_product(moved, moved).max(initial=0.0) < _MOVES**2)


def _shares(
    reference: Signatures, distorted: Signatures, frames: range, offset: int, other: int
) -> _Shares | None:
    """What frames show of two offsets; None where the reference has not both or is still."""
    first, last = _in_both(reference, frames, offset, other)
    sums = np.zeros(4)
    together, along = np.zeros((2, 2)), np.zeros(2)
    ways: list[Floats] = []
    moves = 0.0
    for start in range(first, last, _BLOCK):
        end = min(last, start + _BLOCK)
        # With the frame before, for changes, where that is of these frames.
        low = max(first, start - 1)
        theirs = varying(distorted[low:end])
        own, others = (varying(reference[low + one : end + one]) for one in (offset, other))
        new = slice(start - low, None)
        shown = varying(reference[max(0, start + offset - 1) : end + offset])
        moves = max(moves, float(_product(*[np.diff(shown, axis=0)] * 2).max(initial=0.0)))
        way = others[new] - own[new]
        off = theirs[new] - own[new]
        length = _product(way, way)
        seen = length > _ROUNDING**2
        error = np.minimum(_product(off, off), _product(off - way, off - way))
        # Cuts and flashes would outweigh all else.
        weight = seen / (error + length + _ROUNDING**2)
        ways.append(length[seen])
        sums += [
            (weight * _product(off, way)).sum(),
            (weight * length).sum(),
            (weight**2 * length * error).sum(),
            (weight * error).sum(),
        ]
        moved, a, b = (np.diff(one, axis=0) for one in (theirs, own, others))
        level = 1 / (_product(moved, moved) + _product(a, a) + _product(b, b) + _ROUNDING**2)
        pair = np.stack([a, b])
        together += np.einsum("inc,jnc,n->ij", pair, pair, level, optimize=True)
        along += np.einsum("inc,nc,n->i", pair, moved, level, optimize=True)
    all_ways = np.concatenate([np.zeros(0), *ways])
    if not all_ways.size:
        return None
    gone = float(sums[0] / sums[1])
    lasting = min(_LASTING, all_ways.size) / _INDEPENDENT
    spread = float(np.sqrt(sums[2] * lasting) / sums[1])
    least = float(np.sqrt(np.quantile(all_ways, 1 - _IN_MOST)))
    far = bool(sums[1] > sums[3])
    return _Shares(gone, spread, far, *_solved(together, along), moves**0.5, least)


def _in_both(reference: Signatures, frames: range, offset: int, other: int) -> tuple[int, int]:
    """The frames that the reference has at both offsets: the first, and the one after the last."""
    first = max(frames.start, -min(offset, other))
    return first, min(frames.stop, len(reference) - max(offset, other))


def _solved(together: Floats, along: Floats) -> tuple[float | None, float | None]:
    scale = float(np.trace(together))
    if scale <= 0 or float(np.linalg.eigvalsh(together)[0]) < 1e-3 * scale:
        return None, None
    own, other = np.linalg.solve(together, along)
    return float(own), float(other)


def _product(a: Floats, b: Floats) -> Floats:
    result: Floats = (a * b).mean(axis=-1)
    return result


def proven(
    reference: Signatures,
    distorted: Signatures,
    frames: NDArray[np.intp],
    offsets: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Offsets of frames without changes of which one side or the other is not clear.

    Frames that are not clearly off by another number than those beside them are taken to be off by
    the same: as the clear ones, or else as the more.

    Args:
        reference: signatures of one file.
        distorted: of the other.
        frames: its frames, one after the other.
        offsets: what each is off by most likely.
    """
    edges = [0, *(np.flatnonzero(np.diff(offsets)) + 1).tolist(), len(offsets)]
    # Stretches that are off by the same: where they start, and by what.
    kept: list[tuple[int, int]] = []
    for start, end in pairwise(edges):
        begin, offset = start, int(offsets[start])
        while kept:
            earlier, before = kept[-1]
            if before == offset:
                begin = kept.pop()[0]
                continue
            first, last = (
                range(int(frames[a]), int(frames[b - 1]) + 1)
                for a, b in ((earlier, begin), (begin, end))
            )
            clear = belong(reference, distorted, first, before, offset)
            own = belong(reference, distorted, last, offset, before)
            own = own and not _waits(reference, last.start, offset, before)
            if clear and own:
                break
            begin = kept.pop()[0]
            if clear or (not own and len(first) >= len(last)):
                offset = before
        kept.append((begin, offset))
    result = offsets.copy()
    for begin, offset in kept:
        result[begin:] = offset
    return result
