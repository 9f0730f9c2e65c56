"""What a point of the title will deliver, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoder.ladder.geometry import level_of_policy
from encoder.ladder.surface import Surfaces
from encoder.ladder.sweep import TitlePoint
from encoder.media.ladder import Expected, Interval
from encoder.media.policy import Policy

# Errors of shots of one title go together in part: sources and makers are the same.
_TOGETHER = 0.25
# 80% of a normal distribution lie within so many deviations of its mean.
_DEVIATIONS = 1.2816
# A buffer model of a few kilobits would choke even a still picture's first frame.
_LEAST_MAX_BITRATE = 100_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """The interval, of 80%, of a point's rate (times or divided by ``rate_factor``) and VMAF (plus
    or minus ``vmaf_margin``), and the rate of its hardest segment in bits per second."""

    rate_factor: float
    vmaf_margin: float
    peak: float


def forecast(
    surfaces: Surfaces, point: TitlePoint, frame_rate: float, segment_seconds: float
) -> Forecast:
    """What a point will deliver.

    Args:
        surfaces: of the title.
        point: of the title.
        frame_rate: frames per second.
        segment_seconds: of what segments a player sees the rate.
    """
    rows = np.arange(len(surfaces.frames))
    rates = surfaces.rates[rows, point.size, point.choice].astype(np.float64)
    weights = surfaces.weights
    rate = float(weights @ rates)
    rate_errors = weights * rates / rate * surfaces.rate_errors[rows, point.size, point.choice]
    vmaf_errors = weights * surfaces.vmaf_errors[rows, point.size, point.choice]
    deviations = [
        float(np.sqrt((1 - _TOGETHER) * np.sum(e**2) + _TOGETHER * np.sum(e) ** 2))
        for e in (rate_errors, vmaf_errors)
    ]
    bounds = np.concatenate([[0.0], np.cumsum(surfaces.frames)]) / frame_rate
    bits = np.concatenate([[0.0], np.cumsum(rates * np.diff(bounds))])
    duration = float(bounds[-1])
    # A short rest belongs to the segment before it.
    starts = np.arange(0.0, max(duration - segment_seconds / 4, 1e-6), segment_seconds)
    marks = np.append(starts, duration)
    pieces = np.diff(np.interp(marks, bounds, bits)) / np.maximum(np.diff(marks), 1e-9)
    return Forecast(
        rate_factor=float(np.exp(_DEVIATIONS * deviations[0])),
        vmaf_margin=_DEVIATIONS * deviations[1],
        peak=float(pieces.max()),
    )


def most_bitrate(bitrate: int, policy: Policy) -> int:
    """The rate of the buffer model of a rung with that average, in bits per second."""
    most = max(_LEAST_MAX_BITRATE, round(bitrate * policy.peak_over_average))
    return min(most, max(policy.max_bitrate, bitrate), level_of_policy(policy).bitrate)


def buffer_of(most: int, policy: Policy) -> int:
    """The bits of the buffer model of a rung at that rate."""
    return min(round(most * policy.buffer_seconds), level_of_policy(policy).buffer)


def expectation(point: TitlePoint, found: Forecast, most: int, policy: Policy) -> Expected:
    """What a rung at a point promises.

    Args:
        point: of the title.
        found: its :func:`forecast`.
        most: the rate of its buffer model, in bits per second, which bounds the peak.
        policy: gives the buffer and the segments that peaks are seen in.
    """
    peak = min(found.peak, most * (1 + policy.buffer_seconds / float(policy.segment_seconds)))
    return Expected(
        average_bitrate=point.bitrate,
        vmaf=round(point.vmaf, 2),
        average_bitrate_interval=Interval(
            round(point.bitrate / found.rate_factor), round(point.bitrate * found.rate_factor)
        ),
        vmaf_interval=Interval(
            round(max(0.0, point.vmaf - found.vmaf_margin), 2),
            round(min(100.0, point.vmaf + found.vmaf_margin), 2),
        ),
        peak_bitrate=max(round(peak), point.bitrate),
        slope=point.slope * 1e6,
    )
