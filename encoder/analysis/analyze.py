"""Master -> Analysis: one decode finds the exact number of frames and the shots, and measures them.

Brightness and temporal information are measured of every frame; spatial information, texture and
noise of samples, taken again when the picture has changed as much as across a cut, or after
:attr:`AnalysisSettings.sample_seconds`. Shots are cut where the picture changes for good, see
:mod:`encoder.analysis.changes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.analysis.changes import ChangeDetector
from encoder.analysis.complexity import (
    detail_lost,
    noise_blocks,
    noise_deviation,
    spatial_information,
    temporal_information,
    texture_energy,
)
from encoder.analysis.cuts import Piece, find_boundaries, tile
from encoder.analysis.likeness import Thumbnails, make_thumbnail
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
_BATCH = 8
# Detail is looked for in the strip of full size under every so many pictures.
_DETAIL_EVERY = 2

_DEFAULTS = AnalysisSettings()


def analyze(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    settings: AnalysisSettings = _DEFAULTS,
    *,
    checksums: Path | None = None,
    stills: Path | None = None,
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
        checksums: a file that gets a checksum of every reference picture, to be read by
            :func:`encoder.ffmpeg.checksums.read_checksums`; none by default.
        stills: a file that gets a small picture of every second, to be read by
            :mod:`encoder.pictures`; none by default.
        on_progress: called with the number of frames done, every few frames.

    Raises:
        MasterError: when no picture comes out, or FFmpeg fails.
        MachineError: when FFmpeg cannot be started.
    """
    geometry = plan_geometry(conform, settings.picture_pixels)
    meter = _Meter(geometry, conform.frame_rate, settings)
    damage = Damage()
    try:
        with open_pictures(
            ffmpeg,
            master,
            conform,
            geometry,
            _BATCH,
            checksums=checksums,
            stills=stills,
            on_line=damage.line,
        ) as batches:
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
    return replace(meter.finish(), damaged=damage.found)


class Damage:
    """Listens to FFmpeg for a decoder that had to make pictures up."""

    def __init__(self) -> None:
        self.found = False

    def line(self, text: str) -> None:
        """A line of its messages."""
        self.found = self.found or "[error]" in text or "corrupt decoded frame" in text


@dataclass(frozen=True, slots=True)
class _Sample:
    """A picture measured by itself."""

    frame: int
    spatial: float
    texture: float
    noise: NDArray[np.float32]


class _Meter:
    """Measures pictures as they come."""

    def __init__(
        self, geometry: Geometry, frame_rate: Fraction, settings: AnalysisSettings
    ) -> None:
        self.frames = 0
        self._rate = frame_rate
        self._settings = settings
        self._nearest = settings.min_shot_frames(frame_rate)
        self._farthest = max(self._nearest, round(settings.sample_seconds * frame_rate))
        self._detector = ChangeDetector(frame_rate, settings)
        shape = (geometry.height, geometry.width)
        self._before = np.zeros(shape, np.float32)
        self._luma = np.zeros(shape, np.float32)
        self._scratch = np.zeros(shape, np.float32)
        # One more than a batch has: the last of the batch before comes first.
        self._thumbnails = np.zeros((_BATCH + 1, 3, geometry.rows, geometry.columns), np.float32)
        self._last: Batch | None = None
        self._brightness: list[float] = []
        self._temporal: list[float] = []
        self._samples: list[_Sample] = []
        self._changed = 0.0
        self._detail: list[NDArray[np.float32]] = []

    def add(self, batch: Batch) -> None:
        before = self._last
        for index in range(len(batch)):
            thumbnail = self._thumbnails[index + 1]
            picture = batch[index]
            if before is not None and picture.shows_the_same_as(before):
                thumbnail[:] = self._thumbnails[index]
                self._temporal.append(0.0)
            else:
                self._measure(picture, thumbnail)
            before = picture
            if (self.frames + index) % _DETAIL_EVERY == 0:
                self._detail.append(detail_lost(picture.full_size[0]))
        thumbnails = self._thumbnails[1 : len(batch) + 1]
        self._brightness += thumbnails[:, 0].mean(axis=(1, 2)).tolist()
        self._take_samples(batch, self._detector.add(thumbnails).tolist())
        self.frames += len(batch)
        self._thumbnails[0] = thumbnails[-1]
        self._last = batch[len(batch) - 1].copy()

    def _measure(self, picture: Batch, thumbnail: Thumbnails) -> None:
        self._before, self._luma = self._luma, self._before
        np.copyto(self._luma, picture.luma[0])
        make_thumbnail(self._luma, picture.chroma[0], thumbnail)
        self._temporal.append(temporal_information(self._luma, self._before, self._scratch))

    def _take_samples(self, batch: Batch, steps: list[float]) -> None:
        for index, step in enumerate(steps):
            frame = self.frames + index
            self._changed += step
            if self._samples:
                distance = frame - self._samples[-1].frame
                due = self._nearest if self._changed >= self._settings.cut else self._farthest
                if distance < due:
                    continue
            np.copyto(self._scratch, batch.luma[index])
            strip = batch.full_size[index].astype(np.float32)
            self._samples.append(
                _Sample(
                    frame,
                    spatial_information(self._scratch),
                    texture_energy(self._scratch),
                    noise_blocks(strip),
                )
            )
            self._changed = 0.0

    def finish(self) -> Analysis:
        boundaries = find_boundaries(self._detector.finish(), self._rate, self._settings)
        pieces = tile(self.frames, boundaries, self._settings.max_shot_frames(self._rate))
        at = np.array([sample.frame for sample in self._samples])
        return Analysis(self.frames, self._rate, tuple(self._shot(piece, at) for piece in pieces))

    def _shot(self, piece: Piece, at: NDArray[np.intp]) -> Shot:
        start, end = piece.frames.start, piece.frames.end
        first, last = np.searchsorted(at, (start, end)).tolist()
        if first == last:
            # A short shot after a slow change, or part of one that was split, may have none.
            first -= 1
        samples, at = self._samples[first:last], at[first:last]
        frames = np.arange(start, end)
        return Shot(
            piece.frames,
            piece.cut,
            Complexity(
                spatial=float(np.interp(frames, at, [s.spatial for s in samples]).mean()),
                # The first frame's difference to the one before it is not the shot's.
                temporal=_mean(self._temporal[start + 1 : end]),
                texture=float(np.interp(frames, at, [s.texture for s in samples]).mean()),
                noise=noise_deviation(np.concatenate([s.noise for s in samples])),
                brightness=_mean(self._brightness[start:end]),
                detail=self._detail_of(piece.frames),
            ),
        )

    def _detail_of(self, frames: FrameRange) -> tuple[float, ...]:
        first, end = frames.start // _DETAIL_EVERY, -(-frames.end // _DETAIL_EVERY)
        return tuple(float(v) for v in np.mean(self._detail[first:end], axis=0))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else 0.0
