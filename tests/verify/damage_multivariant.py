"""Damage to the multivariant playlist: a name, the rule that it breaks, and how it is done."""

from __future__ import annotations

from .damage import TOP, Damage, both, patched, replaced, reported

MASTER, MPD = "master.m3u8", "manifest.mpd"

MULTIVARIANT: dict[str, tuple[str, Damage]] = {
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
}
