"""The package: what was published and what its manifests declare."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Fragment:
    """One CMAF fragment (moof and mdat): its bytes in the file, and its time in ticks.

    ``start`` and ``duration`` count the track's timescale on the presentation timeline: what an
    edit list skips (audio priming) is not in them, so that the first fragment starts at 0.
    ``independent`` is whether it starts with a sample that decodes alone.
    """

    offset: int
    size: int
    start: int
    duration: int
    samples: int
    independent: bool


@dataclass(frozen=True, slots=True)
class Track:
    """One CMAF track file as read back from its boxes.

    ``header_size`` are the bytes of the initialisation (ftyp and moov) from the start of the file,
    ``index_offset`` and ``index_size`` the sidx box. ``codec_string`` is RFC 6381's, ``language``
    the ISO 639-2 code of the media header. ``skip`` are the ticks of media before presentation
    starts, by the edit list. ``width`` and ``height`` (coded samples) are 0 for audio;
    ``sample_rate`` and ``channels`` are 0 for video.
    """

    kind: Literal["video", "audio"]
    timescale: int
    codec_string: str
    language: str
    width: int
    height: int
    sample_rate: int
    channels: int
    skip: int
    header_size: int
    index_offset: int
    index_size: int
    fragments: tuple[Fragment, ...]

    @property
    def samples(self) -> int:
        """How many samples the fragments hold: frames of video, access units of audio."""
        return sum(fragment.samples for fragment in self.fragments)

    @property
    def duration(self) -> int:
        """Ticks from the start of the presentation to its end."""
        last = self.fragments[-1]
        return last.start + last.duration


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of whole fragments that a playlist names as one: bytes, and time in ticks."""

    offset: int
    size: int
    start: int
    duration: int


@dataclass(frozen=True, slots=True)
class PackagedTrack:
    """A track of the package and what its manifests declare of it.

    Bitrates are in bits per second, measured over segments, fragment headers included, as
    RFC 8216 4.1 defines them: ``average_bitrate`` is all segment bytes over all time,
    ``peak_bitrate`` the largest of any run of segments that lasts half to one and a half target
    durations. ``path`` is relative to the package, ``bytes`` is the whole file, ``duration`` in
    seconds, ``frames`` counts samples (for audio: access units).
    """

    id: str
    kind: Literal["video", "audio"]
    path: Path
    codec_string: str
    average_bitrate: int
    peak_bitrate: int
    bytes: int
    duration: Fraction
    frames: int
    segments: int


@dataclass(frozen=True, slots=True)
class Package:
    """What lies in the package folder. Paths are relative to ``path``."""

    path: Path
    hls: Path
    dash: Path
    bytes: int
    tracks: tuple[PackagedTrack, ...]

    def track(self, identifier: str) -> PackagedTrack:
        """The track of that id.

        Raises:
            KeyError: when there is none.
        """
        for track in self.tracks:
            if track.id == identifier:
                return track
        raise KeyError(identifier)
