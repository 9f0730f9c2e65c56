"""What the reports are made of: everything an ingest found, decided, made and measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.media.conform import Conform
from encoder.media.ladder import Expected, Ladder
from encoder.media.master import Master
from encoder.media.package import Package
from encoder.media.renditions import RenditionSet
from encoder.media.scores import RenditionScore, Scorecard
from encoder.media.shots import Analysis


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds that this run spent on each stage, and the seconds it took by the clock.

    ``peak_memory`` is the most memory that all its processes took at a time, in bytes; 0 where it
    was not measured.
    """

    probe_cpu_seconds: float = 0.0
    analysis_cpu_seconds: float = 0.0
    ladder_cpu_seconds: float = 0.0
    encode_cpu_seconds: float = 0.0
    audio_cpu_seconds: float = 0.0
    pictures_cpu_seconds: float = 0.0
    package_cpu_seconds: float = 0.0
    score_cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_memory: int = 0

    @property
    def cpu_seconds(self) -> float:
        """All stages together."""
        return (
            self.probe_cpu_seconds
            + self.analysis_cpu_seconds
            + self.ladder_cpu_seconds
            + self.encode_cpu_seconds
            + self.audio_cpu_seconds
            + self.pictures_cpu_seconds
            + self.package_cpu_seconds
            + self.score_cpu_seconds
        )


@dataclass(frozen=True, slots=True)
class MadeBy:
    """What made the package: versions of this program and of FFmpeg, and the command line.

    ``libraries`` are further versions worth recording, as (name, version).
    """

    version: str
    ffmpeg: str
    command: tuple[str, ...]
    libraries: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The values of every stage of one ingest.

    ``scorecard`` is None when nothing was measured; its per-frame files lie in ``scores_folder``,
    relative to the package. ``warnings`` are sentences about this run, beyond what the master's
    defects, the conform's changes and the ladder's notes already say. ``ladder`` is what was
    encoded in the end, ``first_ladder`` what was decided before anything was.
    """

    master: Master
    conform: Conform
    analysis: Analysis
    ladder: Ladder
    renditions: RenditionSet
    package: Package
    scorecard: Scorecard | None
    cost: Cost
    made_by: MadeBy
    warnings: tuple[str, ...] = ()
    first_ladder: Ladder | None = None
    scores_folder: Path = Path("scores")

    def first_expected(self, rendition: str) -> Expected | None:
        """What a rung was expected to deliver before it was corrected; None if it was not."""
        for old, new in zip(
            self.first_ladder.rungs if self.first_ladder else (), self.ladder.rungs, strict=False
        ):
            if new.id == rendition and old != new:
                return old.expected
        return None

    def score(self, rendition: str) -> RenditionScore | None:
        """The scores of a rendition, None when it was not measured."""
        for one in self.scorecard.renditions if self.scorecard else ():
            if one.rendition == rendition:
                return one
        return None


@dataclass(frozen=True, slots=True)
class Triple:
    """Three encoded pictures of one size in pixels: the master's, the rendition's, and how their
    luma differs, amplified."""

    reference: bytes
    rendition: bytes
    difference: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class WorstFrame:
    """A frame of a rendition that looks bad, as pictures of ``media_type``.

    ``whole`` is reduced; ``detail`` is cut out at full size where the two differ most, its left
    upper corner at ``detail_at`` of the reference picture. Both are None where the picture is too
    small for a detail to show more. Differences are times ``gain``. ``shot`` is an index into the
    shots, None when they were not given.
    """

    rendition: str
    frame: int
    time: Fraction
    shot: int | None
    vmaf: float
    whole: Triple
    detail: Triple | None
    detail_at: tuple[int, int] | None
    media_type: str
    gain: int


@dataclass(frozen=True, slots=True)
class ReportData:
    """What ``report.html`` shows: the result, and what is too big for the JSON.

    ``vmaf`` has, per rendition, the VMAF of frames 0, ``every``, 2 ``every`` and so on, where
    ``every`` is the scorecard's. ``frame_bytes`` has, per rendition, the coded size in bytes of
    every frame in presentation order (:func:`encoder.report.sizes.frame_bytes` reads it). Either
    may lack a rendition; it is then left out of the chart.
    """

    result: IngestResult
    vmaf: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    frame_bytes: Mapping[str, NDArray[np.integer]] = field(default_factory=dict)
    worst: tuple[WorstFrame, ...] = ()
