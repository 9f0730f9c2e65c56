"""Subtitles in a package: WebVTT whole for DASH, and in segments for HLS (RFC 8216 3.5)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from itertools import accumulate
from math import ceil
from pathlib import Path

from encoder.errors import PackageError
from encoder.media.characters import clean
from encoder.media.package import BYTE_RANGES, Layout, PackagedTrack, Segment, Track
from encoder.media.renditions import TextRendition
from encoder.package.entries import url
from encoder.package.layout import find_text, hashed, text_place
from encoder.package.segments import average_bitrate, peak_bitrate, target_duration
from encoder.text.webvtt import Cue, MalformedError, Subtitles, parse, render

# LOCAL is the time in a cue, MPEGTS the same moment on the media's clock of 90 kHz. Ours starts at
# 0, which is reference picture 0, in the media as in the cues.
_TIMESTAMP_MAP = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000"
_ROLE = "urn:mpeg:dash:role:2011"
_PURPOSE = "urn:tva:metadata:cs:AudioPurposeCS:2007"
GROUP = "text"


@dataclass(frozen=True, slots=True)
class TextEntry:
    """A track of subtitles in the package; ``files`` are its segments, as they are written.

    ``whole_bytes`` is the size of its whole file, ``automatic`` whether a player may choose it by
    the viewer's language and needs.
    """

    rendition: TextRendition
    segments: tuple[Segment, ...]
    timescale: int
    files: Mapping[Path, bytes]
    packaged: PackagedTrack
    automatic: bool
    whole_bytes: int

    @property
    def whole_bitrate(self) -> int:
        """Bits per second of the whole file over its time, rounded up."""
        return max(1, ceil(self.whole_bytes * 8 / self.packaged.duration))

    @property
    def forced(self) -> bool:
        """Whether it is shown even to those who want no subtitles."""
        return "forced-subtitle" in self.rendition.roles


def write_whole(rendition: TextRendition, into: Path, layout: Layout) -> None:
    """Puts a track into the package.

    Raises:
        PackageError: when it is no WebVTT.
    """
    found = _read(rendition.path)
    data = render(found.cues, found.blocks).encode()
    path = into / text_place(layout, rendition.id, sha256(data).hexdigest())
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def _read(path: Path) -> Subtitles:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (MalformedError, UnicodeDecodeError) as error:
        raise PackageError(
            "Subtitles cannot be packaged",
            where=str(path),
            why=str(error),
            hint="Encode the title again, or give the subtitles to `encoder package --subtitles`",
        ) from error


def text_entries(
    renditions: Sequence[TextRendition],
    into: Path,
    track: Track,
    segments: Sequence[Segment],
    layout: Layout = BYTE_RANGES,
) -> tuple[TextEntry, ...]:
    """The subtitles of a package, cut where the video's segments are.

    A cue that is shown in several segments is in each of them, whole (RFC 8216 3.5).

    Args:
        renditions: whose whole files are in the package.
        into: the folder of the package.
        track: of the video.
        segments: of the video.
        layout: of the package.

    Raises:
        PackageError: when a file is missing or damaged.
    """
    made: list[TextEntry] = []
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for one in renditions:
        place = find_text(layout, into, one.id)
        path = into / place
        found = _read(path)
        made_files: list[bytes] = []
        parts: list[Segment] = []
        timeline = Timeline(found)
        for piece in segments:
            start = Fraction(piece.start, track.timescale)
            end = Fraction(piece.start + piece.duration, track.timescale)
            cues = timeline.shown(start, end)
            text = render(cues, found.blocks, head=_TIMESTAMP_MAP)
            data = text.encode()
            made_files.append(data)
            parts.append(Segment(0, len(data), piece.start, piece.duration))
        target = target_duration(parts, track.timescale)
        name = one.id
        if layout.names == "hash":
            name = hashed(name, sha256(b"".join(made_files)).hexdigest())
        files = {Path("text", name, f"{n:05d}.vtt"): data for n, data in enumerate(made_files)}
        kind = (one.language, one.roles)
        packaged = PackagedTrack(
            id=one.id,
            kind="text",
            path=place,
            codec_string="wvtt",
            average_bitrate=average_bitrate(parts, track.timescale),
            peak_bitrate=peak_bitrate(parts, track.timescale, target),
            bytes=path.stat().st_size + sum(map(len, files.values())),
            duration=Fraction(sum(part.duration for part in parts), track.timescale),
            frames=len(found.cues),
            segments=len(parts),
        )
        automatic = one.default or (kind not in seen and "commentary" not in one.roles)
        seen.add(kind)
        made.append(
            TextEntry(
                one,
                tuple(parts),
                track.timescale,
                files,
                packaged,
                automatic,
                path.stat().st_size,
            )
        )
    return tuple(made)


class Timeline:
    """Finds the cues that are shown in a stretch of time without looking at all of them."""

    def __init__(self, subtitles: Subtitles) -> None:
        self._cues = subtitles.cues
        # By when every cue up to this one has ended.
        self._ends = list(accumulate((cue.end for cue in self._cues), max))

    def shown(self, start: Fraction, end: Fraction) -> tuple[Cue, ...]:
        """The cues that are shown from ``start`` to before ``end``."""
        first = bisect_right(self._ends, start)
        stop = bisect_left(self._cues, end, key=lambda cue: cue.start)
        return tuple(cue for cue in self._cues[first:stop] if cue.end > start)


def text_playlist(entry: TextEntry, target: int, extinf: Callable[[Segment, int], str]) -> str:
    """The media playlist of a track, with a file for every segment."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]
    for segment, path in zip(entry.segments, entry.files, strict=True):
        lines.append(f"#EXTINF:{extinf(segment, entry.timescale)},")
        lines.append(url(*path.parts[1:]))
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def text_attributes(entry: TextEntry, only_default: TextEntry | None) -> dict[str, str]:
    """The attributes of EXT-X-MEDIA, without quotes around them."""
    rendition = entry.rendition
    attributes = {
        "TYPE": "SUBTITLES",
        "GROUP-ID": GROUP,
        "NAME": rendition.name,
        "LANGUAGE": rendition.language,
        "DEFAULT": "YES" if entry is only_default else "NO",
        "AUTOSELECT": "YES" if entry.automatic else "NO",
        "FORCED": "YES" if entry.forced else "NO",
    }
    if "caption" in rendition.roles:
        # Authoring specification 4.5: both, of subtitles for the deaf and hard of hearing.
        attributes["CHARACTERISTICS"] = (
            "public.accessibility.transcribes-spoken-dialog,"
            "public.accessibility.describes-music-and-sound"
        )
    attributes["URI"] = url("text", f"{rendition.id}.m3u8")
    return attributes


def text_set(period: ET.Element, number: int, entry: TextEntry) -> None:
    """The adaptation set of a track: one file of WebVTT (DASH-IF IOP 6.4.5)."""
    rendition = entry.rendition
    element = ET.SubElement(
        period,
        "AdaptationSet",
        {
            "id": str(number),
            "contentType": "text",
            "mimeType": "text/vtt",
            "lang": rendition.language,
        },
    )
    ET.SubElement(element, "Label").text = clean(rendition.name)
    if "caption" in rendition.roles:
        # For the hard of hearing (TV-Anytime's AudioPurposeCS).
        ET.SubElement(element, "Accessibility", {"schemeIdUri": _PURPOSE, "value": "2"})
    for role in rendition.roles:
        ET.SubElement(element, "Role", {"schemeIdUri": _ROLE, "value": role})
    own = ET.SubElement(
        element,
        "Representation",
        {"id": rendition.id, "bandwidth": str(entry.whole_bitrate)},
    )
    ET.SubElement(own, "BaseURL").text = url(*entry.packaged.path.parts)
