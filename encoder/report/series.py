"""Long series made short enough to draw, keeping what matters: their lowest and highest values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Bands:
    """A series in stretches.

    ``x`` is the middle of each, ``low``, ``mean`` and ``high`` the least, mean and greatest of its
    values. Where ``exact``, each stretch is one value and the three are equal.
    """

    x: NDArray[np.float64]
    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]
    exact: bool


def bands(
    x: NDArray[np.floating], values: NDArray[np.floating], most: int, stretches: int
) -> Bands:
    """A series as it is, or where it has more than ``most`` values, in so many ``stretches``.

    Stretches have (nearly) equally many values. Values that are not finite are left out.
    """
    keep = np.isfinite(values)
    x64 = np.asarray(x, dtype=np.float64)[keep]
    v64 = np.asarray(values, dtype=np.float64)[keep]
    if len(v64) <= most:
        return Bands(x64, v64, v64, v64, exact=True)
    starts = np.linspace(0, len(v64), stretches + 1).astype(np.int64)[:-1]
    counts = np.diff(np.append(starts, len(v64)))
    return Bands(
        x=np.add.reduceat(x64, starts) / counts,
        low=np.minimum.reduceat(v64, starts),
        mean=np.add.reduceat(v64, starts) / counts,
        high=np.maximum.reduceat(v64, starts),
        exact=False,
    )
