"""Damage to media playlists and those of I-frames."""

from __future__ import annotations

from .damage import SECOND, TOP, Damage, each, removed, replaced

MPD = "manifest.mpd"
IFRAMES = "video/iframes/h264-720p-1.m3u8"

PLAYLISTS: dict[str, tuple[str, Damage]] = {
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
}
