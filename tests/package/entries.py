"""Entries made by hand, for tests of what the manifests say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from encoder.media.colour import BT709
from encoder.media.package import Fragment, PackagedTrack, Segment, Track
from encoder.media.renditions import AudioRendition, Loudness, Rendition
from encoder.package.entries import AudioEntry, VideoEntry

RATE = Fraction(30000, 1001)
FRAME = 1001


def _track(kind: str, codec: str, timescale: int, fragments: Sequence[Fragment]) -> Track:
    video = kind == "video"
    return Track(
        kind="video" if video else "audio",
        timescale=timescale,
        codec_string=codec,
        language="und",
        width=0,
        height=0,
        sample_rate=0 if video else timescale,
        channels=0,
        skip=0,
        header_size=800,
        index_offset=800,
        index_size=32 + 12 * len(fragments),
        fragments=tuple(fragments),
    )


def _chain(sizes: Sequence[int], duration: int, at: int) -> list[Fragment]:
    found = []
    for number, size in enumerate(sizes):
        found.append(Fragment(at, size, number * duration, duration, 60, independent=True))
        at += size
    return found


def _packaged(name: str, track: Track, average: int, peak: int) -> PackagedTrack:
    return PackagedTrack(
        id=name,
        kind=track.kind,
        path=Path(track.kind, f"{name}.mp4"),
        codec_string=track.codec_string,
        average_bitrate=average,
        peak_bitrate=peak,
        bytes=1000,
        duration=Fraction(track.duration, track.timescale),
        frames=track.samples,
        segments=2,
    )


def _segments(track: Track) -> tuple[Segment, ...]:
    half = len(track.fragments) // 2
    return tuple(
        Segment(
            run[0].offset,
            sum(f.size for f in run),
            run[0].start,
            sum(f.duration for f in run),
        )
        for run in (track.fragments[:half], track.fragments[half:])
    )


def rung(
    name: str,
    size: tuple[int, int],
    average: int,
    *,
    codec: str = "avc1.640028",
    score: float | None = None,
) -> VideoEntry:
    """A rung of four fragments of 60 frames, with a peak of one and a half times its average."""
    per_fragment = average * 60 * FRAME // 30000 // 8
    track = _track("video", codec, 30000, _chain([per_fragment] * 4, 60 * FRAME, 880))
    track = replace(track, width=size[0], height=size[1])
    rendition = Rendition(
        id=name,
        codec="av1" if codec.startswith("av01") else "h264",
        width=size[0],
        height=size[1],
        frame_rate=RATE,
        frames=240,
        keyframes=(0, 60, 120, 180),
        colour=BT709,
        path=Path("none.mp4"),
    )
    packaged = _packaged(name, track, average, average * 3 // 2)
    iframes = tuple(
        Segment(one.offset, one.size // 5, one.start, one.duration) for one in track.fragments
    )
    place = packaged.path
    return VideoEntry(rendition, track, place, _segments(track), packaged, score, iframes)


def sound(
    name: str,
    language: str,
    label: str,
    *,
    channels: int = 2,
    average: int = 128_000,
    default: bool = False,
    roles: tuple[str, ...] = (),
    source: int | None = None,
) -> AudioEntry:
    """An audio track of four fragments of 94 access units, with a peak 2000 above its average."""
    sizes = [average * 94 * 1024 // 48000 // 8] * 4
    track = _track("audio", "mp4a.40.2", 48000, _chain(sizes, 94 * 1024, 880))
    track = replace(track, channels=channels)
    rendition = AudioRendition(
        id=name,
        codec="aac",
        language=language,
        name=label,
        channels=channels,
        sample_rate=48000,
        default=default,
        roles=roles,
        loudness=Loudness(None, None, None),
        gain=0.0,
        path=Path("none.mp4"),
        source=source,
    )
    packaged = _packaged(name, track, average, average + 2000)
    return AudioEntry(rendition, track, packaged.path, _segments(track), packaged)
