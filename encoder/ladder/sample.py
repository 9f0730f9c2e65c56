"""Which parts of the title the trials are run on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from encoder.media.frames import FrameRange
from encoder.media.shots import Shot


@dataclass(frozen=True, slots=True)
class Window:
    """A group of pictures that is tried, and how many frames of the title it stands for."""

    frames: FrameRange
    shot: int
    represents: int


def choose_windows(
    shots: Sequence[Shot], gops: Sequence[FrameRange], budget: int
) -> tuple[Window, ...]:
    """A stratified sample of the title's groups of pictures.

    The groups are sorted by how hard their shot is to compress and divided into strata of equal
    duration; the middle group of each stands for it. Whole groups are taken, contiguous and as
    they will be encoded, since skipping frames breaks inter prediction and other boundaries would
    spend intra pictures where the encode does not.

    Args:
        shots: the title's.
        gops: the groups of pictures that tile them.
        budget: about how many frames to take; at least one group is taken.

    Returns:
        Windows in title order; what they represent adds up to the title's frames.
    """
    owner = _owners(shots, gops)
    total = sum(len(gop) for gop in gops)
    order = sorted(range(len(gops)), key=lambda i: (_hardness(shots[owner[i]]), i))
    mean = total / len(gops)
    strata = max(1, min(len(gops), round(budget / mean)))
    ends = list(accumulate(len(gops[index]) for index in order))
    chosen: dict[int, int] = {}
    for stratum in range(strata):
        low, high = total * stratum // strata, total * (stratum + 1) // strata
        index = order[bisect_right(ends, (low + high) // 2)]
        chosen[index] = chosen.get(index, 0) + high - low
    return tuple(Window(gops[i], owner[i], chosen[i]) for i in sorted(chosen))


def _owners(shots: Sequence[Shot], gops: Sequence[FrameRange]) -> list[int]:
    owners = []
    shot = 0
    for gop in gops:
        while gop.start >= shots[shot].frames.end:
            shot += 1
        owners.append(shot)
    return owners


def _hardness(shot: Shot) -> float:
    # Texture that moves is what costs; the one keeps a still picture from counting as nothing.
    return (1.0 + shot.complexity.texture) * (1.0 + shot.complexity.temporal)
