"""The master: the source file and what we know of it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from encoder.media.colour import Colour, Hdr

Cadence = Literal["constant", "variable"]
Scan = Literal["progressive", "interlaced"]
Parity = Literal["tff", "bff"]


@dataclass(frozen=True, slots=True)
class VideoStream:
    """One video stream, as it lies in the container, before conforming.

    ``rotation`` is in degrees clockwise (0, 90, 180 or 270) and ``mirrored`` a horizontal flip
    applied before it: together what must be done to decoded pictures to show them upright.
    ``frames`` counts the pictures a player presents (after edit lists), by demuxing;
    ``frame_rate`` is the nominal rate, ``average_frame_rate`` what the timestamps give.
    ``start`` and ``duration`` are in seconds on the container's clock. ``timed`` is whether each
    picture's presentation time tells its place; without that, pictures come one after the other.
    ``field_order`` is what the stream claims (``progressive``, ``tt``, ``bb``, ``tb``, ``bt`` or
    ``unknown``); ``scan`` is what the pictures show, ``parity`` which field of an interlaced
    picture is the earlier one (top or bottom field first).
    """

    index: int
    codec: str
    profile: str
    width: int
    height: int
    sample_aspect: Fraction
    rotation: int
    mirrored: bool
    frame_rate: Fraction
    average_frame_rate: Fraction
    cadence: Cadence
    frames: int
    start: Fraction
    duration: Fraction
    field_order: str
    scan: Scan
    pixel_format: str
    bit_depth: int
    colour: Colour
    hdr: Hdr | None
    bitrate: int | None
    timecode: str | None
    language: str | None
    disposition: tuple[str, ...]
    parity: Parity | None = None
    timed: bool = True

    @property
    def display_aspect(self) -> Fraction:
        """Width over height as shown: sample aspect and rotation applied."""
        aspect = Fraction(self.width, self.height) * self.sample_aspect
        return 1 / aspect if self.rotation in (90, 270) else aspect


@dataclass(frozen=True, slots=True)
class AudioStream:
    """One audio stream; ``language`` is an ISO 639-2 code, or ``und``; times are in seconds."""

    index: int
    codec: str
    profile: str
    sample_rate: int
    channels: int
    layout: str
    start: Fraction
    duration: Fraction
    bitrate: int | None
    language: str
    title: str
    disposition: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextStream:
    """One subtitle or caption stream."""

    index: int
    codec: str
    language: str
    title: str
    disposition: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter; times in seconds on the container's clock."""

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True, slots=True)
class Master:
    """The source file and everything that probing found in it.

    ``video`` is the stream that is encoded: the default one, or else the largest.
    ``other_video`` are the video streams left out (further tracks, cover art), ``other`` the
    codec names of streams that are neither video, audio nor text.
    ``start`` is the container's start time; ``duration`` is from the start of the first stream of
    pictures or sound to the end of the last; both in seconds.
    ``defects`` are sentences about what is odd in the file and what was done about it.
    """

    path: Path
    digest: str
    size: int
    container: str
    start: Fraction
    duration: Fraction
    bitrate: int | None
    video: VideoStream
    other_video: tuple[VideoStream, ...]
    audio: tuple[AudioStream, ...]
    text: tuple[TextStream, ...]
    other: tuple[str, ...]
    chapters: tuple[Chapter, ...]
    tags: tuple[tuple[str, str], ...]
    defects: tuple[str, ...]
