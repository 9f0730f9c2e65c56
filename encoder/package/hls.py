"""HLS playlists (RFC 8216bis, Apple's HLS authoring specification)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from encoder.media.characters import clean
from encoder.media.frames import seconds_text
from encoder.media.package import Segment, Track
from encoder.package.boxes import INITIALISATION
from encoder.package.entries import (
    AudioContent,
    AudioEntry,
    VideoEntry,
    characteristics,
    spares_bits,
    url,
)
from encoder.package.images import ImageEntry, image_stream
from encoder.package.protect_manifest import key_lines, session_keys
from encoder.package.segments import average_bitrate, peak_bitrate, target_duration
from encoder.package.text import GROUP, TextEntry, text_attributes

# EXT-X-MAP in a playlist that is not of I-frames alone needs 6; nothing here needs more.
_VERSION = 6

# Authoring specification 1.32: where a player starts that knows nothing of its network.
_FIRST_VARIANT_BITRATE = 2_000_000


def media_playlist(track: Track, segments: Sequence[Segment], target: int, media: str) -> str:
    """The playlist of one track.

    Args:
        track: where its initialisation lies.
        segments: its byte ranges.
        target: the target duration, in seconds.
        media: the URL of its file or of the folder of its files, relative to the playlist.
    """
    return _playlist(track, segments, target, media, "#EXT-X-INDEPENDENT-SEGMENTS")


def iframe_playlist(track: Track, iframes: Sequence[Segment], media: str) -> str:
    """The playlist for scrubbing: single pictures, as byte ranges of the rendition itself.

    Args:
        track: where its initialisation lies.
        iframes: each with the bytes up to the end of its picture (authoring specification 6.10).
        media: as for :func:`media_playlist`.
    """
    target = target_duration(iframes, track.timescale)
    return _playlist(track, iframes, target, media, "#EXT-X-I-FRAMES-ONLY")


def _playlist(track: Track, segments: Sequence[Segment], target: int, media: str, kind: str) -> str:
    single = not track.files
    header = f'"{media}",BYTERANGE="{track.header_size}@0"'
    if not single:
        header = f'"{media}/{url(INITIALISATION)}"'
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        kind,
        f"#EXT-X-MAP:URI={header}",
    ]
    # Behind the initialisation, which is never encrypted, and what is clear of the segments.
    keys = key_lines(track)
    for segment in segments:
        if not segment.clear:
            lines += keys
            keys = []
        lines.append(f"#EXTINF:{extinf(segment, track.timescale)},")
        # A segment that is the whole of its file starts with the file.
        if single or segment.offset:
            lines.append(f"#EXT-X-BYTERANGE:{segment.size}@{segment.offset}")
        lines.append(media if single else f"{media}/{url(track.files[segment.file])}")
    lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def extinf(segment: Segment, timescale: int) -> str:
    """A duration to the microsecond, rounded so that the sum of all never drifts."""

    def microseconds(tick: int) -> int:
        return (2_000_000 * tick + timescale) // (2 * timescale)

    end = microseconds(segment.start + segment.duration)
    return seconds_text(Fraction(end - microseconds(segment.start), 1_000_000))


def multivariant_playlist(
    video: Sequence[VideoEntry],
    audio: Sequence[AudioContent],
    images: ImageEntry | None = None,
    text: Sequence[TextEntry] = (),
    dense: VideoEntry | None = None,
) -> str:
    """The playlist of all variants.

    Every rung is a variant with each audio group, but for HE-AAC beside AAC, which only the lowest
    one goes with; there is one group a codec and channel layout, so that all of a group's tracks
    decode alike. A content that lacks a group's layout is in it with
    the one it has, because groups must have the same members.

    Args:
        video: the rungs; SCORE is written when all have a score.
        audio: what there is to hear; may be empty.
        images: the thumbnails.
        text: what there is to read, one group for all variants; may be empty.
        dense: a track of I-frames alone; it is no variant.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    groups = _groups(audio)
    heard = [entry.track for _, members in groups for _, entry in members]
    seen = [entry.track for entry in (*_ordered(video), *([dense] if dense else []))]
    lines += session_keys([*seen, *heard])
    for name, members in groups:
        lines.append("")
        for content, entry in members:
            lines.append(f"#EXT-X-MEDIA:{_media(name, content, entry)}")
    if text:
        lines.append("")
        shown = next((entry for entry in text if entry.rendition.default), None)
        lines += [f"#EXT-X-MEDIA:{_text_media(entry, shown)}" for entry in text]
    scored = all(entry.score is not None for entry in video)
    ordered = _ordered(video)
    for name, members in groups or [("", [])]:
        lines.append("")
        sound = [entry for _, entry in members]
        for rung in _together(ordered, sound, heard):
            lines.append(f"#EXT-X-STREAM-INF:{_stream(rung, name, sound, text, scored)}")
            lines.append(url("video", f"{rung.rendition.id}.m3u8"))
    if scrubbed := [one for one in (dense, *ordered) if one is not None and one.iframes]:
        lines.append("")
        lines += [f"#EXT-X-I-FRAME-STREAM-INF:{_iframes(rung)}" for rung in scrubbed]
    if images is not None:
        lines += ["", image_stream(images)]
    return "\n".join(lines) + "\n"


def _groups(
    audio: Sequence[AudioContent],
) -> list[tuple[str, list[tuple[AudioContent, AudioEntry]]]]:
    entries = [entry.track for content in audio for entry in content.layouts]
    kinds = {(track.codec_string, track.channels) for track in entries}
    # Stereo in a codec that has surround is there for its group alone.
    most = {codec: max(n for c, n in kinds if c == codec) for codec, _ in kinds}
    shown = sorted(
        (not codec.startswith("mp4a"), channels, spares_bits(codec), codec)
        for codec, channels in kinds
        if codec.startswith("mp4a") or channels == most[codec]
    )
    return [
        (
            f"audio-{channels}ch" + (f"-{codec}" if other or sparing else ""),
            [(content, content.alike(codec, channels)) for content in audio],
        )
        for other, channels, sparing, codec in shown
    ]


def _together(
    rungs: Sequence[VideoEntry], sound: Sequence[AudioEntry], heard: Sequence[Track]
) -> list[VideoEntry]:
    """The rungs that are variants with a group: HE-AAC is for the lowest of each coding, where the
    others have AAC."""
    sparing = any(spares_bits(one.track.codec_string) for one in sound)
    codecs = {one.codec_string for one in heard}
    if not sparing or not any(c.startswith("mp4a") and not spares_bits(c) for c in codecs):
        return list(rungs)
    lowest = {
        one.packaged.codec_string.partition(".")[0]: one
        for one in sorted(rungs, key=lambda one: -one.packaged.average_bitrate)
    }
    return [one for one in rungs if one in lowest.values()]


def _media(group: str, content: AudioContent, entry: AudioEntry) -> str:
    rendition = entry.rendition
    attributes = {
        "TYPE": "AUDIO",
        "GROUP-ID": _quoted(group),
        # The same in all groups, or a player that changes group would lose the viewer's choice.
        "NAME": _quoted(content.first.rendition.name),
        "LANGUAGE": _quoted(rendition.language),
        "DEFAULT": "YES" if content.default else "NO",
        "AUTOSELECT": "YES" if content.automatic else "NO",
        "CHANNELS": _quoted(str(entry.track.channels)),
    }
    if traits := characteristics(entry):
        attributes["CHARACTERISTICS"] = _quoted(",".join(traits))
    attributes["URI"] = _quoted(url("audio", f"{rendition.id}.m3u8"))
    return _joined(attributes)


def _text_media(entry: TextEntry, shown: TextEntry | None) -> str:
    plain = ("TYPE", "DEFAULT", "AUTOSELECT", "FORCED")
    attributes = text_attributes(entry, shown)
    return _joined({k: v if k in plain else _quoted(v) for k, v in attributes.items()})


def _stream(
    rung: VideoEntry,
    group: str,
    sound: Sequence[AudioEntry],
    text: Sequence[TextEntry],
    scored: bool,
) -> str:
    """The attributes of a variant: its bitrates are those of the worst playable combination."""
    packaged = rung.packaged
    peak, average = packaged.peak_bitrate, packaged.average_bitrate
    for others in ([e.packaged for e in sound], [e.packaged for e in text]):
        peak += max((one.peak_bitrate for one in others), default=0)
        average += max((one.average_bitrate for one in others), default=0)
    codecs = dict.fromkeys([packaged.codec_string, *(e.packaged.codec_string for e in sound)])
    attributes = {
        "BANDWIDTH": str(peak),
        "AVERAGE-BANDWIDTH": str(average),
    }
    if scored and rung.score is not None:
        attributes["SCORE"] = f"{rung.score:.4f}"
    attributes |= {
        "CODECS": _quoted(",".join(codecs)),
        "RESOLUTION": f"{rung.track.width}x{rung.track.height}",
        "FRAME-RATE": seconds_text(rung.rendition.frame_rate, 3),
        "VIDEO-RANGE": _RANGES.get(rung.rendition.colour.transfer, "SDR"),
    }
    if group:
        attributes["AUDIO"] = _quoted(group)
    if text:
        attributes["SUBTITLES"] = _quoted(GROUP)
    attributes["CLOSED-CAPTIONS"] = "NONE"
    return _joined(attributes)


def _iframes(rung: VideoEntry) -> str:
    """The attributes of a playlist of I-frames: bitrates are those of scrubbing at normal speed."""
    scale = rung.track.timescale
    peak = peak_bitrate(rung.iframes, scale, target_duration(rung.iframes, scale))
    attributes = {
        "BANDWIDTH": str(peak),
        "AVERAGE-BANDWIDTH": str(average_bitrate(rung.iframes, scale)),
        "CODECS": _quoted(rung.packaged.codec_string),
        "RESOLUTION": f"{rung.track.width}x{rung.track.height}",
        "VIDEO-RANGE": _RANGES.get(rung.rendition.colour.transfer, "SDR"),
        "URI": _quoted(url("video", "iframes", f"{rung.rendition.id}.m3u8")),
    }
    return _joined(attributes)


_RANGES = {"smpte2084": "PQ", "arib-std-b67": "HLG"}


def _ordered(video: Sequence[VideoEntry]) -> list[VideoEntry]:
    """First where to start, then from the best down.

    Where to start is the rung nearest to 2000 kb/s, of the coding that most players know.
    """
    rungs = sorted(video, key=lambda e: (-e.packaged.average_bitrate, e.rendition.id))
    known = [e for e in rungs if e.packaged.codec_string.startswith("avc1")] or rungs

    def distance(entry: VideoEntry) -> Fraction:
        ratio = Fraction(entry.packaged.average_bitrate, _FIRST_VARIANT_BITRATE)
        return max(ratio, 1 / ratio)

    first = min(known, key=distance)
    return [first, *(e for e in rungs if e is not first)]


def _quoted(text: str) -> str:
    """A quoted string, which can hold neither quotes nor line ends."""
    return '"' + clean(text).replace('"', "'") + '"'


def _joined(attributes: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in attributes.items())
