"""Follows manifests to the sheets of thumbnails that they name, and reads what JPEG files are."""

from __future__ import annotations

import posixpath
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from encoder.verify.files import Files, target
from encoder.verify.m3u8 import Playlist, Tag
from encoder.verify.verdict import Place

TILES = "http://dashif.org/guidelines/thumbnail_tile"
_CUE = re.compile(r"(\d+:)?(\d\d):(\d\d)\.(\d{3})\s+-->\s+(\d+:)?(\d\d):(\d\d)\.(\d{3})")
_BOX = re.compile(r"#xywh=(?:pixel:)?(\d{1,6}),(\d{1,6}),(\d{1,6}),(\d{1,6})$")
# Markers of JPEG that start a frame (ISO/IEC 10918-1 B.1.1.3), DHT, JPG and DAC apart.
_SCAN, _QUANTISATION, _HUFFMAN = 0xDA, 0xDB, 0xC4
_MOST_MARKERS = 4096
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture of pictures as a manifest names it: how many seconds it is said to stand for."""

    place: Place
    name: str
    duration: Fraction


@dataclass(frozen=True, slots=True)
class Sheets:
    """The thumbnails that one manifest leads to.

    ``grid`` is columns and rows, ``size`` what a sheet is said to measure in pixels, ``interval``
    what a thumbnail stands for in seconds; None where it does not say. ``problems`` are what else
    is wrong with the declaration, as found and wanted.
    """

    label: str
    place: Place
    dash: bool
    grid: tuple[int, int] | None
    size: tuple[int, int] | None
    interval: Fraction | None
    sheets: tuple[Sheet, ...]
    problems: tuple[tuple[Place, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue of a sprite map: seconds, a picture, and x, y, width and height in it if it says."""

    line: int
    start: Fraction
    end: Fraction
    name: str
    box: tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class SpriteMap:
    """A WebVTT file of pictures. ``problems`` are lines with what is wrong there."""

    name: str
    cues: tuple[Cue, ...]
    problems: tuple[tuple[int, str], ...]


def grid_of(text: str | None) -> tuple[int, int] | None:
    """Two whole numbers with an ``x`` between them; None when it is something else."""
    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", (text or "").strip(), re.ASCII)
    pair = (int(found[1]), int(found[2])) if found else (0, 0)
    return pair if all(pair) else None


def image_playlist(stream: Tag, named: Place, playlist: Playlist) -> Sheets:
    """An image media playlist, which EXT-X-IMAGE-STREAM-INF leads to."""
    attributes = stream.attributes
    resolution = grid_of(attributes.get("RESOLUTION"))
    problems: list[tuple[Place, str, str]] = []
    for needed in ("BANDWIDTH", "CODECS", "RESOLUTION"):
        if not attributes.get(needed):
            problems.append((named, f"no {needed}", f"{needed} on EXT-X-IMAGE-STREAM-INF"))
    if not playlist.has("EXT-X-IMAGES-ONLY"):
        problems.append((playlist.at(), "no EXT-X-IMAGES-ONLY", "the tag"))
    if not playlist.has("EXT-X-ENDLIST"):
        problems.append((playlist.at(), "no EXT-X-ENDLIST", "the tag: nothing will be added"))
    grid = size = interval = None
    for tag in playlist.all("EXT-X-TILES"):
        values = tag.attributes
        layout, tile = grid_of(values.get("LAYOUT")), grid_of(values.get("RESOLUTION"))
        lasts = _seconds(values.get("DURATION"))
        if layout is None or tile is None or lasts is None:
            wanted = "RESOLUTION, LAYOUT and DURATION"
            problems.append((playlist.at(tag), f"EXT-X-TILES:{tag.value}", wanted))
            continue
        if tile != resolution:
            found = f"RESOLUTION={tile[0]}x{tile[1]}"
            problems.append((playlist.at(tag), found, "that of EXT-X-IMAGE-STREAM-INF"))
        grid, interval = layout, lasts
        size = (layout[0] * tile[0], layout[1] * tile[1])
    if not playlist.has("EXT-X-TILES") and playlist.segments:
        # Without the tag a segment is a single picture.
        grid, size, interval = (1, 1), resolution, playlist.segments[0].duration
    sheets = [
        Sheet(Place(playlist.name, line=one.line), picture, one.duration)
        for one in playlist.segments
        if (picture := target(playlist.name, one.range.uri))
    ]
    return Sheets(
        playlist.name, playlist.at(), False, grid, size, interval, tuple(sheets), tuple(problems)
    )


def _seconds(text: str | None) -> Fraction | None:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,12})?", text or "", re.ASCII):
        return None
    return Fraction(text or "0") or None


def jpeg_size(files: Files, name: str) -> tuple[int, int] | str:
    """Width and height of a JPEG file, or what is wrong with it."""
    size = files.size(name)
    if size is None:
        return "no file"
    head = files.read(name, 0, 3)
    if head[:3] != b"\xff\xd8\xff":
        return "no JPEG picture"
    if files.read(name, max(0, size - 2), 2) != b"\xff\xd9":
        return "a picture that is cut short"
    at, found = 2, None
    seen: set[int] = set()
    for _ in range(_MOST_MARKERS):
        head = files.read(name, at, 9)
        if len(head) < 4 or head[0] != 0xFF:
            break
        marker, length = head[1], struct.unpack_from(">H", head, 2)[0]
        seen.add(marker)
        if marker in _FRAMES and len(head) == 9:
            height, width = struct.unpack_from(">HH", head, 5)
            found = (width, height)
        if marker == _SCAN:
            # What a decoder needs before a scan: the frame, and tables to decode it with.
            if found is None or not {_QUANTISATION, _HUFFMAN} <= seen:
                break
            return found if at + 2 + length < size - 2 else "a JPEG without a picture in it"
        at += 2 + length
    return "a JPEG that cannot be decoded" if found else "a JPEG without a size"


def read_sprite_map(files: Files, name: str) -> SpriteMap | None:
    """A WebVTT file if its cues are pictures; None for any other text."""
    data = files.text(name, 16 << 20)
    if b"#xywh=" not in data and b".jpg" not in data:
        return None
    lines = data.decode("utf-8", "replace").splitlines()
    problems: list[tuple[int, str]] = []
    if not lines or not lines[0].removeprefix("\ufeff").startswith("WEBVTT"):
        problems.append((1, "no WEBVTT in the first line"))
    return SpriteMap(name, tuple(_cues(name, lines, problems)), tuple(problems))


def _cues(name: str, lines: list[str], problems: list[tuple[int, str]]) -> Iterator[Cue]:
    for number, line in enumerate(lines, 1):
        if "-->" not in line:
            continue
        times = _CUE.match(line)
        payload = lines[number].strip() if number < len(lines) else ""
        picture = target(name, payload.partition("#")[0])
        if times is None or picture is None:
            problems.append((number, f"{line} with {payload or 'nothing'}"))
            continue
        box = _BOX.search(payload)
        if "#" in payload and box is None:
            problems.append((number + 1, payload))
            continue
        yield Cue(
            number,
            _clock(times.groups()[:4]),
            _clock(times.groups()[4:]),
            picture,
            (int(box[1]), int(box[2]), int(box[3]), int(box[4])) if box else None,
        )


def _clock(parts: tuple[str | None, ...]) -> Fraction:
    hours, minutes, seconds, thousandths = parts
    whole = int((hours or "0:").rstrip(":")) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + Fraction(int(thousandths or 0), 1000)


def maps_beside(files: Files, sheets: list[Sheets]) -> Iterator[SpriteMap]:
    """The sprite maps that lie beside sheets, which no manifest names."""
    folders = {posixpath.dirname(one.name) for sheet in sheets for one in sheet.sheets}
    for name in files.all() if folders else ():
        if name.endswith(".vtt") and posixpath.dirname(name) in folders:
            found = read_sprite_map(files, name)
            if found is not None:
                yield found
