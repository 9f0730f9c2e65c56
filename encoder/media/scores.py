"""Scores: a value is never alone, it carries metric, model, pooling and resolution."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

METRICS = ("vmaf", "psnr_y", "psnr_u", "psnr_v", "ssim")


@dataclass(frozen=True, slots=True)
class Pooled:
    """One metric over a range of frames: the poolings that are published.

    VMAF is 0 to 100, PSNR in dB (a frame identical to its reference counts as 100 dB), SSIM 0 to
    1. ``p1`` and ``p5`` are the 1st and 5th percentile of the frames (linear interpolation).
    """

    mean: float
    harmonic_mean: float
    p1: float
    p5: float
    min: float


@dataclass(frozen=True, slots=True)
class MetricScore:
    """A metric of one rendition: which, by which model, pooled over the title and per shot."""

    metric: str
    model: str
    title: Pooled
    shots: tuple[Pooled | None, ...]


@dataclass(frozen=True, slots=True)
class RenditionScore:
    """All metrics of one rendition.

    ``width`` and ``height`` are the resolution compared at. ``every`` is the distance between
    scored frames: 1 is all of them. ``frames`` names the per-frame values: a compressed NumPy file
    (.npz) relative to the folder of the scorecard, with one float32 array per metric, the
    frame indices as ``frame``, and per metric ``<metric>_shots`` with the poolings of each shot.
    """

    rendition: str
    width: int
    height: int
    every: int
    metrics: tuple[MetricScore, ...]
    frames: Path

    def metric(self, name: str) -> MetricScore:
        """The score by the metric of that name.

        Raises:
            KeyError: when it was not measured.
        """
        for score in self.metrics:
            if score.metric == name:
                return score
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The scores of every rendition of a package against the master."""

    renditions: tuple[RenditionScore, ...]
