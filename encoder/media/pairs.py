"""The scores of two files that were compared as files, and how they were brought together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from encoder.media.frames import FrameRange


@dataclass(frozen=True, slots=True)
class Pools:
    """One metric over a range of frames.

    ``p1`` to ``p99`` are percentiles of the frames (linear interpolation). ``worst`` is the least
    value, or the greatest where lower is better, and ``worst_frame`` the reference's frame that has
    it.
    """

    mean: float
    harmonic_mean: float
    p1: float
    p5: float
    p50: float
    p95: float
    p99: float
    min: float
    max: float
    worst: float
    worst_frame: int


@dataclass(frozen=True, slots=True)
class MetricResult:
    """A metric of one file.

    ``unit`` is that of the values and ``better`` their direction. ``pools`` is None where the
    metric does not apply, ``why_not`` then says why. ``perfect`` counts frames without any error,
    whose PSNR is infinite and counts as 100 dB. ``shots`` has None for a shot without scored
    frames.
    """

    metric: str
    model: str
    unit: str
    better: str
    digits: int
    pools: Pools | None
    why_not: str
    perfect: int
    shots: tuple[Pools | None, ...]


@dataclass(frozen=True, slots=True)
class PairScore:
    """Everything measured of one distorted file.

    ``width``, ``height`` and ``pixel_format`` are what it was compared at. ``reference_start`` and
    ``distorted_start`` are the first frames compared, ``frames`` how many, ``every`` the distance
    between scored ones. ``notes`` say what was done to compare them; ``aligned`` is whether the
    pictures tell that these frames belong together, or cannot. ``sampled`` are means by
    scikit-image's definition over some frames, by name: empty unless asked for.
    """

    id: str
    path: str
    width: int
    height: int
    pixel_format: str
    reference_start: int
    distorted_start: int
    frames: int
    every: int
    notes: tuple[str, ...]
    aligned: bool
    metrics: tuple[MetricResult, ...]
    sampled: tuple[tuple[str, float], ...] = ()
    sampled_frames: int = 0

    def metric(self, name: str) -> MetricResult:
        """The result by that name.

        Raises:
            KeyError: when it was not asked for.
        """
        for one in self.metrics:
            if one.metric == name:
                return one
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class ScoreSheet:
    """A reference and the files compared with it.

    ``reference_digest`` is the SHA-256 of its content, empty when it was read from a pipe.
    ``values`` are arrays by file and metric, and ``frame`` the reference frame of each value.
    ``shots`` tile the reference.
    """

    reference: str
    reference_digest: str
    frame_rate: Fraction
    frames: int
    shots: tuple[FrameRange, ...]
    conformed: bool
    pairs: tuple[PairScore, ...]
    values: Mapping[str, Mapping[str, NDArray[np.float64]]]
