"""The rate-quality surface of a title: interpolation of trials, and its upper convex hull."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from encoder.media.ladder import RateQualityPoint

# VMAF saturates at both ends; on a logistic scale it is nearly straight in CRF. The margin keeps a
# measured 100 from counting as far above 99, as it may be anything. On 24 shots' grids margins from
# 0.5 to 8 interpolate equally well, but for titles that stay at 100 over many CRFs, where a small
# one promised VMAF 95 at what turned out to be 89.
_MARGIN = 5.0


def _logit(vmaf: NDArray[np.float64]) -> NDArray[np.float64]:
    share = (vmaf + _MARGIN) / (100.0 + 2 * _MARGIN)
    return np.log(share / (1.0 - share))


def _vmaf(logit: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip((100.0 + 2 * _MARGIN) / (1.0 + np.exp(-logit)) - _MARGIN, 0.0, 100.0)


@dataclass(frozen=True, slots=True)
class Curve:
    """Rate and quality over CRF at one resolution.

    Between trials log2(rate) and logit(VMAF) follow PCHIP, beyond them the straight line of the
    nearest interval. Both fall with CRF: where a trial disturbs that, it is levelled.
    """

    width: int
    height: int
    crfs: NDArray[np.float64]
    log2_rates: NDArray[np.float64]
    logits: NDArray[np.float64]

    def at(self, crf: float) -> RateQualityPoint:
        """The point at a CRF."""
        rate = 2.0 ** float(_extend(self.crfs, self.log2_rates, crf))
        vmaf = float(_vmaf(_extend(self.crfs, self.logits, crf)))
        return RateQualityPoint(self.width, self.height, crf, max(1, round(rate)), vmaf)

    def crf_for_rate(self, bitrate: float, low: float, high: float) -> float:
        """The CRF within bounds whose rate comes nearest to a bitrate (bits per second)."""
        for _ in range(50):
            middle = (low + high) / 2
            if self.at(middle).bitrate > bitrate:
                low = middle
            else:
                high = middle
        return (low + high) / 2


def _extend(x: NDArray[np.float64], y: NDArray[np.float64], at: float) -> NDArray[np.float64]:
    if len(x) == 1:
        return np.asarray(y[0])
    if at < x[0]:
        return np.asarray(y[0] + (at - x[0]) * (y[1] - y[0]) / (x[1] - x[0]))
    if at > x[-1]:
        return np.asarray(y[-1] + (at - x[-1]) * (y[-1] - y[-2]) / (x[-1] - x[-2]))
    return np.asarray(PchipInterpolator(x, y)(at))


def fit(points: Sequence[RateQualityPoint]) -> tuple[Curve, ...]:
    """A curve for each resolution of the points, the largest first."""
    curves = []
    for size in sorted({(p.width, p.height) for p in points}, reverse=True):
        own = sorted((p for p in points if (p.width, p.height) == size), key=lambda p: p.crf)
        rates = np.log2([float(max(1, p.bitrate)) for p in own])
        quality = _logit(np.array([p.vmaf for p in own]))
        curves.append(
            Curve(
                *size,
                np.array([p.crf for p in own]),
                np.minimum.accumulate(rates),
                np.minimum.accumulate(quality),
            )
        )
    return tuple(curves)


def candidates(
    curves: Sequence[Curve], crf_range: tuple[float, float], step: float
) -> list[RateQualityPoint]:
    """Every resolution at every CRF of the range.

    A curve is not followed further beyond its trials than the distance of two of them.
    """
    points = []
    for curve in curves:
        margin = float(np.diff(curve.crfs).max()) if len(curve.crfs) > 1 else 0.0
        low = max(crf_range[0], float(curve.crfs[0]) - margin)
        high = min(crf_range[1], float(curve.crfs[-1]) + margin)
        count = int((high - low) / step + 1e-9)
        points += [curve.at(low + step * n) for n in range(count + 1)]
    return points


def upper_hull(points: Sequence[RateQualityPoint]) -> tuple[RateQualityPoint, ...]:
    """The upper convex hull of points in the plane of bitrate and VMAF.

    From the cheapest point to the best one; both bitrate and VMAF rise strictly, so that nothing
    on it costs more and looks no better. (Andrew's monotone chain.)
    """
    best: dict[int, RateQualityPoint] = {}
    for point in points:
        other = best.get(point.bitrate)
        if other is None or point.vmaf > other.vmaf:
            best[point.bitrate] = point
    hull: list[RateQualityPoint] = []
    for rate in sorted(best):
        point = best[rate]
        if hull and point.vmaf <= hull[-1].vmaf:
            continue
        while len(hull) >= 2 and _turns_up(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return tuple(hull)


def _turns_up(a: RateQualityPoint, b: RateQualityPoint, c: RateQualityPoint) -> bool:
    return (b.vmaf - a.vmaf) * (c.bitrate - a.bitrate) <= (c.vmaf - a.vmaf) * (
        b.bitrate - a.bitrate
    )


def near_hull(
    points: Sequence[RateQualityPoint], hull: Sequence[RateQualityPoint], within: float
) -> tuple[RateQualityPoint, ...]:
    """The points that are worth their bits: at most ``within`` VMAF below the hull.

    The hull's corners alone can lie far apart, where one resolution gives way to the next; between
    them the best point that there really is lies a little below the line. From the cheapest up;
    bitrate and VMAF rise strictly.
    """
    rates = [float(p.bitrate) for p in hull]
    quality = [p.vmaf for p in hull]
    front: list[RateQualityPoint] = []
    for point in sorted(points, key=lambda p: (p.bitrate, -p.vmaf)):
        if point.bitrate < rates[0] or (front and point.vmaf <= front[-1].vmaf):
            continue
        if front and point.bitrate == front[-1].bitrate:
            continue
        if point.vmaf >= float(np.interp(point.bitrate, rates, quality)) - within:
            front.append(point)
    return tuple(front)
