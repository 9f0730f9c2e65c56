"""The DASH manifest (ISO/IEC 23009-1): static, on-demand profile, one file a representation."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from fractions import Fraction

from encoder.media.package import Track
from encoder.package.entries import AudioContent, AudioEntry, Entry, VideoEntry, url
from encoder.package.segments import buffer_time

_NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
_PROFILE = "urn:mpeg:dash:profile:isoff-on-demand:2011"
_ROLE = "urn:mpeg:dash:role:2011"
_CHANNELS = "urn:mpeg:mpegB:cicp:ChannelConfiguration"
_AUDIO_PURPOSE = "urn:tva:metadata:cs:AudioPurposeCS:2007"
_SWITCHING = "urn:mpeg:dash:adaptation-set-switching:2016"

# ChannelConfiguration of ISO/IEC 23091-3 for the layouts that FFmpeg gives so many channels.
_CONFIGURATIONS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 11, 8: 12}
_PURPOSES = {"description": "1", "enhanced-audio-intelligibility": "8"}


def mpd(video: Sequence[VideoEntry], audio: Sequence[AudioContent], duration: Fraction) -> str:
    """The manifest.

    Args:
        video: the rungs; there is one adaptation set for each coding.
        audio: what there is to hear; may be empty.
        duration: of the presentation, in seconds.
    """
    sounds = [(content, entry) for content in audio for entry in content.layouts]
    entries: list[Entry] = [*video, *(entry for _, entry in sounds)]
    root = ET.Element(
        "MPD",
        {
            "xmlns": _NAMESPACE,
            "profiles": _PROFILE,
            "type": "static",
            "mediaPresentationDuration": _time(duration, 1_000_000),
            "minBufferTime": _time(max(map(_buffer, entries)), 1000),
        },
    )
    period = ET.SubElement(root, "Period", {"id": "0", "start": "PT0S"})
    by_coding: dict[str, list[VideoEntry]] = {}
    for rung in video:
        by_coding.setdefault(rung.packaged.codec_string.split(".")[0], []).append(rung)
    for number, rungs in enumerate(by_coding.values()):
        _video_set(period, number, rungs, range(len(by_coding)))
    for number, (content, entry) in enumerate(sounds, len(by_coding)):
        _audio_set(period, number, content, entry)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _buffer(entry: Entry) -> Fraction:
    return buffer_time(entry.track.fragments, entry.track.timescale, entry.packaged.peak_bitrate)


def _set_attributes(number: int, kind: str) -> dict[str, str]:
    return {
        "id": str(number),
        "contentType": kind,
        "mimeType": f"{kind}/mp4",
        "segmentAlignment": "true",
        "subsegmentAlignment": "true",
        "startWithSAP": "1",
        "subsegmentStartsWithSAP": "1",
    }


def _video_set(
    period: ET.Element, number: int, rungs: Sequence[VideoEntry], video_sets: range
) -> None:
    widest = max(rungs, key=lambda e: (e.track.width, e.track.height)).track
    aspect = Fraction(widest.width, widest.height)
    attributes = _set_attributes(number, "video")
    attributes |= {
        "par": f"{aspect.numerator}:{aspect.denominator}",
        "maxWidth": str(max(e.track.width for e in rungs)),
        "maxHeight": str(max(e.track.height for e in rungs)),
        "maxFrameRate": _rate(max(e.rendition.frame_rate for e in rungs)),
    }
    element = ET.SubElement(period, "AdaptationSet", attributes)
    if others := [str(other) for other in video_sets if other != number]:
        _descriptor(element, "SupplementalProperty", _SWITCHING, ",".join(others))
    _descriptor(element, "Role", _ROLE, "main")
    for rung in sorted(rungs, key=lambda e: (-e.packaged.average_bitrate, e.rendition.id)):
        own = _representation(element, rung)
        own.attrib |= {
            "width": str(rung.track.width),
            "height": str(rung.track.height),
            "frameRate": _rate(rung.rendition.frame_rate),
            "sar": "1:1",
        }
        _file(own, rung.track, "video", rung.rendition.id)


def _audio_set(period: ET.Element, number: int, content: AudioContent, entry: AudioEntry) -> None:
    attributes = _set_attributes(number, "audio") | {"lang": entry.rendition.language}
    element = ET.SubElement(period, "AdaptationSet", attributes)
    ET.SubElement(element, "Label").text = _printable(entry.rendition.name)
    for role in entry.roles:
        if role in _PURPOSES:
            _descriptor(element, "Accessibility", _AUDIO_PURPOSE, _PURPOSES[role])
    place = "main" if content.default else "alternate"
    for role in (place, *(r for r in entry.roles if r not in ("main", "alternate"))):
        _descriptor(element, "Role", _ROLE, role)
    own = _representation(element, entry)
    own.attrib["audioSamplingRate"] = str(entry.track.sample_rate)
    channels = entry.track.channels
    _descriptor(
        own, "AudioChannelConfiguration", _CHANNELS, str(_CONFIGURATIONS.get(channels, channels))
    )
    _file(own, entry.track, "audio", entry.rendition.id)


def _representation(parent: ET.Element, entry: Entry) -> ET.Element:
    # The bandwidth is the one that HLS declares for the track; minBufferTime makes it true.
    attributes = {
        "id": entry.rendition.id,
        "codecs": entry.packaged.codec_string,
        "bandwidth": str(entry.packaged.peak_bitrate),
    }
    return ET.SubElement(parent, "Representation", attributes)


def _file(representation: ET.Element, track: Track, *parts: str) -> None:
    ET.SubElement(representation, "BaseURL").text = url(*parts[:-1], f"{parts[-1]}.mp4")
    last = track.index_offset + track.index_size - 1
    base = ET.SubElement(
        representation,
        "SegmentBase",
        {
            "indexRange": f"{track.index_offset}-{last}",
            "indexRangeExact": "true",
            "timescale": str(track.timescale),
        },
    )
    ET.SubElement(base, "Initialization", {"range": f"0-{track.header_size - 1}"})


def _descriptor(parent: ET.Element, name: str, scheme: str, value: str) -> None:
    ET.SubElement(parent, name, {"schemeIdUri": scheme, "value": value})


def _rate(rate: Fraction) -> str:
    whole = rate.denominator == 1
    return str(rate.numerator) if whole else f"{rate.numerator}/{rate.denominator}"


def _time(seconds: Fraction, scale: int) -> str:
    """An xs:duration, rounded up so that nothing is cut off."""
    units = -(-seconds.numerator * scale // seconds.denominator)
    whole, part = divmod(units, scale)
    digits = f"{part:0{len(str(scale)) - 1}d}".rstrip("0")
    return f"PT{whole}.{digits}S" if digits else f"PT{whole}S"


def _printable(text: str) -> str:
    """Text without the control characters that XML cannot hold."""
    return "".join(c if c.isprintable() else " " for c in text)
