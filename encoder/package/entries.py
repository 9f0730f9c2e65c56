"""What the manifests are written from: a rendition, its track, its segments, its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from encoder.media.package import PackagedTrack, Segment, Track
from encoder.media.renditions import AudioRendition, Rendition

# urn:mpeg:dash:role:2011 (ISO/IEC 23009-1, 5.8.5.5), as far as it is about sound.
_DASH_ROLES = frozenset(
    {
        "alternate",
        "commentary",
        "description",
        "dub",
        "emergency",
        "enhanced-audio-intelligibility",
        "karaoke",
        "main",
        "supplementary",
    }
)


@dataclass(frozen=True, slots=True)
class VideoEntry:
    """A rung in the package.

    ``place`` is its file or the folder of its files, relative to the package. ``score`` is its mean
    VMAF where it is known. ``iframes`` are the byte ranges that show a single picture: the header
    of a fragment and its first sample, lasting as long as the fragment.
    """

    rendition: Rendition
    track: Track
    place: Path
    segments: tuple[Segment, ...]
    packaged: PackagedTrack
    score: float | None
    iframes: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioEntry:
    """An audio track in the package; ``place`` as a rung's."""

    rendition: AudioRendition
    track: Track
    place: Path
    segments: tuple[Segment, ...]
    packaged: PackagedTrack

    @property
    def roles(self) -> tuple[str, ...]:
        """Its roles that DASH knows."""
        return tuple(role for role in self.rendition.roles if role in _DASH_ROLES)


Entry = VideoEntry | AudioEntry


@dataclass(frozen=True, slots=True)
class AudioContent:
    """The same sound in one or more layouts, fewest channels first.

    ``default`` is true for the one content that plays unless the viewer chooses. ``automatic`` is
    whether a player may choose it by the viewer's language and needs.
    """

    layouts: tuple[AudioEntry, ...]
    default: bool
    automatic: bool

    @property
    def first(self) -> AudioEntry:
        """The entry that speaks for all: the one of fewest channels."""
        return self.layouts[0]

    def alike(self, codec: str, channels: int) -> AudioEntry:
        """The layout of that codec and so many channels, or else the one of that codec and fewest,
        or else the one of fewest."""
        same = [e for e in self.layouts if e.track.codec_string == codec]
        exact = [e for e in same if e.track.channels == channels]
        return (exact or same or [self.first])[0]


def contents(audio: Sequence[AudioEntry]) -> tuple[AudioContent, ...]:
    """The entries by what is heard, in their order.

    Entries of one source belong together. Where sources are not known, the n-th entry of a
    language and roles in one layout goes with the n-th in another.
    """
    found: dict[object, list[AudioEntry]] = {}
    for entry in audio:
        found.setdefault(_content_key(entry, found), []).append(entry)
    groups = [tuple(sorted(group, key=_layout)) for group in found.values()]
    # The default comes first; without one it is the first that comes.
    groups.sort(key=lambda group: not any(entry.rendition.default for entry in group))
    result: list[AudioContent] = []
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for layouts in groups:
        # Players choose by language and characteristics; a second of the same is for the viewer.
        kind = (layouts[0].rendition.language, characteristics(layouts[0]))
        automatic = kind not in seen and "commentary" not in layouts[0].roles
        seen.add(kind)
        result.append(AudioContent(layouts, default=not result, automatic=automatic or not result))
    return tuple(result)


def _channels(entry: AudioEntry) -> int:
    return entry.track.channels


def _layout(entry: AudioEntry) -> tuple[bool, int, bool]:
    """AAC first, which plays everywhere, then by channels; what spares bits behind the same."""
    codec = entry.track.codec_string
    return not codec.startswith("mp4a"), entry.track.channels, spares_bits(codec)


def spares_bits(codec: str) -> bool:
    """Whether a codec string is that of HE-AAC, with parametric stereo or without: sound for rungs
    of few bits."""
    return codec in ("mp4a.40.5", "mp4a.40.29")


def in_hls(track: Track) -> bool:
    """Whether HLS may have it: Apple's devices take no Opus there (authoring specification 2.1)."""
    return track.codec_string != "Opus"


def _content_key(entry: AudioEntry, found: Mapping[object, Sequence[AudioEntry]]) -> object:
    if entry.rendition.source is not None:
        return entry.rendition.source
    number = 0
    kind = (_channels(entry), entry.track.codec_string)
    while True:
        key = (entry.rendition.language, entry.roles, number)
        others = found.get(key, ())
        if all((_channels(one), one.track.codec_string) != kind for one in others):
            return key
        number += 1


def characteristics(entry: AudioEntry) -> tuple[str, ...]:
    """Uniform type identifiers for HLS's CHARACTERISTICS."""
    identifiers = {
        "description": "public.accessibility.describes-video",
        "enhanced-audio-intelligibility": "public.accessibility.enhances-speech-intelligibility",
    }
    return tuple(identifiers[role] for role in entry.roles if role in identifiers)


def url(*parts: str) -> str:
    """A relative URL from path segments."""
    return "/".join(quote(part, safe="") for part in parts)
