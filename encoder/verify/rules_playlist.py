"""Rules about media playlists and the segments they name (Apple's HLS Authoring Specification)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from encoder.verify.m3u8 import Playlist, number
from encoder.verify.subject import Stream, Subject
from encoder.verify.verdict import Check, Hit, Place, Rule, Severity

_NOMINAL = 6
# What sound may go on after the pictures have ended, in seconds.
_LONGER = Fraction(1, 2)


def tell(time: Fraction) -> str:
    """A time as findings show it."""
    return f"{float(time):.3f} s"


def key_frames(s: Subject) -> Iterator[Hit]:
    for _, stream in s.media_playlists():
        if stream.kind != "video" or stream.header is None or not stream.readable:
            continue
        times = [time for one in stream.fragments() for time in one.sync]
        times.append(max(one.last for one in stream.fragments()))
        gaps = [(b - a, a) for a, b in pairwise(times)]
        longest, start = max(gaps, default=(0, 0))
        length = Fraction(longest, stream.header.timescale)
        # Two seconds of 29.97 frames a second are 60 frames, and a little more.
        if length > 2 + stream.frame / 2:
            at = next(
                (one.offset for one in stream.fragments() if one.first <= start < one.last), None
            )
            place = Place(stream.parts[0].name, offset=at)
            yield Hit(place, f"{tell(length)} between key frames", "at most 2 s")


def frame_rate(s: Subject) -> Iterator[Hit]:
    for _, stream in s.media_playlists():
        if stream.kind == "video" and stream.readable and 1 / stream.frame > Fraction(6006, 100):
            yield Hit(stream.place, f"{float(1 / stream.frame):.3f} frames a second", "at most 60")


def timestamp_map(s: Subject) -> Iterator[Hit]:
    for _, stream in s.media_playlists():
        if stream.container != "vtt" or len(stream.parts) < 2:
            continue
        for part in stream.parts:
            if part.size and b"X-TIMESTAMP-MAP" not in s.files.read(part.name, part.offset, 512):
                wanted = "X-TIMESTAMP-MAP=MPEGTS:...,LOCAL:... below WEBVTT"
                yield Hit(Place(part.name, line=1), "no X-TIMESTAMP-MAP", wanted)
                break


def equal_ranges(s: Subject) -> Iterator[Hit]:
    streams = [one for _, one in s.media_playlists() if one.parts]
    video = [one for one in streams if one.kind == "video"] or streams
    if not video:
        return
    longest = max(video, key=lambda one: one.end)
    for stream in streams:
        frame = max(stream.frame, longest.frame)
        apart = stream.end - longest.end
        # Subtitles end with the last of them, and a playlist may stop there.
        allowed = frame if stream.kind in ("video", "audio") else Fraction(_NOMINAL)
        longer = allowed if stream.kind == longest.kind else _LONGER
        if apart > longer or -apart > allowed:
            wanted = f"{tell(longest.end)}, as {longest.label} lasts"
            yield Hit(stream.place, tell(stream.end), wanted)


def continuous(s: Subject) -> Iterator[Hit]:
    for playlist, stream in s.media_playlists():
        if playlist.has("EXT-X-DISCONTINUITY"):
            continue
        known = [part for part in stream.parts if part.fragments]
        for before, part in pairwise(known):
            last, first = before.fragments[-1], part.fragments[0]
            if first.decode != last.decode + last.duration:
                place = Place(part.name, offset=first.offset)
                yield Hit(place, f"tfdt {first.decode}", f"{last.decode + last.duration}")


def starts_with_idr(s: Subject) -> Iterator[Hit]:
    for _, stream in s.media_playlists():
        for part in stream.parts if stream.kind == "video" else ():
            first = part.fragments[0] if part.fragments else None
            if first and first.picture.start not in ("idr", "unknown"):
                place = Place(part.name, offset=first.data)
                kind = "an open GOP" if first.picture.start == "open" else "no IDR frame"
                yield Hit(place, f"the segment starts with {kind}", "an IDR frame")
            elif first and not first.starts_sync:
                place = Place(part.name, offset=first.offset)
                yield Hit(place, "the first sample is no sync sample", "an IDR frame")


def target_nominal(s: Subject) -> Iterator[Hit]:
    for playlist, stream in s.media_playlists():
        target = playlist.target
        if target is not None and target > _NOMINAL + 1:
            tag = playlist.first("EXT-X-TARGETDURATION")
            yield Hit(Place(stream.label, tag.line if tag else 1), f"{target} s", "6 s")


def segments_nominal(s: Subject) -> Iterator[Hit]:
    for playlist, stream in s.media_playlists():
        count, total = len(playlist.segments), playlist.duration
        if not count:
            continue
        fewest = -(-total // _NOMINAL)
        mean = total / count
        # Titles of a few seconds, and segments cut at shots, have some that are shorter.
        if mean > _NOMINAL + 1 or (mean < 4 and count > fewest + 1):
            yield Hit(stream.place, f"segments of {tell(mean)} in the mean", "about 6 s")


def within_target(s: Subject) -> Iterator[Hit]:
    for playlist, stream in s.media_playlists():
        for part in stream.parts:
            length = stream.measured(part) or part.duration
            if playlist.target is not None and length > playlist.target + Fraction(1, 2):
                wanted = f"at most {playlist.target}.5 s, half above EXT-X-TARGETDURATION"
                yield Hit(part.place, tell(length), wanted)


def rounded_to_target(s: Subject) -> Iterator[Hit]:
    for name, stream in s.streams.items():
        playlist = s.playlists[name]
        if playlist.target is None:
            yield Hit(stream.place, "no EXT-X-TARGETDURATION", "the longest segment, rounded")
            continue
        for part in stream.parts:
            if int(part.duration + Fraction(1, 2)) > playlist.target:
                wanted = f"at most EXT-X-TARGETDURATION, {playlist.target}"
                yield Hit(part.place, f"EXTINF {float(part.duration):.6f}", wanted)


def durations(s: Subject) -> Iterator[Hit]:
    for _, stream in s.media_playlists():
        total = Fraction(0)
        for part in stream.parts:
            real = stream.measured(part)
            if real is None:
                break
            total += real
            if abs(real - part.duration) > stream.frame:
                yield Hit(part.place, f"EXTINF {float(part.duration):.6f}", tell(real))
                break
        else:
            declared = sum((part.duration for part in stream.parts), Fraction(0))
            if abs(declared - total) > stream.frame:
                yield Hit(stream.place, f"EXTINF add up to {tell(declared)}", tell(total))


def one_target(s: Subject) -> Iterator[Hit]:
    targets = [(one.target, one) for one, _ in s.media_playlists() if one.target is not None]
    wanted = max((target for target, _ in targets), default=0)
    for target, playlist in targets:
        if target != wanted:
            tag = playlist.first("EXT-X-TARGETDURATION")
            yield Hit(playlist.at(tag), str(target), f"{wanted}, as other playlists have")


def vod(s: Subject) -> Iterator[Hit]:
    for name in s.streams:
        playlist = s.playlists[name]
        tag = playlist.first("EXT-X-PLAYLIST-TYPE")
        if tag is None or tag.value != "VOD":
            found = f"EXT-X-PLAYLIST-TYPE:{tag.value}" if tag else "no EXT-X-PLAYLIST-TYPE"
            yield Hit(playlist.at(tag), found, "EXT-X-PLAYLIST-TYPE:VOD")


def ended(s: Subject) -> Iterator[Hit]:
    for name in s.streams:
        playlist = s.playlists[name]
        if playlist.segments and not playlist.has("EXT-X-ENDLIST"):
            yield Hit(playlist.at(), "no EXT-X-ENDLIST", "the tag at the end")


def has_map(s: Subject) -> Iterator[Hit]:
    for name, stream in s.streams.items():
        bare = stream.container == "mp4" and stream.header_place is None
        if bare and not s.playlists[name].has("EXT-X-MAP"):
            yield Hit(stream.place, "fMP4 segments without EXT-X-MAP", "EXT-X-MAP")


def aligned(s: Subject) -> Iterator[Hit]:
    groups: dict[str, list[Stream]] = {}
    for _, stream in s.media_playlists():
        if stream.kind in ("video", "audio") and stream.parts:
            groups.setdefault(stream.kind, []).append(stream)
    for streams in groups.values():
        reference = max(streams, key=lambda one: len(one.parts))
        wanted = reference.ends()
        for stream in streams:
            found = stream.ends()
            frame = max(stream.frame, reference.frame)
            for which, (a, b) in enumerate(zip(found, wanted, strict=False)):
                if abs(a - b) > frame:
                    place = stream.parts[which].place
                    text = f"segment {which} ends at {tell(a)}"
                    yield Hit(place, text, f"{tell(b)}, as in {reference.label}")
                    break
            else:
                if len(found) != len(wanted):
                    text = f"{len(found)} segments"
                    yield Hit(stream.place, text, f"{len(wanted)}, as {reference.label} has")


def independent(s: Subject) -> Iterator[Hit]:
    whole = s.master is not None and s.master.has("EXT-X-INDEPENDENT-SEGMENTS")
    for playlist, stream in s.media_playlists():
        if not whole and stream.kind == "video" and not playlist.has("EXT-X-INDEPENDENT-SEGMENTS"):
            yield Hit(stream.place, "no EXT-X-INDEPENDENT-SEGMENTS", "the tag, here or above")


def _keys(s: Subject) -> Iterator[tuple[Playlist, Place, dict[str, str]]]:
    for name in s.streams:
        playlist = s.playlists[name]
        for tag in playlist.all("EXT-X-KEY"):
            yield playlist, playlist.at(tag), tag.attributes


def pattern(s: Subject) -> Iterator[Hit]:
    for stream in s.tracks():
        coding = stream.header.coding if stream.header else None
        if coding is None or coding.scheme != "cbcs" or stream.kind != "video":
            continue
        if coding.pattern != (1, 9):
            found = f"cbcs {coding.pattern[0]}:{coding.pattern[1]}"
            yield Hit(Place(stream.parts[0].name, offset=0), found, "cbcs 1:9")


def no_ctr(s: Subject) -> Iterator[Hit]:
    for _, place, attributes in _keys(s):
        if attributes.get("METHOD") == "SAMPLE-AES-CTR":
            yield Hit(place, "METHOD=SAMPLE-AES-CTR", "SAMPLE-AES, with cbcs")


def version(s: Subject) -> Iterator[Hit]:
    for name in s.streams:
        playlist = s.playlists[name]
        tag = playlist.first("EXT-X-VERSION")
        declared = (number(tag.value) if tag else None) or 1
        needed = 1
        if any(number(tag.value.partition(",")[0]) is None for tag in playlist.all("EXTINF")):
            needed = 3
        if playlist.has("EXT-X-BYTERANGE") or playlist.iframes:
            needed = 4
        if playlist.has("EXT-X-MAP"):
            needed = 5 if playlist.iframes else 6
        if declared < needed:
            yield Hit(playlist.at(tag), f"version {declared}", f"EXT-X-VERSION:{needed}")


def first_line(s: Subject) -> Iterator[Hit]:
    yield from s.noted("RFC 8216 4.3.1.1")


def syntax(s: Subject) -> Iterator[Hit]:
    yield from s.noted("RFC 8216 4.1 lines")


def rule(number: str, text: str, must: bool, fix: str, check: Check, document: str = "HLS") -> Rule:
    """A rule about media playlists."""
    severity: Severity = "must" if must else "should"
    return Rule(f"{document} {number}", text, severity, "hls", fix, check)


RULES = (
    rule("1.13", "A key frame every 2 s", False, "Force key frames at most 2 s apart", key_frames),
    rule("1.19", "At most 60 frames a second", True, "Halve the frame rate", frame_rate),
    rule(
        "5.3",
        "X-TIMESTAMP-MAP in segmented WebVTT",
        True,
        "Write X-TIMESTAMP-MAP=MPEGTS:...,LOCAL:... below WEBVTT in each",
        timestamp_map,
    ),
    rule(
        "7.3",
        "tfdt is continuous across segments",
        True,
        "Write decode times that go on where the last segment ended",
        continuous,
    ),
    rule(
        "7.4",
        "Segments start with an IDR frame",
        False,
        "Cut segments at IDR frames",
        starts_with_idr,
    ),
    rule(
        "7.5", "A target duration of about 6 s", False, "Make segments of about 6 s", target_nominal
    ),
    rule("7.6", "Segments of about 6 s", False, "Make segments of about 6 s", segments_nominal),
    rule(
        "7.7",
        "Segments at most half a second above the target duration",
        True,
        "Declare the longest segment, rounded, or cut earlier",
        within_target,
    ),
    rule(
        "8.1",
        "EXTINF is right within one frame",
        True,
        "Declare the durations of the segments",
        durations,
    ),
    rule(
        "8.2",
        "One target duration for all playlists",
        True,
        "Declare the longest of all in each playlist",
        one_target,
    ),
    rule(
        "8.3",
        "All playlists cover the same time",
        True,
        "Encode and package all of them to the same end",
        equal_ranges,
    ),
    rule("8.6", "EXT-X-PLAYLIST-TYPE is VOD", True, "Add EXT-X-PLAYLIST-TYPE:VOD", vod),
    rule("8.20", "fMP4 segments have EXT-X-MAP", True, "Add EXT-X-MAP", has_map),
    rule(
        "8.22",
        "Segment boundaries are aligned",
        True,
        "Encode with the same key frames and cut at the same",
        aligned,
    ),
    rule("9.12", "EXT-X-INDEPENDENT-SEGMENTS", False, "Write the tag below EXTM3U", independent),
    rule("13.7", "cbcs encrypts one block in ten", True, "Encrypt with the pattern 1:9", pattern),
    rule("13.11", "No SAMPLE-AES-CTR", True, "Encrypt with cbcs and declare SAMPLE-AES", no_ctr),
    rule(
        "4.3.1.1",
        "A playlist starts with #EXTM3U",
        True,
        "Write it as the first line",
        first_line,
        "RFC 8216",
    ),
    rule(
        "4.1 lines",
        "Every line is as the format has it",
        True,
        "Write the line as RFC 8216 has it",
        syntax,
        "RFC 8216",
    ),
    rule(
        "4.3.3.1",
        "EXTINF rounds to at most the target duration",
        True,
        "Declare the longest segment, rounded",
        rounded_to_target,
        "RFC 8216",
    ),
    rule(
        "4.3.3.4",
        "A finished playlist ends with EXT-X-ENDLIST",
        True,
        "Write EXT-X-ENDLIST as the last line",
        ended,
        "RFC 8216",
    ),
    rule(
        "7",
        "EXT-X-VERSION is high enough for what is used",
        True,
        "Declare that version",
        version,
        "RFC 8216",
    ),
)
