"""Damage to media files, and to the folder that they lie in."""

from __future__ import annotations

from .damage import (
    ENGLISH,
    LOW,
    TOP,
    Damage,
    added,
    both,
    cut,
    doubled,
    header_of,
    patched,
    published,
    replaced,
    reported,
    sample,
    swapped,
    u32,
    u64,
)

MEDIA: dict[str, tuple[str, Damage]] = {
    "tfdt shifted": ("CMAF 7.3.2.2", patched(f"{TOP}.mp4", "tfdt", 4, u64(24_100), 1)),
    "tfdt shifted between segments": ("HLS 7.3", patched(f"{TOP}.mp4", "tfdt", 4, u64(1), 6)),
    "trun offset": ("CMAF 7.3.2.3", patched(f"{TOP}.mp4", "trun", 8, u32(300), 2)),
    "trun sizes": ("CMAF 7.3.2.3", patched(f"{TOP}.mp4", "trun", 16, u32(77), 2)),
    "trun count": ("OURS boxes", patched(f"{TOP}.mp4", "trun", 4, u32(900_000_000), 2)),
    "a frame fewer": ("OURS frames", patched(f"{TOP}.mp4", "trun", 4, u32(23), 2)),
    "sidx size": ("CMAF 7.3.3.3", patched(f"{TOP}.mp4", "sidx", 32, u32(999))),
    "sidx duration": ("CMAF 7.3.3.3", patched(f"{TOP}.mp4", "sidx", 36, u32(999))),
    "sidx count": ("CMAF 7.3.3.3", patched(f"{TOP}.mp4", "sidx", 30, b"\x00\x0b")),
    "two sidx": ("WAVE 4.1.2", doubled(f"{TOP}.mp4", "sidx")),
    "level too high": ("HLS 1.3b", patched(f"{TOP}.mp4", "avcC", 3, bytes((62,)))),
    "avc3": ("HLS 1.10", patched(f"{TOP}.mp4", "avc1", -4, b"avc3")),
    "SPS in the samples": (
        "CMAF B.2.4",
        sample(f"{TOP}.mp4", u32(6) + b"\x67\x64\0\x28zz" + u32(9000) + b"\x65", 3, 0),
    ),
    "no IDR at a segment": ("HLS 7.4", sample(f"{TOP}.mp4", b"\x41", 6)),
    "a segment that needs another": ("OURS alone", sample(f"{TOP}.mp4", b"\x41", 6)),
    "no sync at a segment": ("OURS alone", patched(f"{TOP}.mp4", "trun", 12, u32(0x01010000), 6)),
    "few key frames": (
        "HLS 1.13",
        both(
            *(patched(f"{TOP}.mp4", "trun", 12, u32(0x01010000), n) for n in (1, 2, 3)),
        ),
    ),
    "cut file": ("OURS boxes", cut(f"{TOP}.mp4", 100)),
    "swapped initialisation": ("HLS 9.1", header_of(f"{TOP}.mp4", f"{LOW}.mp4")),
    "swapped files": ("IOP 3.2.4 size", swapped(f"{TOP}.mp4", f"{LOW}.mp4")),
    "broken initialisation": ("OURS boxes", patched(f"{TOP}.mp4", "mdhd", -4, b"free")),
    "sound too short": (
        "OURS audio",
        replaced(f"{ENGLISH}.m3u8", r"(?s)#EXTINF(?:(?!#EXTINF).)*#EXT-X-END", "#EXT-X-END"),
    ),
    "an extra file": ("OURS nothing else", added("video/notes.txt")),
    "an extra file in ours": ("OURS nothing else", both(reported(), added("video/x.mp4"))),
    "a published file changed": ("OURS files", published(f"{TOP}.mp4", 12)),
    "a list of files that is cut": (
        "OURS boxes",
        added("package.json", b'{"schema": "encoder.published/1", "files": {"video'),
    ),
    "a list of files that is none": (
        "OURS boxes",
        added("package.json", b'{"schema": "encoder.published/1", "files": [1]}'),
    ),
    "a report of another shape": (
        "OURS boxes",
        added("report.json", b'{"schema": "encoder.ingest/1", "package": "x", "shots": []}'),
    ),
    "a report without end": ("OURS boxes", added("report.json", b"[" * 200_000)),
    "frames of the master missing": ("OURS frames", reported(frames=289)),
}
