"""Spends a title's bits where they buy most: constant slope over all shots, in one sweep.

Quality is the mean over all frames, so it is greatest for its bits when no bit would buy more in
another shot: at one slope of VMAF over bits everywhere (Everett 1963; for video Ortega and
Ramchandran 1998, and as Netflix's dynamic optimizer, Katsavounidis 2018). At one resolution, every
shot's upper convex hull over CRF is a chain of segments of falling slope. Sorted together, from the
steepest down, they give every title point there is: each prefix of that order is the best that its
bits can buy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.ladder.prior import Array
from encoder.ladder.surface import Surfaces
from encoder.media.ladder import RateQualityPoint

Indices = NDArray[np.int16]
# Title points kept at each resolution: an eightieth of an octave apart at the least.
_POINTS = 320
# How often limits are applied again, as they move what they are relative to.
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the choice of a shot's CRF.

    ``peak_over_average`` is the most a shot may cost over the title's average, ``floor`` by how
    much VMAF at the most a shot may lie below the title's mean, so that the mean is not bought by
    starving a hard one.
    """

    peak_over_average: float
    floor: float


@dataclass(frozen=True, slots=True)
class TitlePoint(RateQualityPoint):
    """A point of the title at one resolution.

    ``size`` is the resolution's index in the surfaces, ``choice`` the index of each shot's CRF and
    ``slope`` what one more bit per second buys, in VMAF.
    """

    size: int
    choice: Indices
    slope: float


def sweep(surfaces: Surfaces, limits: Limits) -> tuple[tuple[TitlePoint, ...], ...]:
    """The title's points at each resolution, each from the cheapest up.

    Bitrate and VMAF rise strictly in each.
    """
    return tuple(_at_size(surfaces, size, limits) for size in range(len(surfaces.sizes)))


def _at_size(surfaces: Surfaces, size: int, limits: Limits) -> tuple[TitlePoint, ...]:
    # From the cheapest CRF up.
    rates = surfaces.rates[:, size, ::-1].astype(np.float64)
    vmafs = surfaces.vmafs[:, size, ::-1].astype(np.float64)
    weights = surfaces.weights
    vertices, counts = concave_majorants(rates, vmafs)
    shots, ends, slopes, gains = _segments(rates, vertices, counts, vmafs, weights)
    base = vertices[:, 0]
    rate = float(weights @ rates[np.arange(len(rates)), base])
    costs = rate + np.cumsum(gains)
    steps = _spread(np.concatenate([[rate], costs]))
    points: list[TitlePoint] = []
    taken = base.copy()
    done = 0
    for step in steps:
        if step > done:
            # The later segments of a shot come later, so that the last assignment stands.
            taken[shots[done:step]] = ends[done:step]
            done = step
        choice = within_limits(rates, vmafs, weights, taken, limits)
        rows = np.arange(len(rates))
        found = float(weights @ rates[rows, choice])
        quality = float(weights @ vmafs[rows, choice])
        index = (rates.shape[1] - 1 - choice).astype(np.int16)
        width, height = surfaces.sizes[size]
        bitrate = max(1, round(found))
        if points and (bitrate <= points[-1].bitrate or quality <= points[-1].vmaf):
            continue
        points.append(
            TitlePoint(
                width,
                height,
                float(weights @ surfaces.crfs[index]),
                bitrate,
                quality,
                size,
                index,
                float(slopes[min(max(step - 1, 0), len(slopes) - 1)]) if len(slopes) else 0.0,
            )
        )
    return tuple(points)


def concave_majorants(rates: Array, vmafs: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The upper convex hull of each row's points, the cheapest first (all rows at once).

    Returns:
        Column indices of the corners (rows, columns), and how many each row has.
    """
    rows, columns = rates.shape
    stack = np.zeros((rows, columns), dtype=np.intp)
    depth = np.ones(rows, dtype=np.intp)
    everyone = np.arange(rows)
    for column in range(1, columns):
        rate, vmaf = rates[:, column], vmafs[:, column]
        top = stack[everyone, depth - 1]
        # What costs more without looking better is no corner.
        useful = (rate > rates[everyone, top]) & (vmaf > vmafs[everyone, top])
        active = everyone[useful & (depth >= 2)]
        while active.size:
            a, b = stack[active, depth[active] - 2], stack[active, depth[active] - 1]
            rise = (vmafs[active, b] - vmafs[active, a]) * (rate[active] - rates[active, a])
            other = (vmaf[active] - vmafs[active, a]) * (rates[active, b] - rates[active, a])
            active = active[rise <= other]
            depth[active] -= 1
            active = active[depth[active] >= 2]
        pushed = everyone[useful]
        stack[pushed, depth[pushed]] = column
        depth[pushed] += 1
    return stack, depth


def _segments(
    rates: Array,
    vertices: NDArray[np.intp],
    counts: NDArray[np.intp],
    vmafs: Array,
    weights: Array,
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, Array]:
    """All segments of all shots by falling slope: shot, corner it leads to, slope, title bits."""
    positions = np.arange(vertices.shape[1] - 1)
    shots, order = np.nonzero(positions[None, :] < (counts - 1)[:, None])
    start, end = vertices[shots, order], vertices[shots, order + 1]
    cost = rates[shots, end] - rates[shots, start]
    slopes = (vmafs[shots, end] - vmafs[shots, start]) / cost
    by_slope = np.lexsort((order, shots, -slopes))
    return shots[by_slope], end[by_slope], slopes[by_slope], (weights[shots] * cost)[by_slope]


def _spread(rates: Array) -> NDArray[np.intp]:
    """Which prefixes become points: all of few, or evenly spread over the logarithm of the rate."""
    if len(rates) <= _POINTS:
        return np.arange(len(rates))
    wanted = np.linspace(np.log(rates[0]), np.log(rates[-1]), _POINTS)
    return np.unique(np.searchsorted(np.log(rates), wanted).clip(0, len(rates) - 1))


def within_limits(
    rates: Array, vmafs: Array, weights: Array, choice: NDArray[np.intp], limits: Limits
) -> NDArray[np.intp]:
    """The choice, with shots that look too bad raised and those that cost too much lowered.

    Columns are CRFs from the cheapest up. What a shot may cost is bounded last, since a player's
    buffer knows no mercy.
    """
    rows = np.arange(len(rates))
    chosen = choice
    # What is raised raises the mean that it is held to.
    for _ in range(_ROUNDS):
        enough = vmafs >= float(weights @ vmafs[rows, chosen]) - limits.floor
        least = np.where(enough.any(axis=1), enough.argmax(axis=1), rates.shape[1] - 1)
        if (least <= chosen).all():
            break
        chosen = np.maximum(chosen, least)
    # What is lowered lowers the average that it is held to.
    for _ in range(_ROUNDS):
        most = float(weights @ rates[rows, chosen]) * limits.peak_over_average
        affordable = np.maximum((rates <= most).sum(axis=1) - 1, 0)
        if (affordable >= chosen).all():
            break
        chosen = np.minimum(chosen, affordable)
    return chosen
