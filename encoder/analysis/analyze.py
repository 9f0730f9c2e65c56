"""Master -> Analysis: one decode finds the exact number of frames and the shots, and measures them.

Measures of single pictures (spatial information, texture, noise) are taken of every few frames, at
least :attr:`AnalysisSettings.samples_per_second` of them and at least one a shot; brightness and
temporal information of every frame. Shots are cut where the picture changes for good, see
:mod:`encoder.analysis.changes`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from encoder.analysis.changes import ChangeDetector
from encoder.analysis.complexity import (
    noise_blocks,
    noise_deviation,
    spatial_information,
    temporal_information,
    texture_energy,
)
from encoder.analysis.cuts import Piece, find_boundaries, tile
from encoder.analysis.likeness import make_thumbnail
from encoder.analysis.pictures import Batch, Geometry, open_pictures, plan_geometry
from encoder.analysis.settings import AnalysisSettings
from encoder.errors import MasterError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import ProcessFailed
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.master import Master
from encoder.media.shots import Analysis, Complexity, Shot

__all__ = ["AnalysisSettings", "analyze"]

# Frames read at a time: enough to make Python's share small, few enough for the cache.
_BATCH = 16

_DEFAULTS = AnalysisSettings()


def analyze(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    settings: AnalysisSettings = _DEFAULTS,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Analysis:
    """Finds the shots of a master and measures them.

    The number of frames is what comes out of the conform chain: pictures that cannot be decoded
    are missing from it, as they will be from every later stage.

    Args:
        ffmpeg: the program.
        master: the source.
        conform: how its pictures become reference pictures.
        settings: what to look for.
        on_progress: called with the number of frames done, every few frames.

    Raises:
        MasterError: when no picture comes out, or FFmpeg fails.
        MachineError: when FFmpeg cannot be started.
    """
    geometry = plan_geometry(conform, settings.picture_pixels)
    meter = _Meter(geometry, conform.frame_rate, settings)
    try:
        with open_pictures(ffmpeg, master, conform, geometry, _BATCH) as batches:
            for batch in batches:
                meter.add(batch)
                if on_progress is not None:
                    on_progress(meter.frames)
    except (ProcessFailed, EOFError) as failure:
        why = failure.reason if isinstance(failure, ProcessFailed) else str(failure)
        raise MasterError(
            "The master could not be decoded to its end",
            where=str(master.path),
            why=f"after {meter.frames} frames: {why}",
            hint="Play the file to see whether it is damaged, and export or copy it again",
        ) from failure
    if not meter.frames:
        raise MasterError(
            "The master has no pictures",
            where=str(master.path),
            why="its video stream was read to the end and gave no picture",
            hint="Play the file to see whether it is damaged, and export or copy it again",
        )
    return meter.finish()


class _Meter:
    """Measures pictures as they come."""

    def __init__(
        self, geometry: Geometry, frame_rate: Fraction, settings: AnalysisSettings
    ) -> None:
        self.frames = 0
        self._rate = frame_rate
        self._settings = settings
        self._stride = settings.sample_stride(frame_rate)
        self._detector = ChangeDetector(frame_rate, settings)
        shape = (geometry.height, geometry.width)
        self._before = np.zeros(shape, np.float32)
        self._luma = np.zeros(shape, np.float32)
        self._scratch = np.zeros(shape, np.float32)
        self._thumbnails = np.zeros((_BATCH, 3, geometry.rows, geometry.columns), np.float32)
        self._brightness: list[float] = []
        self._temporal: list[float] = []
        self._spatial: list[float] = []
        self._texture: list[float] = []
        self._noise: list[NDArray[np.float32]] = []

    def add(self, batch: Batch) -> None:
        thumbnails = self._thumbnails[: len(batch)]
        for index in range(len(batch)):
            self._before, self._luma = self._luma, self._before
            luma = self._luma
            np.copyto(luma, batch.luma[index])
            make_thumbnail(luma, batch.chroma[index], thumbnails[index])
            self._temporal.append(temporal_information(luma, self._before, self._scratch))
            if self.frames % self._stride == 0:
                self._spatial.append(spatial_information(luma))
                self._texture.append(texture_energy(luma))
                self._noise.append(noise_blocks(batch.full_size[index].astype(np.float32)))
            self.frames += 1
        self._brightness += thumbnails[:, 0].mean(axis=(1, 2)).tolist()
        self._detector.add(thumbnails)

    def finish(self) -> Analysis:
        boundaries = find_boundaries(self._detector.finish(), self._rate, self._settings)
        pieces = tile(self.frames, boundaries, self._settings.max_shot_frames(self._rate))
        return Analysis(self.frames, self._rate, tuple(self._shot(piece) for piece in pieces))

    def _shot(self, piece: Piece) -> Shot:
        frames = piece.frames
        # The first sample at or after the first frame, and so on; a shot of fewer frames than the
        # stride is possible only in a title of that length, whose frame 0 is a sample.
        samples = slice(-(-frames.start // self._stride), -(-frames.end // self._stride))
        inside = self._temporal[_after_first(frames)]
        return Shot(
            frames,
            piece.cut,
            Complexity(
                spatial=_mean(self._spatial[samples]),
                temporal=_mean(inside),
                texture=_mean(self._texture[samples]),
                noise=noise_deviation(np.concatenate(self._noise[samples])),
                brightness=_mean(self._brightness[frames.start : frames.end]),
            ),
        )


def _after_first(frames: FrameRange) -> slice:
    """Within a shot, the first frame's difference to the one before is not the shot's."""
    return slice(frames.start + 1, frames.end)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else 0.0
