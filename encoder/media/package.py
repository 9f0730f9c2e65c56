"""The package: what was published and what its manifests declare."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from encoder.media.pictures import Poster, Thumbnails
from encoder.media.protection import Protected, Protection


@dataclass(frozen=True, slots=True)
class Layout:
    """How tracks lie in a package.

    ``segments`` is ``ranges`` for one file a track, whose segments are byte ranges, or ``files``
    for a file a segment. ``names`` is ``plain`` for the names of tracks as they are, or ``hash``
    for names that have a hash of the content in them, so that what lies behind an address never
    changes.
    """

    segments: Literal["ranges", "files"] = "ranges"
    names: Literal["plain", "hash"] = "plain"


BYTE_RANGES = Layout()
SEGMENT_SECONDS = Fraction(6)


@dataclass(frozen=True, slots=True)
class Packaging:
    """How a package is made of renditions.

    ``segment_seconds`` is how long HLS segments should be; they never are longer, except by the
    rounding to frames, or where a single group of pictures is. ``layout`` is how tracks lie in it,
    ``protection`` how video and audio are encrypted, None where they are not; subtitles and
    pictures never are.
    """

    segment_seconds: Fraction = SEGMENT_SECONDS
    layout: Layout = BYTE_RANGES
    protection: Protection | None = None


# Clear, as files with byte ranges.
USUAL = Packaging()


@dataclass(frozen=True, slots=True)
class Fragment:
    """One CMAF fragment (moof and mdat): its bytes in the file, and its time in ticks.

    ``file`` is the number of its file among the track's segments, counted from 0, where these are
    files of their own; ``lead`` are the bytes of the segment's type (styp) right before the first
    fragment of such a file, which belong to it but are not in ``size``. ``start`` and ``duration``
    count the track's timescale on the presentation timeline: what an edit list skips (audio
    priming) is not in them, so that the first fragment starts at 0. ``independent`` is whether it
    starts with a sample that decodes alone, ``clear`` whether its samples are clear in a track
    that is encrypted.
    """

    offset: int
    size: int
    start: int
    duration: int
    samples: int
    independent: bool
    file: int = 0
    lead: int = 0
    clear: bool = False

    @property
    def bytes(self) -> int:
        """All bytes that have to be fetched for it."""
        return self.lead + self.size


@dataclass(frozen=True, slots=True)
class Track:
    """One CMAF track as read back from its boxes.

    ``files`` are the names of its segments in order where these are files of their own, beside the
    file of the initialisation; empty where one file holds the track. ``header_size`` are the bytes
    of the initialisation (ftyp and moov) from the start of the file, ``index_offset`` and
    ``index_size`` the sidx box. ``codec_string`` is RFC 6381's, ``language`` the ISO 639-2 code of
    the media header. ``skip`` are the ticks of media before presentation starts, by the edit list.
    ``width`` and ``height`` (coded samples) are 0 for audio; ``sample_rate`` and ``channels`` are 0
    for video. ``protected`` is how the samples are encrypted, None where they are clear.
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
    files: tuple[str, ...] = ()
    protected: Protected | None = None

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
    """A run of whole fragments that a playlist names as one: bytes, and time in ticks.

    ``file`` is the number of its file, and ``clear`` whether it is, as a fragment's.
    """

    offset: int
    size: int
    start: int
    duration: int
    file: int = 0
    clear: bool = False


@dataclass(frozen=True, slots=True)
class PackagedTrack:
    """A track of the package and what its manifests declare of it.

    Bitrates are in bits per second, measured over segments, fragment headers included, as RFC 8216
    4.1 defines them: ``average_bitrate`` is all segment bytes over all time, ``peak_bitrate`` the
    largest of any run of segments that lasts half to one and a half target durations. ``path`` is
    relative to the package: the file of the track, or the media playlist of one that lies in many;
    ``bytes`` is all of it but playlists, ``duration`` in seconds, ``frames`` counts samples (for
    audio: access units; for text: cues).
    """

    id: str
    kind: Literal["video", "audio", "text"]
    path: Path
    codec_string: str
    average_bitrate: int
    peak_bitrate: int
    bytes: int
    duration: Fraction
    frames: int
    segments: int


@dataclass(frozen=True, slots=True)
class PackagedPictures:
    """The pictures of a package. Paths are relative to the package, ``bytes`` are the pictures'.

    ``playlist`` is HLS's image media playlist, ``sprite_map`` the WebVTT file, ``interval`` the
    seconds from one thumbnail to the next; None and 0 without thumbnails.
    """

    thumbnails: Thumbnails | None
    interval: Fraction
    poster: Poster | None
    playlist: Path | None
    sprite_map: Path | None
    bytes: int


@dataclass(frozen=True, slots=True)
class PackagedProtection:
    """How a package is encrypted: the scheme, the identifiers of its keys, and the seconds of the
    first rung that are clear."""

    scheme: str
    kids: tuple[bytes, ...]
    clear: Fraction


@dataclass(frozen=True, slots=True)
class Package:
    """What lies in the package folder. Paths are relative to ``path``.

    ``protection`` is None where all of it is clear, ``dash`` where it is encrypted as HLS alone
    knows.
    """

    path: Path
    hls: Path
    dash: Path | None
    bytes: int
    tracks: tuple[PackagedTrack, ...]
    pictures: PackagedPictures | None = None
    protection: PackagedProtection | None = None

    def track(self, identifier: str) -> PackagedTrack:
        """The track of that id.

        Raises:
            KeyError: when there is none.
        """
        for track in self.tracks:
            if track.id == identifier:
                return track
        raise KeyError(identifier)
