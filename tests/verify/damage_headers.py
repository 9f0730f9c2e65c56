"""Damage to initialisations and indexes, and to what tracks have in common."""

from __future__ import annotations

from .damage import SECOND, TOP, Damage, added, both, patched, replaced, u32, u64
from .synthetic import jpeg

ANNOUNCED, SETS = "ISO 14496-12 8.8", "ISO 14496-15 5.3.3"
INDEX, HEADER, POSTER = "CMAF 7.3.3.3", "OURS initialisation", "OURS poster"
SHOWN = "images/poster.jpg"
PICTURE = jpeg(1280, 720)

HEADERS: dict[str, tuple[str, Damage]] = {
    "no mvex": (ANNOUNCED, patched(f"{TOP}.mp4", "mvex", -4, b"free")),
    "trex of another track": (ANNOUNCED, patched(f"{TOP}.mp4", "trex", 4, u32(2))),
    "no ftyp": (ANNOUNCED, patched(f"{TOP}.mp4", "ftyp", -4, b"free")),
    "avcC of another profile": (SETS, patched(f"{TOP}.mp4", "avcC", 1, b"\x4d")),
    "avcC without sets": (SETS, patched(f"{TOP}.mp4", "avcC", 5, b"\xe0")),
    "EXT-X-MAP of another rung": (
        HEADER,
        replaced(f"{SECOND}.m3u8", 'URI="h264-720p-2', 'URI="h264-720p-1'),
    ),
    "EXT-X-MAP of I-frames of another rung": (
        HEADER,
        replaced("video/iframes/h264-720p-2.m3u8", r'(MAP:URI="[^"]*)720p-2', r"\g<1>720p-1"),
    ),
    "an index of another timescale": (INDEX, patched(f"{TOP}.mp4", "sidx", 8, u32(90_000))),
    "an index of another start": (INDEX, patched(f"{TOP}.mp4", "sidx", 12, u64(24_000))),
    "an index whose last reference is too long": (
        INDEX,
        patched(f"{TOP}.mp4", "sidx", 32 + 11 * 12 + 4, u32(48_000)),
    ),
    "a reference of no bytes": (INDEX, patched(f"{TOP}.mp4", "sidx", 32 + 5 * 12, u32(0))),
    "pictures that start late": (
        "RFC 8216 6.2.4",
        both(*(patched(f"{TOP}.mp4", "tfdt", 6, b"\0\1", n) for n in range(12))),
    ),
    "a poster that is no picture, not published yet": (POSTER, added(SHOWN, b"GIF89a")),
    "a poster without tables": (POSTER, added(SHOWN, PICTURE.replace(b"\xff\xdb", b"\xff\xe1"))),
    "a poster of a frame alone": (POSTER, added(SHOWN, PICTURE[:-3] + b"\xff\xd9")),
    "a poster without a scan": (POSTER, added(SHOWN, PICTURE.replace(b"\xff\xda", b"\xff\xe1"))),
}
