"""What a point of the title will deliver, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoder.ladder.surface import Surfaces
from encoder.ladder.sweep import TitlePoint

# Errors of shots of one title go together in part: sources and makers are the same.
_TOGETHER = 0.25
# 80% of a normal distribution lie within so many deviations of its mean.
_DEVIATIONS = 1.2816


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
