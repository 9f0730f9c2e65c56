"""Damage to the MPD."""

from __future__ import annotations

from base64 import b64encode

from encoder.media.protection import PLAYREADY, WIDEVINE
from encoder.package.protect_boxes import full_box

from .damage import TOP, Damage, both, replaced

MPD = "manifest.mpd"

# An empty box of Widevine.
OTHER_BOX = b64encode(full_box("pssh", 0, 0, WIDEVINE.bytes + bytes(4))).decode()

DASH: dict[str, tuple[str, Damage]] = {
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
