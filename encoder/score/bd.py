"""Bjontegaard's delta rate: how many bits one curve needs against another at equal quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scipy.interpolate import PchipInterpolator

#: The least part of both curves' whole range of quality that they must share.
MIN_OVERLAP = 0.25

Point = tuple[float, float]


def bd_rate(
    reference: Sequence[Point], candidate: Sequence[Point], *, min_overlap: float = MIN_OVERLAP
) -> float | None:
    """The mean difference in rate at equal quality, in per cent: negative when bits are saved.

    Bjontegaard's definition (VCEG-M33, 2001) on the logarithm of the rate, interpolated piecewise
    by cubic Hermite polynomials (PCHIP) as in the common test conditions of HEVC and VVC
    (JCTVC-L1100, JVET-T2010), and integrated over the qualities that both curves reach.

    A point that costs more than another and is no better is left out: a curve gives the rate that
    a quality needs.

    Args:
        reference: points (bits per second, quality) of what is compared with, in any order.
        candidate: points of what is compared.
        min_overlap: the least ratio of the range of quality that both reach to the range that
            either reaches.

    Returns:
        None where the curves have no two points left, or do not overlap enough, so that a figure
        would speak of a corner of them only.

    Raises:
        ValueError: when a rate is not positive or something is not a finite number.
    """
    curves = [front(reference), front(candidate)]
    if any(len(quality) < 2 for _, quality in curves):
        return None
    low = max(float(quality[0]) for _, quality in curves)
    high = min(float(quality[-1]) for _, quality in curves)
    whole = max(float(quality[-1]) for _, quality in curves) - min(
        float(quality[0]) for _, quality in curves
    )
    if high <= low or (high - low) / whole < min_overlap:
        return None
    means = [
        float(pchip(quality, np.log(rate)).integrate(low, high)) / (high - low)
        for rate, quality in curves
    ]
    return float(np.expm1(means[1] - means[0])) * 100


def front(points: Sequence[Point]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rates and qualities of the points that are worth their bits, ascending in both.

    Raises:
        ValueError: when a rate is not positive or something is not a finite number.
    """
    if not all(np.isfinite(rate) and np.isfinite(quality) for rate, quality in points):
        raise ValueError("a point of a rate-quality curve is not a number")
    if any(rate <= 0 for rate, _ in points):
        raise ValueError("a rate is not positive")
    kept: list[Point] = []
    for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or quality > kept[-1][1]:
            kept.append((rate, quality))
    return np.array([rate for rate, _ in kept]), np.array([quality for _, quality in kept])


def pchip(x: ArrayLike, y: ArrayLike) -> PchipInterpolator:
    """The monotone cubic through points (Fritsch and Butland 1984), ``x`` rising."""
    # Not at the top: SciPy takes half a second to load, and most verbs need none of it.
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(x, y)
