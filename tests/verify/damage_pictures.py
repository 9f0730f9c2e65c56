"""Damage to the pictures of a package and to what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

from .damage import Damage, added, both, cut, removed, replaced
from .synthetic import jpeg

MASTER, MPD = "master.m3u8", "manifest.mpd"
PLAYLIST, MAP = "images/thumbnails.m3u8", "images/thumbnails.vtt"
FIRST, SECOND, POSTER = (f"images/{n}.jpg" for n in ("thumbnails-001", "thumbnails-002", "poster"))
HLS, DASH = "HLS images", "DASH-IF 6.2.6"
FILES, ELSE, SHEETS, COVER = "OURS files", "OURS nothing else", "OURS sheets", "OURS thumbnails"
TIMES, BOXES, SHOWN = "OURS sprite times", "OURS sprite boxes", "OURS poster"
SIZE = 'width="1280" height="360"'


def poster_of(width: int, height: int) -> Damage:
    """A package.json that says so of the poster."""

    def do(root: Path) -> None:
        poster = {"path": POSTER, "frame": 48, "width": width, "height": height}
        document = {"schema": "encoder.published/1", "files": {}, "poster": poster}
        (root / "package.json").write_text(json.dumps(document))

    return do


PICTURES: dict[str, tuple[str, Damage]] = {
    "no sheet": (FILES, removed(SECOND)),
    "no image playlist": (FILES, removed(PLAYLIST)),
    "a sheet too many": (ELSE, added("images/thumbnails-003.jpg", jpeg(8, 8))),
    "a sheet of another size": (SHEETS, added(SECOND, jpeg(1280, 180))),
    "a sheet that is no picture": (SHEETS, added(FIRST, b"GIF89a")),
    "a sheet cut short": (SHEETS, cut(FIRST, 2)),
    "a sheet without a size": (SHEETS, added(FIRST, b"\xff\xd8\xff\xe0\0\x02\xff\xd9")),
    "tiles of another size": (
        SHEETS,
        replaced(MPD, SIZE, SIZE.replace("3", "7")),
    ),
    "no IMAGES-ONLY": (HLS, replaced(PLAYLIST, "#EXT-X-IMAGES-ONLY\n", "")),
    "no end of images": (HLS, replaced(PLAYLIST, "#EXT-X-ENDLIST\n", "")),
    "TILES without LAYOUT": (HLS, replaced(PLAYLIST, "LAYOUT=4x2,", "")),
    "TILES of no grid": (HLS, replaced(PLAYLIST, "LAYOUT=4x2", "LAYOUT=eight")),
    "TILES of another resolution": (
        HLS,
        replaced(MASTER, 'RESOLUTION=320x180,CODECS="jpeg"', 'RESOLUTION=160x90,CODECS="jpeg"'),
    ),
    "images without CODECS": (HLS, replaced(MASTER, ',CODECS="jpeg"', "")),
    "images without BANDWIDTH": (
        HLS,
        replaced(MASTER, "IMAGE-STREAM-INF:BANDWIDTH=[0-9]+,", "IMAGE-STREAM-INF:"),
    ),
    "a grid that is none": (DASH, replaced(MPD, 'value="4x2"', 'value="4"')),
    "half a pixel": (DASH, replaced(MPD, 'value="4x2"', 'value="3x2"')),
    "sheets without a size": (DASH, replaced(MPD, SIZE, "")),
    "sheets of no type": (DASH, replaced(MPD, ' mimeType="image/jpeg"', "")),
    "too few sheets": (
        COVER,
        replaced(PLAYLIST, r"(?s)#EXTINF:4[^#]*#EXT-X-TILES[^#]*", ""),
    ),
    "a sheet for too long": (COVER, replaced(PLAYLIST, "EXTINF:8.0", "EXTINF:9.0")),
    "tiles in too small a grid": (
        COVER,
        replaced(PLAYLIST, "DURATION=1.000000", "DURATION=0.500000", 2),
    ),
    "a template for half the time": (
        FILES,
        replaced(MPD, 'timescale="24" duration="192"', 'timescale="24" duration="96"'),
    ),
    "a template that starts elsewhere": (
        FILES,
        replaced(MPD, r'startNumber="1"', 'startNumber="0"'),
    ),
    "a map that is no WebVTT": (TIMES, replaced(MAP, "^WEBVTT", "VTT")),
    "a map with a gap": (
        TIMES,
        replaced(MAP, "03.000 -->", "03.500 -->"),
    ),
    "a map that ends early": (
        TIMES,
        replaced(MAP, r"(11.000 -->) 00:00:\S+", r"\1 00:00:11.500"),
    ),
    "a map that starts late": (
        TIMES,
        replaced(MAP, "00.000 -->", "00.100 -->"),
    ),
    "a cue without times": (TIMES, replaced(MAP, "03.000 -->", "3 s -->")),
    "a cue of no part": (TIMES, replaced(MAP, "#xywh=320,0,", "#xywh=320,")),
    "a part outside": (BOXES, replaced(MAP, "#xywh=960,180", "#xywh=961,180")),
    "a part of nothing": (BOXES, replaced(MAP, "0,0,320,180", "0,0,0,180")),
    "the same part twice": (BOXES, replaced(MAP, "#xywh=640,0,", "#xywh=320,0,")),
    "another part than the tile": (
        BOXES,
        both(
            replaced(MAP, "#xywh=640,0,", "#xywh=641,0,"), replaced(MAP, "641,0,320", "641,0,319")
        ),
    ),
    "a map of a picture that is not there": (
        BOXES,
        replaced(MAP, r"thumbnails-002\.jpg", "thumbnails-009.jpg"),
    ),
    "another poster": (SHOWN, both(poster_of(1280, 720), added(POSTER, jpeg(640, 360)))),
    "no poster": (SHOWN, both(poster_of(1280, 720), removed(POSTER))),
    "a poster that is no picture": (SHOWN, both(poster_of(1280, 720), added(POSTER))),
}
