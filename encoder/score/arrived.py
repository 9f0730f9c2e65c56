"""Whether pictures can tell that a file is off by no frames, or by how many.

Two looks. Where a picture is nearer to its frame of the reference than half of the way to the one
before and to the one after, it is that frame: what moves is above what coding did to it. Where
coding did more, pictures are not what tells: encoders lag, as parts that change little are left as
they were for a while, so that at low rates most pictures are likest to older ones. But nothing
shows what is yet to come. So a file is explained as a sum of the reference's steps from frame to
frame, of each a share: of steps long past nearly all has arrived, of those to come nothing. The
offset is where the shares fall (linear regression; its errors are those of a jackknife over
stretches of the file, as what coding does to a picture lasts for some frames).

Where neither is sure, the pictures cannot tell: the motion may be too little, too even or too far
below the errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from encoder.score.signatures import Signatures, varying

Floats = NDArray[np.float64]

#: Offsets that are looked at around the one that is expected, in frames.
AROUND = 3
# Of the squared way to another frame, what a picture may be off by to be nearer to its own.
_NEARER = 0.25
# How many pictures must be nearer to their own frame, for each that is nearer to another.
_AGREEING = 4
# The least share of a picture that its own frame brings, and the most: more is no share at all.
_SHARE, _MOST = 0.15, 1.5
# By how many standard errors a share is more than others, were they known exactly.
_SURE = 3.0
# Stretches of the file: for how many frames an error lasts, the most that are looked at of each,
# and how many there are at the most; in short files they are shorter, to have some at all.
_LASTING, _LONGEST, _STRETCHES = 12, 48, 64
_SHORT, _FEW, _FEWEST = 5, 8, 4
# In 8-bit code values: smaller differences are rounding.
_ROUNDING = 0.03


@dataclass(frozen=True, slots=True)
class Arrival:
    """Distorted frame n shows reference frame n + ``offset``, most likely.

    ``certain`` is whether all other offsets that were looked at are excluded; ``possible`` are
    those that are not.
    """

    offset: int
    certain: bool
    possible: frozenset[int]


def find_arrival(reference: Signatures, distorted: Signatures, offset: int) -> Arrival:
    """What the pictures say of an offset.

    Args:
        reference: signatures of one file.
        distorted: of the other.
        offset: the likeliest, in frames; up to :data:`AROUND` from it are looked at.
    """
    whole = _stretches(len(reference), len(distorted), offset, 0)
    if _nearest(reference, distorted, offset, whole):
        return Arrival(offset, True, frozenset({offset}))
    stretches = _stretches(len(reference), len(distorted), offset, AROUND)
    if len(stretches) >= _FEWEST:
        found = _shares(reference, distorted, offset, stretches)
        if found is not None:
            return found
    around = range(offset - AROUND, offset + AROUND + 1)
    return Arrival(offset, False, frozenset(around))


def shows_another(reference: Signatures, distorted: Signatures, offset: int, frame: int) -> bool:
    """Whether a frame is clearly the one before or after the reference's that it should be."""
    found = _sides(reference, distorted, offset, slice(frame, frame + 1))
    return any(another for _, another in found.values())


def _stretches(ours: int, theirs: int, offset: int, around: int) -> list[slice]:
    """Stretches of the distorted file, evenly spread, for whose frames the reference has so many
    ``around`` them, and one more before these.
    """
    first = max(0, around + bool(around) - offset)
    last = min(theirs, ours - offset - around)
    length = last - first
    count = min(_STRETCHES, max(length // _LASTING, min(_FEW, length // _SHORT)))
    if count < 1:
        return [slice(first, last)] if first < last else []
    edges = np.linspace(first, last, count + 1).astype(int).tolist()
    return [slice(start, min(end, start + _LONGEST)) for start, end in pairwise(edges)]


def _nearest(
    reference: Signatures, distorted: Signatures, offset: int, stretches: list[slice]
) -> bool:
    """Whether pictures are nearer to their own frames than to those beside them, on both sides."""
    own, other = {-1: 0, 1: 0}, {-1: 0, 1: 0}
    for part in stretches:
        for side, (is_own, is_other) in _sides(reference, distorted, offset, part).items():
            own[side] += is_own
            other[side] += is_other
    return all(own[side] >= max(1, _AGREEING * other[side]) for side in own)


def _sides(
    reference: Signatures, distorted: Signatures, offset: int, part: slice
) -> dict[int, tuple[int, int]]:
    """How many frames are clearly their own rather than the one before (-1) or after (1), and how
    many clearly that one.
    """
    at = np.arange(part.start, part.stop)
    theirs, ours = varying(distorted[at]), varying(reference[at + offset])
    off = _square(theirs - ours)
    found = {}
    for side in (-1, 1):
        places = at + offset + side
        there = (places >= 0) & (places < len(reference))
        beside = varying(reference[np.clip(places, 0, len(reference) - 1)])
        way = _square(beside - ours)
        moves = there & (way > _ROUNDING**2)
        own = moves & (off < _NEARER * way)
        another = moves & (_square(theirs - beside) < _NEARER * way)
        found[side] = int(own.sum()), int(another.sum())
    return found


def _shares(
    reference: Signatures, distorted: Signatures, offset: int, stretches: list[slice]
) -> Arrival | None:
    """The offset whose frames bring most of what is new in a picture; None where none does."""
    steps = range(-AROUND, AROUND + 1)
    together, along = [], []
    for part in stretches:
        low = part.start + offset - AROUND - 1
        ours = varying(reference[low : part.stop + offset + AROUND])
        theirs = varying(distorted[part])
        count = len(theirs)
        moved = np.diff(ours, axis=0)
        new = np.stack([moved[AROUND + s : AROUND + s + count] for s in steps])
        off = theirs - ours[AROUND + 1 : AROUND + 1 + count]
        # Cuts and flashes would outweigh all else.
        weight = 1 / (_square(off) + _square(new).mean(axis=0) + _ROUNDING**2)
        together.append(np.einsum("inc,jnc,n->ij", new, new, weight, optimize=True))
        along.append(np.einsum("inc,nc,n->i", new, theirs - ours[:count], weight, optimize=True))
    a, b = np.array(together), np.array(along)
    shares = _brought(a.sum(axis=0), b.sum(axis=0))
    without = np.array(
        [_brought(a.sum(axis=0) - x, b.sum(axis=0) - y) for x, y in zip(a, b, strict=True)]
    )
    best = int(shares.argmax())
    demanded = _demanded(len(stretches) - 1)
    if not _SHARE <= shares[best] <= _MOST or shares[best] < demanded * _error(without)[best]:
        return None
    behind = shares[best] - shares
    excluded = behind > demanded * _error(without[:, best : best + 1] - without)
    possible = frozenset(offset + s for s, out in zip(steps, excluded, strict=False) if not out)
    return Arrival(offset + steps[best], len(possible) == 1, possible)


def _demanded(freedom: int) -> float:
    """Standard errors that are as rare as so many of known size, where the error itself is found
    from a few stretches: Student's t by its expansion (Abramowitz and Stegun 26.7.5).
    """
    z = _SURE
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def _brought(together: Floats, along: Floats) -> Floats:
    """Of each step the share that has arrived, less that of the next: what its frame brings."""
    arrived = np.linalg.lstsq(together, along, rcond=None)[0]
    result: Floats = arrived[:-1] - arrived[1:]
    return result


def _error(without: Floats) -> Floats:
    """The standard error of what was found without each stretch in turn (jackknife)."""
    count = len(without)
    spread = ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    result: Floats = np.sqrt((count - 1) / count * spread)
    return result


def _square(values: Floats) -> Floats:
    result: Floats = (values * values).mean(axis=-1)
    return result
