"""Pictures in a package: thumbnails as both manifests name them, a WebVTT map of them, a poster.

DASH has them as tiles (DASH-IF IOP 4.3, 6.2.6), HLS as an image media playlist (Image Media
Playlist for HLS 0.4), and web pages by a WebVTT file whose cues are fragments of a picture
(``#xywh``, W3C Media Fragments 4.2.2).
"""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from math import ceil
from pathlib import Path

from encoder.media.frames import frame_time, seconds_text
from encoder.media.package import Layout, PackagedPictures
from encoder.media.pictures import Pictures, Thumbnails
from encoder.media.renditions import RenditionSet
from encoder.package.entries import url
from encoder.package.layout import find_hashed, hashed

FOLDER = Path("images")
PLAYLIST = FOLDER / "thumbnails.m3u8"
SPRITE_MAP = FOLDER / "thumbnails.vtt"
POSTER = FOLDER / "poster.jpg"
# Sheets are numbered from 1: what $Number%03d$ of a template stands for.
_TEMPLATE = "{stem}-$Number%03d$.jpg"
_STEM = "thumbnails"
_TILES = "http://dashif.org/guidelines/thumbnail_tile"


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """The thumbnails of a package, and what manifests declare of them.

    ``bytes`` are the sizes of the sheets, in order; ``duration`` is the title's, in seconds.
    ``stem`` is what the names of the sheets start with.
    """

    thumbnails: Thumbnails
    interval: Fraction
    duration: Fraction
    bytes: tuple[int, ...]
    stem: str = _STEM

    @property
    def sheet_seconds(self) -> Fraction:
        """How long a full sheet lasts."""
        return self.interval * self.thumbnails.on_sheet

    @property
    def bandwidth(self) -> int:
        """The most bits per second that any sheet takes over the time it stands for."""
        return max(ceil(8 * size / self.lasting(number)) for number, size in enumerate(self.bytes))

    def lasting(self, number: int) -> Fraction:
        """How long a sheet stands for; the last one for what is left."""
        return min(self.sheet_seconds, self.duration - number * self.sheet_seconds)


def sheet_name(number: int, stem: str = _STEM) -> str:
    """The file of a sheet, counted from 0."""
    return f"{stem}-{number + 1:03d}.jpg"


def copy_pictures(pictures: Pictures, into: Path, layout: Layout) -> None:
    """Puts pictures where manifests look for them."""
    sheets = pictures.thumbnails.sheets if pictures.thumbnails else ()
    if sheets or pictures.poster:
        (into / FOLDER).mkdir(exist_ok=True)
    stem = _STEM
    if layout.names == "hash" and sheets:
        digest = sha256(b"".join(sheet.read_bytes() for sheet in sheets))
        stem = hashed(_STEM, digest.hexdigest())
    for number, sheet in enumerate(sheets):
        shutil.copyfile(sheet, into / FOLDER / sheet_name(number, stem))
    if pictures.poster is not None:
        shutil.copyfile(pictures.poster.path, into / POSTER)


def image_entry(renditions: RenditionSet, into: Path, layout: Layout) -> ImageEntry | None:
    """What manifests declare of a package's thumbnails, None when it has none.

    Raises:
        OSError: when they are not there.
        PackageError: likewise, where names have hashes.
    """
    thumbnails = renditions.pictures.thumbnails
    if thumbnails is None:
        return None
    first = find_hashed(layout, into, FOLDER / sheet_name(0), _STEM, sheet_name(0, ""))
    stem = first.name.removesuffix(sheet_name(0, ""))
    return ImageEntry(
        thumbnails,
        thumbnails.interval(renditions.frame_rate),
        frame_time(renditions.frames, renditions.frame_rate),
        tuple(
            (into / FOLDER / sheet_name(number, stem)).stat().st_size
            for number in range(len(thumbnails.sheets))
        ),
        stem,
    )


def image_files(entry: ImageEntry | None) -> dict[Path, str]:
    """The text files about thumbnails, relative to the package."""
    if entry is None:
        return {}
    return {PLAYLIST: image_playlist(entry), SPRITE_MAP: sprite_map(entry)}


def packaged(pictures: Pictures, entry: ImageEntry | None, into: Path) -> PackagedPictures:
    """What the package has to show."""
    placed = pictures.moved(lambda path: FOLDER / path.name)
    if placed.thumbnails is not None and entry is not None:
        count = len(placed.thumbnails.sheets)
        names = tuple(FOLDER / sheet_name(number, entry.stem) for number in range(count))
        placed = replace(placed, thumbnails=replace(placed.thumbnails, sheets=names))
    poster = placed.poster and replace(placed.poster, path=POSTER)
    return PackagedPictures(
        thumbnails=placed.thumbnails,
        interval=entry.interval if entry else Fraction(0),
        poster=poster,
        playlist=PLAYLIST if entry else None,
        sprite_map=SPRITE_MAP if entry else None,
        bytes=sum(entry.bytes if entry else ()) + ((into / POSTER).stat().st_size if poster else 0),
    )


def image_stream(entry: ImageEntry) -> str:
    """The tag of the multivariant playlist. RESOLUTION is that of one picture."""
    sheet = entry.thumbnails
    return (
        f"#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={entry.bandwidth},"
        f'RESOLUTION={sheet.width}x{sheet.height},CODECS="jpeg",URI="{url(*PLAYLIST.parts)}"'
    )


def image_playlist(entry: ImageEntry) -> str:
    """The image media playlist: a sheet is a segment."""
    sheet = entry.thumbnails
    numbers = range(len(sheet.sheets))
    target = max(1, *(int(entry.lasting(number) + Fraction(1, 2)) for number in numbers))
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-IMAGES-ONLY",
    ]
    for number in numbers:
        lines += [
            f"#EXTINF:{seconds_text(entry.lasting(number))},",
            f"#EXT-X-TILES:RESOLUTION={sheet.width}x{sheet.height},"
            f"LAYOUT={sheet.columns}x{sheet.rows},DURATION={seconds_text(entry.interval)}",
            sheet_name(number, entry.stem),
        ]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def sprite_map(entry: ImageEntry) -> str:
    """The WebVTT file: a cue for every picture, until the next one or the title's end."""
    sheet = entry.thumbnails
    lines = ["WEBVTT", ""]
    for number in range(sheet.count):
        place, at = divmod(number, sheet.on_sheet)
        row, column = divmod(at, sheet.columns)
        start, end = number * entry.interval, min((number + 1) * entry.interval, entry.duration)
        box = f"{column * sheet.width},{row * sheet.height},{sheet.width},{sheet.height}"
        lines += [
            f"{_clock(start)} --> {_clock(end)}",
            f"{sheet_name(place, entry.stem)}#xywh={box}",
            "",
        ]
    return "\n".join(lines)


def _clock(time: Fraction) -> str:
    """A WebVTT timestamp, to the millisecond."""
    whole = int(time * 1000 + Fraction(1, 2))
    minutes, milliseconds = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def image_set(period: ET.Element, number: int, entry: ImageEntry, frame_rate: Fraction) -> None:
    """Adds the adaptation set of tiles to a period.

    Args:
        period: it.
        number: the set's id.
        entry: the thumbnails.
        frame_rate: of the title; durations are a whole number of its ticks.
    """
    sheet = entry.thumbnails
    width, height = sheet.sheet_size
    attributes = {"id": str(number), "contentType": "image", "mimeType": "image/jpeg"}
    element = ET.SubElement(period, "AdaptationSet", attributes)
    ET.SubElement(
        element,
        "SegmentTemplate",
        {
            "media": f"{FOLDER.as_posix()}/{_TEMPLATE.format(stem=entry.stem)}",
            "timescale": str(frame_rate.numerator),
            "duration": str(sheet.every * sheet.on_sheet * frame_rate.denominator),
            "startNumber": "1",
        },
    )
    own = ET.SubElement(
        element,
        "Representation",
        {
            "id": "thumbnails",
            "bandwidth": str(entry.bandwidth),
            "width": str(width),
            "height": str(height),
        },
    )
    value = f"{sheet.columns}x{sheet.rows}"
    ET.SubElement(own, "EssentialProperty", {"schemeIdUri": _TILES, "value": value})
