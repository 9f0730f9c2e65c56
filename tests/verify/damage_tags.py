"""Damage to tags and attribute lists of playlists, and to what they are of."""

from __future__ import annotations

from .damage import ENGLISH, TOP, Damage, both, replaced

MASTER = "master.m3u8"
PLAYLIST = f"{TOP}.m3u8"
LISTS, NEEDED, KINDS = "RFC 8216 4.2", "RFC 8216 4.4", "RFC 8216 4.1 kinds"
GROUPS, CAPTIONS, MEMBERS = "RFC 8216 4.4.6.2", "RFC 8216 4.4.6.2 captions", "RFC 8216 4.4.6.1.1"
TYPES, METHOD = "RFC 8216 4.4.6.1 kinds", "RFC 8216 4.4.4.4"
LINES = "RFC 8216 4.1 lines"
MEDIA = "^(#EXT-X-MEDIA:)"


def on_top(old: str, new: str) -> Damage:
    """Something else on the first variant."""
    return replaced(MASTER, old, new)


TAGS: dict[str, tuple[str, Damage]] = {
    "a negative SCORE": (LISTS, on_top("SCORE=93.5000", "SCORE=-93.5000")),
    "SCORE that is no number": (LISTS, on_top("SCORE=93.5000", "SCORE=best")),
    "CODECS without quotes": (LISTS, on_top('CODECS="avc1.64001f"', "CODECS=avc1.64001f")),
    "RESOLUTION in quotes": (LISTS, on_top("RESOLUTION=1280x720", 'RESOLUTION="1280x720"')),
    "YES in quotes": (LISTS, on_top("AUTOSELECT=YES", 'AUTOSELECT="YES"')),
    "yes in small letters": (LISTS, on_top("AUTOSELECT=YES", "AUTOSELECT=yes")),
    "a type that is none": (LISTS, replaced(MASTER, MEDIA, r'\1TYPE=SIGNS,GROUP-ID="x",')),
    "VIDEO-RANGE of a name": (LISTS, on_top("VIDEO-RANGE=SDR,URI", "VIDEO-RANGE=HDR10,URI")),
    "BANDWIDTH with a fraction": (LISTS, on_top("BANDWIDTH=161632", "BANDWIDTH=161632.5")),
    "an attribute twice": (LISTS, on_top("FRAME-RATE", "FRAME-RATE=24.000,FRAME-RATE")),
    "a comma at the end": (LISTS, on_top("(CLOSED-CAPTIONS=NONE)$", r"\1,")),
    "blanks between attributes": (LISTS, on_top(",RESOLUTION", ", RESOLUTION")),
    "a quote that does not end": (LISTS, on_top('(URI="[^"]*)"$', r"\1")),
    "a method of another time": (
        LISTS,
        replaced(PLAYLIST, "#EXT-X-MAP", '#EXT-X-KEY:METHOD=AES,URI="k"\n#EXT-X-MAP'),
    ),
    "a vector that is none": (
        LISTS,
        replaced(PLAYLIST, "#EXT-X-MAP", '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=12\n#EXT-X-MAP'),
    ),
    "EXT-X-MAP without URI": (NEEDED, replaced(PLAYLIST, '#EXT-X-MAP:URI="[^"]*",', "#EXT-X-MAP:")),
    "EXT-X-KEY without URI": (
        NEEDED,
        replaced(PLAYLIST, "#EXT-X-MAP", "#EXT-X-KEY:METHOD=AES-128\n#EXT-X-MAP"),
    ),
    "I-frames without URI": (
        NEEDED,
        on_top('(I-FRAME-STREAM-INF.*),URI="[^"]*"', r"\1"),
    ),
    "subtitles without URI": (
        NEEDED,
        replaced(
            MASTER,
            MEDIA,
            '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="x",LANGUAGE="en"\n\\1',
        ),
    ),
    "captions without a channel": (
        NEEDED,
        replaced(
            MASTER,
            MEDIA,
            '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="c",NAME="x",LANGUAGE="en"\n\\1',
        ),
    ),
    "captions at an address": (
        NEEDED,
        replaced(
            MASTER,
            MEDIA,
            '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="c",NAME="x",LANGUAGE="en",'
            'INSTREAM-ID="CC1",URI="x.m3u8"\n\\1',
        ),
    ),
    "captions that are not there": (
        GROUPS,
        replaced(MASTER, "CLOSED-CAPTIONS=NONE", 'CLOSED-CAPTIONS="cc"', 4),
    ),
    "no captions on some": (CAPTIONS, on_top(",CLOSED-CAPTIONS=NONE", "")),
    "a variant twice": (
        "OURS variants",
        replaced(MASTER, r"(#EXT-X-STREAM-INF[^\n]*\n[^\n]*\n)", r"\1\1"),
    ),
    "segments in the multivariant playlist": (
        KINDS,
        on_top("#EXT-X-INDEPENDENT", "#EXT-X-TARGETDURATION:6\n#EXT-X-INDEPENDENT"),
    ),
    "a variant without address": (KINDS, on_top(r"^video/h264-720p-1\.m3u8\n", "")),
    "a comment in place of an address": (
        KINDS,
        on_top(r"^video/h264-720p-1\.m3u8", "# video/h264-720p-1.m3u8"),
    ),
    "two target durations": (
        KINDS,
        replaced(PLAYLIST, "(#EXT-X-TARGETDURATION:)6", r"\g<1>6\n\g<1>6"),
    ),
    "sound that leads to pictures": (TYPES, on_top(f"{ENGLISH}.m3u8", PLAYLIST)),
    "a group of fewer": (
        MEMBERS,
        replaced(
            MASTER,
            MEDIA,
            r'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="b",NAME="English",LANGUAGE="en",CHANNELS="2",'
            rf'AUTOSELECT=YES,URI="{ENGLISH}.m3u8"\n\1',
        ),
    ),
    "a key for clear tracks": (
        METHOD,
        replaced(PLAYLIST, "#EXT-X-MAP", '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"\n#EXT-X-MAP'),
    ),
    "no CHANNELS": ("RFC 8216 4.4.6.1 count", on_top(',CHANNELS="2"', "")),
    "languages that changed places": (
        "OURS spoken",
        both(
            on_top('LANGUAGE="en"', 'LANGUAGE="xx"'),
            on_top('LANGUAGE="fr"', 'LANGUAGE="en"'),
            on_top('LANGUAGE="xx"', 'LANGUAGE="fr"'),
        ),
    ),
    "a control character": (LINES, replaced(PLAYLIST, "#EXT-X-MAP", "#x\x07\n#EXT-X-MAP")),
}
