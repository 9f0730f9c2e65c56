"""Keeps the rungs of a ladder in order while some of them are changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from encoder.media.ladder import Rung


@dataclass(frozen=True, slots=True)
class Standing:
    """A rung with what it gives, or would: bits per second and mean VMAF of the title."""

    rung: Rung
    rate: float
    vmaf: float

    def above(self, other: Standing) -> bool:
        """Whether it is the better one of two rungs: dearer, better and no smaller."""
        return (
            self.rate > other.rate
            and self.vmaf > other.vmaf
            and self.rung.width * self.rung.height >= other.rung.width * other.rung.height
        )


def in_order(
    before: Sequence[Standing], ways: Sequence[Sequence[Standing | None]], min_vmaf: float
) -> list[Standing | None]:
    """For every rung the first of its ways that leaves no neighbours in the wrong order.

    Neighbours that were in the wrong order before may stay so: no change of theirs is to blame.
    The same is true of those that were nearer to each other than they should be.

    Args:
        before: the rungs as they are, the best first.
        ways: of every rung what it could become, the most wanted first; the last is what it is, or
            None for a rung that may not stay so, and is to be left out then.
        min_vmaf: what changes must leave between neighbours.
    """
    taken = [0] * len(before)

    def spoiled(old: tuple[Standing, Standing], new: tuple[Standing, Standing]) -> bool:
        apart = min(min_vmaf, old[0].vmaf - old[1].vmaf)
        return old[0].above(old[1]) and (
            not new[0].above(new[1]) or new[0].vmaf - new[1].vmaf < apart
        )

    while True:
        after = [those[way] for those, way in zip(ways, taken, strict=True)]
        left = [(number, one) for number, one in enumerate(after) if one is not None]
        wrong = next(
            (
                (n, m)
                for (n, upper), (m, lower) in pairwise(left)
                if spoiled((before[n], before[m]), (upper, lower))
            ),
            None,
        )
        if wrong is None:
            return after
        # The worse one gives way, as long as it can.
        better, worse = wrong
        taken[worse if taken[worse] + 1 < len(ways[worse]) else better] += 1
