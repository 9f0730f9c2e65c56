"""Renditions: rungs and audio tracks, encoded, before packaging."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from encoder.media.colour import Colour
from encoder.media.pictures import NO_PICTURES, Pictures


@dataclass(frozen=True, slots=True)
class Rendition:
    """One rung, encoded into an MP4 file.

    ``keyframes`` are the indices of its IDR frames, the same in every rendition of a set.
    """

    id: str
    codec: str
    width: int
    height: int
    frame_rate: Fraction
    frames: int
    keyframes: tuple[int, ...]
    colour: Colour
    path: Path


@dataclass(frozen=True, slots=True)
class Loudness:
    """EBU R 128 / ITU-R BS.1770: integrated loudness (LUFS), range (LU), true peak (dBTP).

    None where the signal is silent, so that the value is minus infinity.
    """

    integrated: float | None
    range: float | None
    true_peak: float | None


@dataclass(frozen=True, slots=True)
class AudioRendition:
    """One audio track, encoded into an MP4 file; starts at time 0 and covers the video.

    ``language`` is a BCP 47 tag (``und`` when the master does not say). ``name`` is unique in the
    package. ``loudness`` is the master's, ``gain`` in dB what normalisation applied. ``roles`` are
    those of DASH (``main``, ``commentary``, ``description``, ...). ``source`` is the index of the
    master's stream it was made from: renditions of one source are the same content in different
    layouts, so that a player which switches between layouts stays with what it plays.
    """

    id: str
    codec: str
    language: str
    name: str
    channels: int
    sample_rate: int
    default: bool
    roles: tuple[str, ...]
    loudness: Loudness
    gain: float
    path: Path
    source: int | None = None


@dataclass(frozen=True, slots=True)
class TextRendition:
    """One track of subtitles as a WebVTT file, whose times count from reference picture 0.

    ``language`` is a BCP 47 tag, ``name`` unique in the package. ``roles`` are those of DASH:
    ``subtitle``, ``caption`` (for the deaf and hard of hearing), ``forced-subtitle`` (of what is
    not said in the sound's language), ``commentary``. ``cues`` is how many there are, ``origin``
    the format that they came in (FFmpeg's name), ``source`` the index of the master's stream, None
    for a file of its own.
    """

    id: str
    language: str
    name: str
    default: bool
    roles: tuple[str, ...]
    cues: int
    origin: str
    path: Path
    source: int | None = None


@dataclass(frozen=True, slots=True)
class RenditionSet:
    """Everything that is packaged together. ``shots`` are the first frames of the title's shots,
    as far as they are known: segments start there rather than elsewhere."""

    video: tuple[Rendition, ...]
    audio: tuple[AudioRendition, ...]
    frame_rate: Fraction
    frames: int
    pictures: Pictures = NO_PICTURES
    text: tuple[TextRendition, ...] = ()
    shots: tuple[int, ...] = ()
