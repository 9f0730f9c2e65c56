"""A good package, damaged in every way a rule is about: each is found, under that rule."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.media.protection import PLAYREADY, WIDEVINE
from encoder.package.protect_boxes import full_box
from encoder.verify import rules_text
from encoder.verify.verify import RULES, verify

from . import synthetic
from .damage import (
    ENGLISH,
    LOW,
    SECOND,
    TOP,
    Damage,
    added,
    both,
    cut,
    doubled,
    each,
    header_of,
    patched,
    published,
    removed,
    replaced,
    reported,
    sample,
    swapped,
    u32,
    u64,
)
from .picture_damage import PICTURES

MASTER, MPD = "master.m3u8", "manifest.mpd"
IFRAMES = "video/iframes/h264-720p-1.m3u8"
SIDX = 20 + 4  # entry count's end: where the references start, behind the kind

# An empty box of Widevine.
OTHER_BOX = b64encode(full_box("pssh", 0, 0, WIDEVINE.bytes + bytes(4))).decode()

DAMAGES: dict[str, tuple[str, Damage]] = {
    # The multivariant playlist
    "BANDWIDTH too high": ("HLS 1.27", replaced(MASTER, "BANDWIDTH=2067715", "BANDWIDTH=2600000")),
    "BANDWIDTH too low": ("HLS 1.27", replaced(MASTER, "BANDWIDTH=2067715", "BANDWIDTH=1500000")),
    "BANDWIDTH without audio": (
        "HLS 9.13",
        replaced(MASTER, "BANDWIDTH=2067715", "BANDWIDTH=2001632"),
    ),
    "no BANDWIDTH": ("HLS 9.13", replaced(MASTER, "INF:BANDWIDTH=2067715,", "INF:")),
    "average off": (
        "HLS 1.26",
        replaced(MASTER, "AVERAGE-BANDWIDTH=2067714", "AVERAGE-BANDWIDTH=1500000"),
    ),
    "no average": ("HLS 9.14", replaced(MASTER, ",AVERAGE-BANDWIDTH=2067714", "")),
    "average above peak": (
        "RFC 8216 4.1",
        replaced(MASTER, "AVERAGE-BANDWIDTH=2067714", "AVERAGE-BANDWIDTH=2167714"),
    ),
    "I-frame BANDWIDTH": (
        "RFC 8216 4.1 I-frames",
        replaced(MASTER, "STREAM-INF:BANDWIDTH=161632", "STREAM-INF:BANDWIDTH=90000"),
    ),
    "first variant is the least": (
        "HLS 1.32",
        replaced(
            MASTER,
            r"(?s)(#EXT-X-STREAM-INF:BANDWIDTH=2067715[^\n]*\n[^\n]*\n)(.*)"
            r"(#EXT-X-STREAM-INF:BANDWIDTH=157715[^\n]*\n[^\n]*\n)",
            r"\3\2\1",
        ),
    ),
    "another aspect": ("HLS 1.33", replaced(MASTER, "RESOLUTION=640x360", "RESOLUTION=640x480")),
    "no stereo": ("HLS 2.3", replaced(MASTER, 'CHANNELS="2"', 'CHANNELS="6"', 2)),
    "no AAC": ("HLS 2.3", replaced(MASTER, r"mp4a\.40\.2", "ac-3", 4)),
    "stereo of another coding than AAC": (
        "HLS 2.3",
        both(*(patched(f"audio/{one}-2ch.mp4", "mp4a", -4, b"Opus") for one in ("en", "fr"))),
    ),
    "CHANNELS of other sound": (
        "RFC 8216 4.4.6.1 channels",
        replaced(MASTER, 'CHANNELS="2"', 'CHANNELS="6"'),
    ),
    "E-AC-3 alone": ("HLS 2.6", replaced(MASTER, r"mp4a\.40\.2", "mp4a.40.2,ec-3", 4)),
    "no LANGUAGE": ("HLS 4.4", replaced(MASTER, 'LANGUAGE="en",', "")),
    "LANGUAGE that is no tag": ("HLS 4.4", replaced(MASTER, 'LANGUAGE="en"', 'LANGUAGE="en_US"')),
    "two of a name": (
        "RFC 8216 4.3.4.1",
        replaced(MASTER, 'NAME="[^"]*"', 'NAME="Sound"', 2),
    ),
    "two defaults": (
        "RFC 8216 4.3.4.1",
        replaced(MASTER, "DEFAULT=NO,AUTOSELECT=YES", "DEFAULT=YES,AUTOSELECT=YES"),
    ),
    "no NAME": ("RFC 8216 4.3.4.1", replaced(MASTER, 'NAME="[^"]*",', "")),
    "forced sound": ("RFC 8216 4.3.4.1", replaced(MASTER, "TYPE=AUDIO", "TYPE=AUDIO,FORCED=YES")),
    "sound of another language in DASH": (
        "OURS languages",
        replaced(MPD, 'contentType="audio"(.*) lang="en"', r'contentType="audio"\1 lang="nl"'),
    ),
    "half an SDH": (
        "HLS 4.5",
        replaced(
            MASTER,
            "^#EXT-X-MEDIA",
            '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="x",LANGUAGE="en",AUTOSELECT=YES,'
            'CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog",'
            'URI="audio/en-2ch.m3u8"\n#EXT-X-MEDIA',
        ),
    ),
    "description not selected": (
        "HLS 4.6",
        replaced(
            MASTER,
            "DEFAULT=NO,AUTOSELECT=YES",
            'CHARACTERISTICS="public.accessibility.describes-video",DEFAULT=NO,AUTOSELECT=NO',
        ),
    ),
    "default not selected": (
        "RFC 8216 4.4.6.1",
        replaced(MASTER, "DEFAULT=YES,AUTOSELECT=YES", "DEFAULT=YES,AUTOSELECT=NO"),
    ),
    "group that is not there": (
        "RFC 8216 4.4.6.2",
        replaced(MASTER, 'AUDIO="audio-2ch"', 'AUDIO="audio-6ch"'),
    ),
    "no I-frame playlists": ("HLS 6.1", replaced(MASTER, "^#EXT-X-I-FRAME[^\n]*\n", "", 4)),
    "no CODECS": ("HLS 9.1", replaced(MASTER, 'CODECS="avc1.64001f,mp4a.40.2",', "")),
    "wrong CODECS": ("HLS 9.1", replaced(MASTER, "avc1.64001f,", "avc1.640028,")),
    "CODECS without sound": ("HLS 9.1", replaced(MASTER, "avc1.64001f,mp4a.40.2", "avc1.64001f")),
    "CODECS of what is not there": (
        "HLS 9.1",
        replaced(MASTER, "avc1.64001f,mp4a.40.2", "avc1.64001f,mp4a.40.2,av01.0.04M.08"),
    ),
    "wrong CODECS of I-frames": (
        "HLS 9.2",
        replaced(MASTER, 'CODECS="avc1.64001f",', 'CODECS="avc1.42001f",'),
    ),
    "no CODECS of I-frames": ("HLS 9.2", replaced(MASTER, 'CODECS="avc1.64001f",', "")),
    "no RESOLUTION": ("HLS 9.3", replaced(MASTER, "RESOLUTION=1280x720,", "")),
    "wrong RESOLUTION": (
        "HLS 9.3",
        replaced(MASTER, "RESOLUTION=1280x720,FRAME", "RESOLUTION=1920x1080,FRAME"),
    ),
    "no RESOLUTION of I-frames": (
        "HLS 9.4",
        replaced(MASTER, "RESOLUTION=1280x720,VIDEO-RANGE=SDR,URI", "VIDEO-RANGE=SDR,URI"),
    ),
    "muxed sound": (
        "HLS 9.6",
        replaced(MASTER, ',AUDIO="audio-2ch",CLOSED', ",CLOSED"),
    ),
    "one variant at the top": (
        "HLS 9.10",
        replaced(MASTER, r"#EXT-X-STREAM-INF:BANDWIDTH=1167715[^\n]*\n[^\n]*\n", ""),
    ),
    "not independent": (
        "HLS 9.11",
        replaced(MASTER, "#EXT-X-INDEPENDENT-SEGMENTS\n", ""),
    ),
    "not independent anywhere": (
        "HLS 9.12",
        both(
            replaced(MASTER, "#EXT-X-INDEPENDENT-SEGMENTS\n", ""),
            replaced(f"{TOP}.m3u8", "#EXT-X-INDEPENDENT-SEGMENTS\n", ""),
        ),
    ),
    "FRAME-RATE off": ("HLS 9.15", replaced(MASTER, "FRAME-RATE=24.000", "FRAME-RATE=25.000")),
    "no FRAME-RATE": ("HLS 9.15", replaced(MASTER, "FRAME-RATE=24.000,", "")),
    "VIDEO-RANGE off": ("HLS 9.16", replaced(MASTER, "VIDEO-RANGE=SDR", "VIDEO-RANGE=PQ")),
    "VIDEO-RANGE on some": (
        "HLS 9.16",
        both(
            replaced(MASTER, "VIDEO-RANGE=SDR", "VIDEO-RANGE=PQ"),
            replaced(MASTER, "VIDEO-RANGE=SDR,AUDIO", "AUDIO"),
        ),
    ),
    "HDR alone": ("HLS 1.24", replaced(MASTER, "VIDEO-RANGE=SDR,AUDIO", "VIDEO-RANGE=PQ,AUDIO", 4)),
    "HDR scrubbing alone": (
        "HLS 6.16",
        replaced(MASTER, "VIDEO-RANGE=SDR,URI", "VIDEO-RANGE=PQ,URI", 4),
    ),
    "SCORE on some": ("HLS 9.19", replaced(MASTER, "SCORE=86.2500,", "")),
    "no small variant": (
        "HLS 9.21",
        replaced(MASTER, r"#EXT-X-STREAM-INF:BANDWIDTH=157715[^\n]*\n[^\n]*\n", ""),
    ),
    "SCORE out of order": (
        "OURS score order",
        both(reported(), replaced(MASTER, "SCORE=86.2500", "SCORE=99.0000")),
    ),
    "a variant not worth it": (
        "OURS dominated",
        replaced(MASTER, "SCORE=93.5000", "SCORE=80.0000"),
    ),
    # Media playlists
    "no VOD": ("HLS 8.6", replaced(f"{TOP}.m3u8", "#EXT-X-PLAYLIST-TYPE:VOD\n", "")),
    "an event": ("HLS 8.6", replaced(f"{TOP}.m3u8", "TYPE:VOD", "TYPE:EVENT")),
    "no end": ("RFC 8216 4.3.3.4", replaced(f"{TOP}.m3u8", "#EXT-X-ENDLIST\n", "")),
    "no EXT-X-MAP": ("HLS 8.20", replaced(f"{TOP}.m3u8", "#EXT-X-MAP[^\n]*\n", "")),
    "target too small": (
        "RFC 8216 4.3.3.1",
        each("[av]*/*.m3u8", "TARGETDURATION:6", "TARGETDURATION:5"),
    ),
    "segment above target": (
        "HLS 7.7",
        each("[av]*/*.m3u8", "TARGETDURATION:6", "TARGETDURATION:5"),
    ),
    "another target": ("HLS 8.2", replaced(f"{TOP}.m3u8", "TARGETDURATION:6", "TARGETDURATION:7")),
    "target of 12 s": ("HLS 7.5", each("[av]*/*.m3u8", "TARGETDURATION:6", "TARGETDURATION:12")),
    "no target": ("RFC 8216 4.3.3.1", replaced(f"{TOP}.m3u8", "#EXT-X-TARGETD[^\n]*\n", "")),
    "wrong EXTINF": ("HLS 8.1", replaced(f"{TOP}.m3u8", "EXTINF:6.000000", "EXTINF:5.900000")),
    "EXTINF that is none": (
        "RFC 8216 4.1 lines",
        replaced(f"{TOP}.m3u8", "EXTINF:6.000000", "EXTINF:six"),
    ),
    "byte range that is none": (
        "RFC 8216 4.1 lines",
        replaced(f"{TOP}.m3u8", r"BYTERANGE:\d+@", "BYTERANGE:x@"),
    ),
    "a byte order mark": ("RFC 8216 4.3.1.1", replaced(f"{TOP}.m3u8", "#EXTM3U", "\ufeff#EXTM3U")),
    "no EXTM3U": ("RFC 8216 4.3.1.1", replaced(f"{TOP}.m3u8", "#EXTM3U\n", "")),
    "an old version": ("RFC 8216 7", replaced(f"{TOP}.m3u8", "VERSION:6", "VERSION:3")),
    "SAMPLE-AES-CTR": (
        "HLS 13.11",
        replaced(
            f"{TOP}.m3u8", "#EXT-X-MAP", '#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI="k"\n#EXT-X-MAP'
        ),
    ),
    "segment missing": (
        "HLS 8.3",
        replaced(f"{TOP}.m3u8", r"#EXTINF[^\n]*\n[^\n]*\n[^\n]*\n", ""),
    ),
    "byte range too short": (
        "OURS ranges",
        replaced(f"{TOP}.m3u8", r"BYTERANGE:(\d)(\d+)@", r"BYTERANGE:1\g<1>@"),
    ),
    "byte range beyond the end": (
        "OURS ranges",
        replaced(f"{TOP}.m3u8", r"BYTERANGE:(\d+)@(\d{4,})", r"BYTERANGE:9\g<1>@\g<2>"),
    ),
    "byte range off by one": (
        "OURS ranges",
        replaced(f"{TOP}.m3u8", r"@716$", "@715"),
    ),
    "a playlist is gone": ("OURS files", removed(f"{SECOND}.m3u8")),
    "a media file is gone": ("OURS files", removed(f"{SECOND}.mp4")),
    "a playlist of nothing": (
        "OURS files",
        replaced(f"{TOP}.m3u8", r"#EXTINF[^\n]*\n[^\n]*\n[^\n]*\n", "", 2),
    ),
    "I-frame without moof": ("HLS 6.10", replaced(IFRAMES, r"@716$", "@900")),
    "half an I-frame": ("HLS 6.10", replaced(IFRAMES, r"BYTERANGE:\d+@716", "BYTERANGE:500@716")),
    "I-frames not said to be": ("HLS 6.8", replaced(IFRAMES, "#EXT-X-I-FRAMES-ONLY\n", "")),
    "an I-frame too few": (
        "RFC 8216 4.3.3.6",
        replaced(IFRAMES, r"#EXTINF[^\n]*\n[^\n]*\n[^\n]*\n", ""),
    ),
    "an I-frame of another time": (
        "RFC 8216 4.3.3.6",
        replaced(IFRAMES, r"#EXTINF:[\d.]+", "#EXTINF:0.5"),
    ),
    "trick mode of nothing": (
        "IOP 3.2.9",
        replaced(
            MPD,
            '(<AdaptationSet id="0"[^>]*>)',
            r'\1<EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" '
            'value="9"/>',
        ),
    ),
    "few I-frames": (
        "HLS 6.2",
        each(
            "video/iframes/*.m3u8",
            r"(#EXTINF:)1(\.0+),\n([^\n]*\n[^\n]*\n)#[^\n]*\n[^\n]*\n[^\n]*\n",
            r"\g<1>2\g<2>,\n\g<3>",
            6,
        ),
    ),
    # Media files
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
    # The folder
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
    # The MPD
    "broken XML": ("DASH xml", replaced(MPD, "</Period>", "")),
    "a document type": ("DASH xml", replaced(MPD, "<MPD", "<!DOCTYPE MPD>\n<MPD")),
    "no profiles": ("DASH 5.3", replaced(MPD, ' profiles="[^"]*"', "")),
    "no minBufferTime": ("DASH 5.3", replaced(MPD, ' minBufferTime="[^"]*"', "")),
    "no bandwidth": ("DASH 5.3", replaced(MPD, ' bandwidth="[^"]*"', "")),
    "two of an id": ("DASH 5.3", replaced(MPD, 'id="h264-720p-2"', 'id="h264-720p-1"')),
    "no duration": (
        "DASH 5.3.1.2 duration",
        replaced(MPD, ' mediaPresentationDuration="[^"]*"', ""),
    ),
    "wrong duration": (
        "DASH 5.3.1.2 true",
        replaced(MPD, 'mediaPresentationDuration="PT12S"', 'mediaPresentationDuration="PT14S"'),
    ),
    "segments too long": (
        "DASH 5.3.9.6",
        replaced(MPD, "minBufferTime", 'maxSegmentDuration="PT0.4S" minBufferTime'),
    ),
    "a template on demand": (
        "DASH 8.3",
        replaced(
            MPD,
            r"(?s)<BaseURL>video/h264-720p-1.mp4</BaseURL>.*?</SegmentBase>",
            '<SegmentTemplate timescale="1" duration="12" media="video/h264-720p-1.mp4" '
            'initialization="video/h264-720p-1.mp4" />',
        ),
    ),
    "no template live": (
        "DASH 8.3",
        replaced(MPD, "profile:isoff-on-demand:2011", "profile:isoff-live:2011"),
    ),
    "a long S@d": (
        "DASH 5.3.9.6",
        both(
            replaced(MPD, "minBufferTime", 'maxSegmentDuration="PT6S" minBufferTime'),
            replaced(
                MPD,
                r"(?s)<BaseURL>video/h264-720p-1.mp4</BaseURL>.*?</SegmentBase>",
                '<SegmentTemplate timescale="1" media="video/h264-720p-1.mp4" '
                'initialization="video/h264-720p-1.mp4"><SegmentTimeline><S t="0" d="12" />'
                "</SegmentTimeline></SegmentTemplate>",
            ),
        ),
    ),
    "wrong @codecs": ("DASH 5.3.5.2 codecs", replaced(MPD, "avc1.64001f", "avc1.640028")),
    "no @codecs": ("DASH 5.3.5.2 codecs", replaced(MPD, ' codecs="avc1.64001f"', "")),
    "@bandwidth too low": (
        "DASH 5.3.5.2 bandwidth",
        replaced(MPD, 'bandwidth="2001632"', 'bandwidth="1200000"'),
    ),
    "@bandwidth too high": (
        "DASH bandwidth",
        replaced(MPD, 'bandwidth="2001632"', 'bandwidth="9000000"'),
    ),
    "wrong indexRange": ("DASH 5.3.9.2", replaced(MPD, 'indexRange="532-', 'indexRange="530-')),
    "no initialisation": (
        "DASH 5.3.9.2 initialisation",
        replaced(MPD, 'range="0-531"', 'range="0-431"'),
    ),
    "no @par": ("IOP 3.2.4 par", replaced(MPD, ' par="16:9"', "")),
    "another @par": ("IOP 3.2.4 par", replaced(MPD, ' par="16:9"', ' par="4:3"')),
    "no @lang": ("IOP 3.2.4 lang", replaced(MPD, ' lang="en"', "")),
    "@lang that is no tag": ("IOP 3.2.4 lang", replaced(MPD, ' lang="en"', ' lang="en-US-"')),
    "no @width": ("IOP 3.2.4 size", replaced(MPD, ' width="1280"', "")),
    "wrong @height": ("IOP 3.2.4 size", replaced(MPD, ' height="720"', ' height="480"')),
    "no @frameRate": ("IOP 3.2.4 frameRate", replaced(MPD, ' frameRate="24"', "")),
    "wrong @frameRate": (
        "IOP 3.2.4 frameRate",
        replaced(MPD, ' frameRate="24"', ' frameRate="30000/1001"'),
    ),
    "interlaced": ("IOP 3.2.4 scan", replaced(MPD, ' par="', ' scanType="interlaced" par="')),
    "no alignment": ("IOP 3.10.3", replaced(MPD, ' subsegmentAlignment="true"', "")),
    "no default_KID": (
        "IOP default_KID",
        replaced(
            MPD,
            "<Role",
            '<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" />'
            "<Role",
        ),
    ),
    "pssh of another system": (
        "CENC 11.2 pssh",
        replaced(
            MPD,
            "<Role",
            f'<ContentProtection schemeIdUri="urn:uuid:{PLAYREADY}"><cenc:pssh '
            f'xmlns:cenc="urn:mpeg:cenc:2013">{OTHER_BOX}</cenc:pssh></ContentProtection><Role',
        ),
    ),
    "segments of no whole blocks": (
        "RFC 8216 5.2",
        replaced(f"{TOP}.m3u8", "(#EXT-X-MAP[^\n]*\n)", '\\1#EXT-X-KEY:METHOD=AES-128,URI="key"\n'),
    ),
    "a map that is encrypted without IV": (
        "RFC 8216 4.3.2.5",
        replaced(f"{TOP}.m3u8", "#EXT-X-MAP", '#EXT-X-KEY:METHOD=AES-128,URI="key"\n#EXT-X-MAP'),
    ),
    "avc3 in the MPD": ("IOP 6.2.5.2", replaced(MPD, "avc1.64001f", "avc3.64001f")),
    "video sets of which none is the main one": (
        "IOP 3.2.2",
        both(
            replaced(MPD, 'role:2011" value="main"', 'role:2011" value="alternate"', 1),
            replaced(
                MPD,
                '(?s)(<Representation id="h264-180p-4".*?</Representation>)',
                r'</AdaptationSet><AdaptationSet id="9" contentType="video" mimeType="video/mp4" '
                r'par="16:9"><Role schemeIdUri="urn:mpeg:dash:role:2011" value="alternate" />\g<1>',
            ),
        ),
    ),
    "video sets without roles": (
        "IOP 3.2.2",
        both(
            replaced(MPD, '<Role schemeIdUri="urn:mpeg:dash:role:2011" value="main" />', "", 1),
            replaced(
                MPD,
                '(?s)(<Representation id="h264-180p-4".*?</Representation>)',
                r'</AdaptationSet><AdaptationSet id="9" contentType="video" mimeType="video/mp4" '
                r'par="16:9">\g<1>',
            ),
        ),
    ),
    "sound among pictures": (
        "CMAF 7.3.4.1",
        replaced(
            MPD,
            '(?s)(</AdaptationSet>)(.*?)(<Representation id="en-2ch".*?</Representation>)',
            r"\3\1\2",
        ),
    ),
    "bitstreamSwitching": (
        "CMAF B.2.4",
        replaced(MPD, ' par="', ' bitstreamSwitching="true" par="'),
    ),
}


def rules_broken(path: Path) -> set[str]:
    return {one.rule for one in verify(path).findings}


def test_an_undamaged_package_has_no_finding(good: Path) -> None:
    verdict = verify(good)
    assert verdict.findings == ()
    assert verdict.unread == ()
    assert [one.rule.id for one in verdict.rules if one.outcome != "kept"] == [
        "DASH schema",
        "OURS score order",
    ]


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_under_its_rule(copied: Path, name: str) -> None:
    rule, damage = DAMAGES[name]
    damage(copied)
    assert rule in rules_broken(copied)


def test_a_report_and_a_list_of_files_are_no_damage(copied: Path) -> None:
    both(reported(), published(MASTER, (copied / MASTER).stat().st_size))(copied)
    found = rules_broken(copied)
    assert found == set()


# What cannot be done to a finished package: titles that are made wrong.
DAMAGES |= PICTURES

MADE: dict[str, tuple[str, synthetic.Title]] = {}


def made(rule: str, name: str, title: synthetic.Title) -> None:
    MADE[name] = (rule, title)


GOOD = synthetic.title()
FIRST, REST = GOOD.rungs[0], GOOD.rungs[1:]
made(
    "HLS 8.22",
    "a rung with segments elsewhere",
    replace(
        GOOD, rungs=(FIRST, replace(REST[0], gops=(24,) * 5 + (27, 21) + (24,) * 5), *REST[1:])
    ),
)
made(
    "OURS boundaries",
    "a rung with fragments elsewhere",
    replace(GOOD, rungs=(replace(FIRST, gops=(24, 20, 28) + (24,) * 9), *REST)),
)
made(
    "OURS durations",
    "a rung that ends early",
    replace(GOOD, rungs=(replace(FIRST, gops=(24,) * 11 + (12,)), *REST)),
)
made(
    "DASH 5.3.3.2 aligned",
    "an MPD that promises alignment",
    replace(GOOD, rungs=(replace(FIRST, gops=(24, 20, 28) + (24,) * 9), *REST)),
)
made("HLS 7.6", "segments of two seconds", replace(GOOD, segment_seconds=Fraction(2)))
made(
    "HLS 1.30",
    "a peak of thrice the average",
    replace(
        synthetic.title(24),
        rungs=(replace(FIRST, gops=(24,) * 24, late=8), *synthetic.title(24).rungs[1:]),
    ),
)
made("HLS 9.16", "PQ that is called SDR", replace(GOOD, rungs=(replace(FIRST, transfer=16), *REST)))
made("HLS 1.19", "90 frames a second", replace(GOOD, rungs=tuple(
    replace(one, frame=267) for one in GOOD.rungs
)))  # fmt: skip
made("CMAF 9.2.1", "trun 1 and an edit list", replace(GOOD, rungs=(
    replace(FIRST, edit=1000, signed=True), *REST
)))  # fmt: skip
made("HLS 13.7", "every block encrypted", replace(GOOD, rungs=(
    replace(FIRST, scheme="cbcs", pattern=0x10), *REST
)))  # fmt: skip
# Their manifests are those of clear tracks.
SEALED = replace(GOOD, rungs=(replace(FIRST, scheme="cbcs"), *REST))
made("CENC 11.2", "encrypted without ContentProtection", SEALED)
made("RFC 8216 4.3.2.4", "encrypted without EXT-X-KEY", SEALED)
made("HLS 1.6b", "HEVC of a level too high", replace(GOOD, rungs=(
    replace(FIRST, coding="hvc1", level=180), *REST
)))  # fmt: skip
made("CMAF 7.3.2.4", "HEVC without colour", replace(GOOD, rungs=(
    replace(FIRST, coding="hvc1", level=93, transfer=0), *REST
)))  # fmt: skip
made("HLS 1.10", "hev1", replace(GOOD, rungs=(
    replace(FIRST, coding="hev1", level=93), *REST
)))  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_wrong_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rule, title = MADE[name]
    synthetic.make(tmp_path, title, lenient=monkeypatch)
    verdict = verify(tmp_path)
    assert rule in {one.rule for one in verdict.findings}
    encrypted = any(one.scheme for one in title.rungs)
    assert any("encrypted (cbcs)" in one for one in verdict.unread) == encrypted


def test_modern_codings_in_transport_streams(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"\x47" + bytes(187) + b"\x47" + bytes(187))
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "a.m3u8").write_text(text)
    (tmp_path / "m.m3u8").write_text(
        '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="hvc1.2.4.L93.B0",RESOLUTION=2x2\n'
        "a.m3u8\n"
    )
    verdict = verify(tmp_path)
    assert "HLS 1.2" in {one.rule for one in verdict.findings}
    assert verdict.unread == (
        "a.m3u8 has segments of MPEG-TS: their sizes are checked, not what is in them",
    )


def test_segmented_text_without_its_clock(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nx\n")
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.vtt\n#EXTINF:6,\na.vtt\n"
    (tmp_path / "a.m3u8").write_text(text)
    assert "HLS 5.3" in rules_broken(tmp_path)


def test_every_rule_is_broken_somewhere() -> None:
    elsewhere = {"HLS 1.2", "HLS 5.3", "DASH schema"}
    # tests/verify/test_text_rules.py
    elsewhere |= {rule.id for rule in rules_text.RULES}
    known = {rule for rule, _ in DAMAGES.values()} | {rule for rule, _ in MADE.values()}
    assert {rule.id for rule in RULES} == known | elsewhere
    assert len(DAMAGES) + len(MADE) >= 60
    assert len({rule.id for rule in RULES}) == len(RULES)
