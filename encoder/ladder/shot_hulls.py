"""What bits buy in single shots, to be shown: a few shots, from the easiest to the hardest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from encoder.ladder.surface import Surfaces, upper_hull
from encoder.media.ladder import RateQualityPoint, Rung, ShotHull

# More curves than this cannot be told apart in a picture.
_MOST_SHOTS = 12


def shot_hulls(found: Surfaces, rungs: Sequence[Rung]) -> tuple[ShotHull, ...]:
    """The hulls of shots over all resolutions and CRFs, and where the rungs are in them.

    Of many shots some are taken, evenly over the order of their bitrates at the middle of all
    sizes and CRFs.

    Args:
        found: the surfaces of the shots.
        rungs: with a CRF for each shot, at sizes of the surfaces.
    """
    count, sizes, crfs = found.rates.shape
    order = np.argsort(found.rates[:, sizes // 2, crfs // 2], kind="stable")
    steps = np.linspace(0, count - 1, min(count, _MOST_SHOTS)).round().astype(int)
    return tuple(_hull(found, int(shot), rungs) for shot in order[steps])


def _hull(found: Surfaces, shot: int, rungs: Sequence[Rung]) -> ShotHull:
    points = [
        _point(found, shot, size, at)
        for size in range(len(found.sizes))
        for at in range(len(found.crfs))
    ]
    chosen = []
    for rung in rungs:
        size = found.sizes.index((rung.width, rung.height))
        at = int(np.argmin(np.abs(found.crfs - rung.crf_per_shot[shot])))
        chosen.append(_point(found, shot, size, at))
    return ShotHull(shot, upper_hull(points), tuple(chosen))


def _point(found: Surfaces, shot: int, size: int, at: int) -> RateQualityPoint:
    width, height = found.sizes[size]
    rate = max(1, round(float(found.rates[shot, size, at])))
    return RateQualityPoint(
        width, height, float(found.crfs[at]), rate, float(found.vmafs[shot, size, at])
    )
