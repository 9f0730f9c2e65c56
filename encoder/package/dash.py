"""The DASH manifest (ISO/IEC 23009-1): static, and of the on-demand profile where a track is one
file, of the live profile, which templates of addresses need, where a segment is."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby

from encoder.media.characters import clean
from encoder.media.package import Track
from encoder.package.boxes import INITIALISATION, SEGMENT_TEMPLATE
from encoder.package.dense import say_trick_mode, trick_attributes
from encoder.package.entries import (
    AudioContent,
    AudioEntry,
    Entry,
    VideoEntry,
    spares_bits,
    url,
)
from encoder.package.images import ImageEntry, image_set
from encoder.package.protect_manifest import namespaces, say_protection
from encoder.package.segments import buffer_time
from encoder.package.text import TextEntry, text_set

_NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
_ON_DEMAND = "urn:mpeg:dash:profile:isoff-on-demand:2011"
_LIVE = "urn:mpeg:dash:profile:isoff-live:2011"
_ROLE = "urn:mpeg:dash:role:2011"
_CHANNELS = "urn:mpeg:mpegB:cicp:ChannelConfiguration"
_AUDIO_PURPOSE = "urn:tva:metadata:cs:AudioPurposeCS:2007"
_SWITCHING = "urn:mpeg:dash:adaptation-set-switching:2016"

# ChannelConfiguration of ISO/IEC 23091-3 for the layouts that FFmpeg gives so many channels.
_CONFIGURATIONS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 11, 8: 12}
_PURPOSES = {"description": "1", "enhanced-audio-intelligibility": "8"}


def mpd(
    video: Sequence[VideoEntry],
    audio: Sequence[AudioContent],
    duration: Fraction,
    images: ImageEntry | None = None,
    text: Sequence[TextEntry] = (),
    dense: VideoEntry | None = None,
) -> str:
    """The manifest.

    Args:
        video: the rungs; there is one adaptation set for each coding and key.
        audio: what there is to hear; may be empty.
        duration: of the presentation, in seconds.
        images: the thumbnails.
        text: what there is to read; may be empty.
        dense: a track of key frames alone, for trick modes.
    """
    sounds = [(content, entry) for content in audio for entry in content.layouts]
    entries: list[Entry] = [*video, *(entry for _, entry in sounds)]
    root = ET.Element(
        "MPD",
        {
            "xmlns": _NAMESPACE,
            **namespaces(entry.track for entry in (*entries, *([dense] if dense else []))),
            "profiles": _LIVE if video[0].track.files else _ON_DEMAND,
            "type": "static",
            "mediaPresentationDuration": _time(duration, 1_000_000),
            "minBufferTime": _time(
                max(map(_buffer, [*entries, *([dense] if dense else [])])), 1000
            ),
        },
    )
    period = ET.SubElement(root, "Period", {"id": "0", "start": "PT0S"})
    # What has another key is another set, which players may switch to (DASH-IF IOP 7.4).
    by_coding: dict[tuple[str, bytes], list[VideoEntry]] = {}
    for rung in video:
        kid = rung.track.protected.kid if rung.track.protected else b""
        coding = rung.packaged.codec_string.split(".")[0]
        by_coding.setdefault((coding, kid), []).append(rung)
    for number, rungs in enumerate(by_coding.values()):
        _video_set(period, number, rungs, range(len(by_coding)))
    for number, (content, entry) in enumerate(sounds, len(by_coding)):
        _audio_set(period, number, content, entry)
    if images is not None:
        number = len(by_coding) + len(sounds)
        image_set(period, number, images, video[0].rendition.frame_rate)
    for number, words in enumerate(text, len(by_coding) + len(sounds) + (images is not None)):
        text_set(period, number, words)
    if dense is not None:
        number = len(period)
        _trick_set(period, number, dense, range(len(by_coding)), video[0].rendition.frame_rate)
    ET.indent(root)
    document = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{document}\n'


def _buffer(entry: Entry) -> Fraction:
    return buffer_time(entry.track.fragments, entry.track.timescale, entry.packaged.peak_bitrate)


def _set_attributes(number: int, track: Track) -> dict[str, str]:
    attributes = {
        "id": str(number),
        "contentType": track.kind,
        "mimeType": f"{track.kind}/mp4",
        "segmentAlignment": "true",
        "subsegmentAlignment": "true",
        "startWithSAP": "1",
        "subsegmentStartsWithSAP": "1",
    }
    # Subsegments are what the index of a file refers to.
    return {k: v for k, v in attributes.items() if not (track.files and k.startswith("sub"))}


def _video_set(
    period: ET.Element, number: int, rungs: Sequence[VideoEntry], video_sets: range
) -> None:
    widest = max(rungs, key=lambda e: (e.track.width, e.track.height)).track
    aspect = Fraction(widest.width, widest.height)
    attributes = _set_attributes(number, widest)
    attributes |= {
        "par": f"{aspect.numerator}:{aspect.denominator}",
        "maxWidth": str(max(e.track.width for e in rungs)),
        "maxHeight": str(max(e.track.height for e in rungs)),
        "maxFrameRate": _rate(max(e.rendition.frame_rate for e in rungs)),
    }
    element = ET.SubElement(period, "AdaptationSet", attributes)
    say_protection(element, widest)
    if others := [str(other) for other in video_sets if other != number]:
        _descriptor(element, "SupplementalProperty", _SWITCHING, ",".join(others))
    _descriptor(element, "Role", _ROLE, "main")
    # Said once: all rungs of a set have the same boundaries.
    _timeline(element, rungs[0])
    for rung in sorted(rungs, key=lambda e: (-e.packaged.average_bitrate, e.rendition.id)):
        own = _representation(element, rung)
        own.attrib |= {
            "width": str(rung.track.width),
            "height": str(rung.track.height),
            "frameRate": _rate(rung.rendition.frame_rate),
            "sar": "1:1",
        }
        _address(own, rung)


def _trick_set(
    period: ET.Element, number: int, entry: VideoEntry, of: range, frame_rate: Fraction
) -> None:
    element = ET.SubElement(period, "AdaptationSet", _set_attributes(number, entry.track))
    say_protection(element, entry.track)
    say_trick_mode(element, of)
    _timeline(element, entry)
    own = _representation(element, entry)
    aspect = Fraction(entry.track.width, entry.track.height)
    element.attrib["par"] = f"{aspect.numerator}:{aspect.denominator}"
    own.attrib |= {
        "width": str(entry.track.width),
        "height": str(entry.track.height),
        "frameRate": _rate(entry.rendition.frame_rate),
        "sar": "1:1",
        **trick_attributes(frame_rate, entry.rendition.frame_rate),
    }
    _address(own, entry)


def _audio_set(period: ET.Element, number: int, content: AudioContent, entry: AudioEntry) -> None:
    attributes = _set_attributes(number, entry.track) | {"lang": entry.rendition.language}
    if entry is not content.first and spares_bits(entry.track.codec_string):
        # The default is 1. dash.js would take the fewest bits, for all rungs.
        attributes["selectionPriority"] = "0"
    element = ET.SubElement(period, "AdaptationSet", attributes)
    say_protection(element, entry.track)
    ET.SubElement(element, "Label").text = clean(entry.rendition.name)
    for role in entry.roles:
        if role in _PURPOSES:
            _descriptor(element, "Accessibility", _AUDIO_PURPOSE, _PURPOSES[role])
    place = "main" if content.default else "alternate"
    for role in (place, *(r for r in entry.roles if r not in ("main", "alternate"))):
        _descriptor(element, "Role", _ROLE, role)
    _timeline(element, entry)
    own = _representation(element, entry)
    own.attrib["audioSamplingRate"] = str(entry.track.sample_rate)
    channels = entry.track.channels
    _descriptor(
        own, "AudioChannelConfiguration", _CHANNELS, str(_CONFIGURATIONS.get(channels, channels))
    )
    _address(own, entry)


def _representation(parent: ET.Element, entry: Entry) -> ET.Element:
    # The bandwidth is the one that HLS declares for the track; minBufferTime makes it true.
    attributes = {
        "id": entry.rendition.id,
        "codecs": entry.packaged.codec_string,
        "bandwidth": str(entry.packaged.peak_bitrate),
    }
    return ET.SubElement(parent, "Representation", attributes)


def _timeline(parent: ET.Element, entry: Entry) -> None:
    """When the segments of a set start and how long they last, where they are files.

    Times are of the presentation, which the edit list has start at 0.
    """
    if not entry.track.files:
        return
    template = ET.SubElement(
        parent, "SegmentTemplate", {"timescale": str(entry.track.timescale), "startNumber": "1"}
    )
    timeline = ET.SubElement(template, "SegmentTimeline")
    for number, (length, run) in enumerate(groupby(one.duration for one in entry.segments)):
        attributes = {"d": str(length)} if number else {"t": "0", "d": str(length)}
        if repeats := len(list(run)) - 1:
            attributes["r"] = str(repeats)
        ET.SubElement(timeline, "S", attributes)


def _address(representation: ET.Element, entry: Entry) -> None:
    track, place = entry.track, url(*entry.place.parts)
    if track.files:
        # url() leaves no $ in a name: nothing of it is taken for a placeholder.
        addresses = {
            "initialization": f"{place}/{INITIALISATION}",
            "media": f"{place}/{SEGMENT_TEMPLATE}",
        }
        ET.SubElement(representation, "SegmentTemplate", addresses)
        return
    ET.SubElement(representation, "BaseURL").text = place
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
