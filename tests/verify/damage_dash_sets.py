"""Damage to what the MPD says of its sets and its times."""

from __future__ import annotations

from .damage import ENGLISH, TOP, Damage, both, patched, replaced, sample, u32

MPD = "manifest.mpd"
ROLE = 'role:2011" value="main"'
LIMITS, SAR, START = "DASH 5.3.3.2 limits", "IOP 3.2.4 sar", "DASH 5.3.9.2 start"
SAP, TYPE, MIME = "DASH 5.3.3.2 SAP", "DASH 5.3.1.2 type", "DASH 5.3.7.2 mimeType"
TIMES, PERIODS = "DASH 5.3.9.6 times", "DASH 5.3.2.1"
RATE, CHANNELS = "IOP 3.2.4 rate", "IOP 3.2.4 channels"
SETS = "DASH 5.3.3.2 sets"


def timeline(entries: str, more: str = "") -> Damage:
    """The best rung as one segment that a template's timeline tells of."""
    media = f'media="{TOP}.mp4" initialization="{TOP}.mp4"'
    return replaced(
        MPD,
        rf"(?s)<BaseURL>{TOP}.mp4</BaseURL>.*?</SegmentBase>",
        f'<SegmentTemplate timescale="24" {media} {more}><SegmentTimeline>{entries}'
        "</SegmentTimeline></SegmentTemplate>",
    )


SETS_AND_TIMES: dict[str, tuple[str, Damage]] = {
    "a dynamic MPD": (TYPE, replaced(MPD, 'type="static"', 'type="dynamic"')),
    "a type of MPD that is none": (TYPE, replaced(MPD, 'type="static"', 'type="vod"')),
    "updates of a static MPD": (TYPE, replaced(MPD, "<MPD", '<MPD minimumUpdatePeriod="PT2S"')),
    "no namespace": ("DASH 5.2 namespace", replaced(MPD, ' xmlns="[^"]*"', "")),
    "another namespace": ("DASH 5.2 namespace", replaced(MPD, "schema:mpd:2011", "schema:2011")),
    "a period that starts late": (PERIODS, replaced(MPD, 'start="PT0S"', 'start="PT1S"')),
    "a period of less": (PERIODS, replaced(MPD, "<Period", '<Period duration="PT6S"')),
    "a period of any time": (PERIODS, replaced(MPD, 'start="PT0S"', 'start="0"')),
    "video as audio/mp4": (MIME, replaced(MPD, 'mimeType="video/mp4"', 'mimeType="audio/mp4"')),
    "audio/mpeg": (MIME, replaced(MPD, 'mimeType="audio/mp4"', 'mimeType="audio/mpeg"')),
    "contentType of another kind": (
        MIME,
        replaced(MPD, 'contentType="audio"', 'contentType="video"'),
    ),
    "no sampling rate": (RATE, replaced(MPD, ' audioSamplingRate="48000"', "")),
    "another sampling rate": (RATE, replaced(MPD, 'Rate="48000"', 'Rate="44100"')),
    "no channels": (CHANNELS, replaced(MPD, "<AudioChannelConfiguration[^>]*>", "")),
    "other channels": (CHANNELS, replaced(MPD, '(Configuration" value=)"2"', r'\1"6"')),
    "channels of nothing": (CHANNELS, replaced(MPD, '(Configuration") value="2"', r"\1")),
    "maxWidth too small": (LIMITS, replaced(MPD, 'maxWidth="1280"', 'maxWidth="640"')),
    "maxHeight too small": (LIMITS, replaced(MPD, 'maxHeight="720"', 'maxHeight="719"')),
    "maxFrameRate too low": (LIMITS, replaced(MPD, 'maxFrameRate="24"', 'maxFrameRate="24/2"')),
    "maxFrameRate that is none": (LIMITS, replaced(MPD, 'maxFrameRate="24"', 'maxFrameRate="x"')),
    "maxBandwidth too low": (LIMITS, replaced(MPD, ' par="', ' maxBandwidth="9000" par="')),
    "minWidth too large": (LIMITS, replaced(MPD, ' par="', ' minWidth="1280" par="')),
    "another @sar": (SAR, replaced(MPD, 'sar="1:1"', 'sar="4:3"')),
    "@sar that is none": (SAR, replaced(MPD, 'sar="1:1"', 'sar="1"')),
    "pixels that are not square": (
        SAR,
        both(patched(f"{TOP}.mp4", "colr", -4, b"pasp\0\0\0\4\0\0\0\3"), replaced(MPD, "sar", "s")),
    ),
    "a role that is none": ("DASH 5.8.5.5", replaced(MPD, ROLE, 'role:2011" value="primary"')),
    "a role without value": ("DASH 5.8.5.5", replaced(MPD, ROLE, 'role:2011"')),
    "access points that are not there": (SAP, sample(f"{TOP}.mp4", b"\x41", 6)),
    "access points of no type": (
        SAP,
        replaced(MPD, 'subsegmentStartsWithSAP="1"', 'subsegmentStartsWithSAP="yes"'),
    ),
    "no access points promised": (SAP, replaced(MPD, ' subsegmentStartsWithSAP="1"', "")),
    "two sets of an id": (SETS, replaced(MPD, 'AdaptationSet id="1"', 'AdaptationSet id="0"')),
    "a set of nothing": (SETS, replaced(MPD, "</Period>", '<AdaptationSet id="9"/></Period>')),
    "another timescale": (
        "DASH 5.3.9.2 timescale",
        replaced(MPD, 'timescale="24000"', 'timescale="90000"'),
    ),
    "media that starts elsewhere": (
        START,
        replaced(MPD, 'timescale="24000"', 'timescale="24000" presentationTimeOffset="24000"'),
    ),
    "sound that starts late": (
        START,
        both(*(patched(f"{ENGLISH}.mp4", "tfdt", 6, b"\0\1", n) for n in range(12))),
    ),
    "a timeline of another time": (TIMES, timeline('<S t="24" d="288"/>')),
    "a timeline that is too long": (TIMES, timeline('<S t="0" d="312"/>')),
    "a template without a timeline, and an offset": (
        TIMES,
        replaced(
            MPD,
            rf"(?s)<BaseURL>{TOP}.mp4</BaseURL>.*?</SegmentBase>",
            f'<SegmentTemplate timescale="24" duration="96" media="{TOP}.mp4" '
            f'initialization="{TOP}.mp4"/>',
        ),
    ),
    "media that starts in the far future": (START, patched(f"{TOP}.mp4", "tfdt", 4, u32(1))),
}
