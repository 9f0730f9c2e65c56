"""One value out of many frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from encoder.media.scores import Pooled
from encoder.media.shots import Shot

Values = NDArray[np.float32] | NDArray[np.float64]


def pool(values: Values) -> Pooled:
    """Pools the values of a metric over frames.

    The harmonic mean is libvmaf's, of the values plus one: ``n / sum(1 / (v + 1)) - 1``
    (``vmaf_feature_score_pooled`` in libvmaf.c), so that a frame of VMAF 0 weighs heavily instead
    of making the whole title 0. Percentiles interpolate linearly between the two nearest frames.

    Args:
        values: one value a frame, of shape ``(n,)``, finite and above -1.

    Raises:
        ValueError: when there are none, or one is out of that domain.
    """
    exact = np.asarray(values, dtype=np.float64)
    if exact.ndim != 1 or exact.size == 0:
        raise ValueError(f"values of shape {exact.shape} cannot be pooled")
    if not np.all(np.isfinite(exact)) or np.any(exact <= -1):
        raise ValueError("a value is not a number above -1")
    # Against the last bit of rounding: a mean of equal values is that value.
    low, high = float(exact.min()), float(exact.max())
    p1, p5 = np.percentile(exact, [1, 5], method="linear")
    return Pooled(
        mean=_within(float(exact.mean()), low, high),
        harmonic_mean=_within(float(exact.size / np.sum(1 / (exact + 1)) - 1), low, high),
        p1=_within(float(p1), low, high),
        p5=_within(float(p5), low, high),
        min=low,
    )


def pool_shots(
    values: Values, frames: NDArray[np.int32], shots: Sequence[Shot]
) -> tuple[Pooled | None, ...]:
    """Pools the values of each shot: None for one in which no frame was scored.

    Args:
        values: one value a scored frame, of shape ``(n,)``.
        frames: the indices of those frames, ascending, of shape ``(n,)``.
        shots: the shots, in order.

    Raises:
        ValueError: when the shapes differ.
    """
    if values.shape != frames.shape:
        raise ValueError(f"{values.shape} values for {frames.shape} frames")
    pooled: list[Pooled | None] = []
    for shot in shots:
        start, end = np.searchsorted(frames, [shot.frames.start, shot.frames.end])
        pooled.append(pool(values[start:end]) if end > start else None)
    return tuple(pooled)


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
