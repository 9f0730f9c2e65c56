"""Rate and quality of every shot at every resolution and CRF, from beliefs or from measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from encoder.ladder.prior import Array, Belief, Prior, from_logit, logit, scale_of
from encoder.media.ladder import RateQualityPoint, Trial
from encoder.score.bd import pchip

_LEAST_BITS = 64.0  # of a picture: what an encoder spends on one that skips everything


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The surfaces of all shots of a title.

    ``sizes`` are the resolutions, the largest first; ``crfs`` (c) ascend. ``rates`` (shots, sizes,
    c) are bits per second while the shot lasts and ``vmafs`` its mean VMAF; both fall with CRF.
    ``rate_errors`` are standard deviations of the natural logarithm of the rate and
    ``vmaf_errors`` of VMAF, of the same shape; zero where everything was measured. ``frames``
    (shots) are the lengths.
    """

    sizes: tuple[tuple[int, int], ...]
    crfs: Array
    frames: Array
    rates: NDArray[np.float32]
    vmafs: NDArray[np.float32]
    rate_errors: NDArray[np.float32]
    vmaf_errors: NDArray[np.float32]

    @property
    def weights(self) -> Array:
        """Each shot's share of the title's duration."""
        return np.asarray(self.frames / self.frames.sum())


def crf_grid(span: tuple[float, float], step: float) -> Array:
    """The CRFs of a surface, ends included."""
    return np.arange(span[0], span[1] + step / 2, step)


@dataclass(frozen=True, slots=True)
class Projection:
    """From values at a prior's nodes to those at the sizes and CRFs of surfaces.

    Made once for a title: ``matrix`` is (sizes x crfs, nodes).
    """

    sizes: tuple[tuple[int, int], ...]
    crfs: Array
    matrix: Array
    pixels: int

    @classmethod
    def make(
        cls,
        prior: Prior,
        sizes: Sequence[tuple[int, int]],
        crfs: Array,
        reference: tuple[int, int],
    ) -> Projection:
        """For reference pictures of that width and height."""
        rows = [
            prior.weights(scale_of(*size, max(reference)), float(crf))
            for size in sizes
            for crf in crfs
        ]
        return cls(tuple(sizes), crfs, np.array(rows), reference[0] * reference[1])


def from_beliefs(
    prior: Prior,
    beliefs: Sequence[Belief],
    projection: Projection,
    frames: Sequence[int],
    groups: Sequence[int],
    frame_rate: float,
) -> Surfaces:
    """Surfaces as believed.

    Args:
        prior: that the beliefs come from.
        beliefs: one a shot; the same object where nothing else is known.
        projection: to the sizes and CRFs wanted.
        frames: of each shot.
        groups: how many groups of pictures, each with an IDR picture, each shot is coded in.
        frame_rate: frames per second.
    """
    n, matrix = prior.nodes, projection.matrix
    means = np.array([belief.mean for belief in beliefs])
    shape = (len(beliefs), len(projection.sizes), len(projection.crfs))
    key_bits, other_bits = (
        np.maximum(
            _LEAST_BITS, np.exp2(means[:, k * n : (k + 1) * n] @ matrix.T) * projection.pixels
        )
        for k in (0, 1)
    )
    quality = from_logit(means[:, 2 * n :] @ matrix.T)
    lengths, keys = (np.array(v, dtype=np.float64)[:, None] for v in (frames, groups))
    rates = (keys * key_bits + (lengths - keys) * other_bits) * frame_rate / lengths
    # Shots without trials of their own share covariances: each is projected once.
    spreads: dict[int, tuple[Array, Array]] = {}
    for belief in beliefs:
        if id(belief.covariance) not in spreads:
            spreads[id(belief.covariance)] = (
                _deviations(belief.covariance[n : 2 * n, n : 2 * n], matrix) * np.log(2.0),
                _deviations(belief.covariance[2 * n :, 2 * n :], matrix),
            )
    errors = [spreads[id(belief.covariance)] for belief in beliefs]
    # From logits to VMAF, by the slope of the logistic curve.
    slope = (quality + 5.0) * (105.0 - quality) / 110.0
    widen = np.float32(prior.widening)
    return Surfaces(
        projection.sizes,
        projection.crfs,
        np.array(frames, dtype=np.float64),
        _falling(rates.reshape(shape)).astype(np.float32),
        _falling(quality.reshape(shape)).astype(np.float32),
        np.array([e for e, _ in errors]).reshape(shape).astype(np.float32) * widen,
        (np.array([e for _, e in errors]) * slope).reshape(shape).astype(np.float32) * widen,
    )


def _deviations(covariance: Array, matrix: Array) -> Array:
    """Standard deviations of what a matrix makes of values with that covariance."""
    variances = np.einsum("pi,ij,pj->p", matrix, covariance, matrix, optimize=True)
    return np.asarray(np.sqrt(np.maximum(variances, 0.0)))


def from_measurements(
    trials: Sequence[Trial], crfs: Array, frames: Sequence[int], frame_rate: float
) -> Surfaces:
    """Surfaces through trials of every shot on all of its frames, at several CRFs a resolution.

    Between trials log2(rate) and the logistic VMAF follow PCHIP, beyond them the straight line of
    the nearest interval. Both fall with CRF: where a trial disturbs that, it is levelled.

    Raises:
        ValueError: when a shot was not tried at every resolution.
    """
    order = sorted(trials, key=lambda t: (-t.width * t.height, t.width, t.shot, t.crf))
    sizes = tuple(dict.fromkeys((t.width, t.height) for t in order))
    shape = (len(frames), len(sizes), len(crfs))
    rates, vmafs = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    seen = 0
    for (width, height, shot), found in groupby(order, key=lambda t: (t.width, t.height, t.shot)):
        # Of trials at the same CRF the last counts.
        own = list({trial.crf: trial for trial in found}.values())
        at = np.array([t.crf for t in own])
        bits = [max(8.0, t.key_bits + t.other_bits) * frame_rate / t.frames for t in own]
        curve = np.minimum.accumulate(np.log2(bits))
        quality = np.minimum.accumulate(logit(np.array([t.vmaf for t in own])))
        index = sizes.index((width, height))
        rates[shot, index] = np.exp2(_along(at, curve, crfs))
        vmafs[shot, index] = from_logit(_along(at, quality, crfs))
        seen += 1
    if seen != len(frames) * len(sizes):
        raise ValueError("a shot was not tried at every resolution")
    nothing = np.zeros(shape, np.float32)
    return Surfaces(sizes, crfs, np.array(frames, dtype=np.float64), rates, vmafs, nothing, nothing)


def _along(x: Array, y: Array, at: Array) -> Array:
    if len(x) == 1:
        # Nothing is known of the slope; six steps of CRF halve the rate, about.
        return np.asarray(y[0] - (at - x[0]) / 6.0)
    inside = np.asarray(pchip(x, y)(np.clip(at, x[0], x[-1])))
    low = (y[1] - y[0]) / (x[1] - x[0])
    high = (y[-1] - y[-2]) / (x[-1] - x[-2])
    beyond = np.minimum(at - x[0], 0) * low + np.maximum(at - x[-1], 0) * high
    return np.asarray(inside + beyond)


def _falling(values: Array) -> Array:
    """Values that never rise along the last axis."""
    return np.asarray(np.minimum.accumulate(values, axis=-1))


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
