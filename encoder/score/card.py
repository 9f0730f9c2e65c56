"""Measured frames to a rendition's scores: pooled over title and shots, and kept as a file."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.errors import MachineError
from encoder.media.conform import Conform
from encoder.media.scores import METRICS, MetricScore, Pooled, RenditionScore
from encoder.media.shots import Shot
from encoder.score.pool import pool, pool_shots

# What the metrics other than VMAF stand on, published beside their values.
_MODELS = {
    "psnr_y": "mse",
    "psnr_u": "mse",
    "psnr_v": "mse",
    "ssim": "ffmpeg-8x8-luma",
}


def rendition_score(
    identifier: str,
    conform: Conform,
    shots: Sequence[Shot],
    frames: NDArray[np.int32],
    values: Mapping[str, NDArray[np.float64]],
    into: Path,
    *,
    every: int,
    model: str,
) -> RenditionScore:
    """The scores of a rendition; its per-frame values are written to ``<identifier>.npz``.

    Args:
        identifier: the rendition's id.
        conform: what the reference pictures are.
        shots: the ranges of frames that scores are pooled over.
        frames: the indices of the scored frames, ascending, of shape ``(n,)``.
        values: for each of :data:`encoder.media.scores.METRICS` a value a scored frame.
        into: an existing folder.
        every: the distance between scored frames.
        model: the VMAF model's name.

    Raises:
        MachineError: when the file cannot be written.
    """
    archive = Path(f"{identifier}.npz")
    pooled = {metric: pool_shots(values[metric], frames, shots) for metric in METRICS}
    columns: dict[str, NDArray[np.generic]] = {"frame": frames}
    for metric in METRICS:
        columns[metric] = values[metric].astype(np.float32)
        columns[f"{metric}_shots"] = _table(pooled[metric])
    _write(into / archive, columns)
    models = {"vmaf": model, **_MODELS}
    return RenditionScore(
        rendition=identifier,
        width=conform.width,
        height=conform.height,
        every=every,
        metrics=tuple(
            MetricScore(metric, models[metric], pool(values[metric]), pooled[metric])
            for metric in METRICS
        ),
        frames=archive,
    )


def _table(shots: Sequence[Pooled | None]) -> NDArray[np.float32]:
    """A row a shot, its columns in the order of :class:`Pooled`; NaN where nothing was scored."""
    nothing = (math.nan,) * len(fields(Pooled))
    rows = [nothing if one is None else astuple(one) for one in shots]
    return np.array(rows, dtype=np.float32)


def _write(path: Path, columns: Mapping[str, NDArray[np.generic]]) -> None:
    """Writes the values beside their place and renames them into it."""
    draft = path.with_name(f".{path.name}.partial")
    try:
        with draft.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **columns)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise MachineError(
            "The per-frame scores could not be written",
            where=str(path),
            why=error.strerror or str(error),
            hint="Free some space, or choose another place with --output or ENCODER_CACHE",
        ) from error
