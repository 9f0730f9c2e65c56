"""Rules about I-frame playlists, which players scrub with."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from encoder.verify.rules_playlist import rule, tell
from encoder.verify.subject import Subject
from encoder.verify.verdict import Hit


def iframes_only(s: Subject) -> Iterator[Hit]:
    for tag in s.master.all("EXT-X-I-FRAME-STREAM-INF") if s.master else ():
        stream = s.stream_of(tag.attributes.get("URI"))
        if stream and not s.playlists[stream.label].iframes:
            yield Hit(stream.place, "no EXT-X-I-FRAMES-ONLY", "the tag")


def dense_iframes(s: Subject) -> Iterator[Hit]:
    known = [(one, stream) for one, stream in s.iframe_playlists() if one.segments]
    sparse = [
        (playlist.duration / len(playlist.segments), stream)
        for playlist, stream in known
        if playlist.duration > Fraction(11, 10) * len(playlist.segments)
    ]
    # One that is dense is enough: it is there to scrub with.
    if sparse and len(sparse) == len(known):
        apart, stream = max(sparse, key=lambda one: one[0])
        more = f", and {len(sparse) - 1} more playlists" if len(sparse) > 1 else ""
        found = f"an I-frame every {tell(apart)}{more}"
        yield Hit(stream.place, found, "one a second")


def iframe_ranges(s: Subject) -> Iterator[Hit]:
    for _, stream in s.iframe_playlists():
        for part in stream.parts if stream.header else ():
            if not part.size:
                continue
            first = part.fragments[0] if part.fragments else None
            if first is None or first.offset != part.offset:
                found = f"bytes from {part.offset} on without a moof at their start"
                yield Hit(part.place, found, "moof and the whole I-frame behind it")
            elif part.offset + part.size < first.data + first.first_size:
                wanted = f"at least {first.data + first.first_size - part.offset} bytes"
                yield Hit(part.place, f"{part.size} bytes: the I-frame is cut", wanted)


def iframe_times(s: Subject) -> Iterator[Hit]:
    """An I-frame lasts until the next; what a playlist says is where players look for it."""
    video = [one for _, one in s.media_playlists() if one.kind == "video" and one.readable]
    shown = max((one.end for one in video), default=Fraction(0))
    for _, stream in s.iframe_playlists():
        if stream.header is None or not all(part.fragments for part in stream.parts):
            continue
        ends = [stream.span(part.fragments[:1])[0] for part in stream.parts[1:]]
        start = stream.span(stream.parts[0].fragments[:1])[0] if stream.parts else Fraction(0)
        at = start
        for part, end in zip(stream.parts, ends, strict=False):
            at += part.duration
            if abs(at - end) > stream.frame:
                wanted = f"{tell(end)}, where that I-frame is"
                yield Hit(part.place, f"the next I-frame at {tell(at)}", wanted)
                break
        else:
            total = sum((part.duration for part in stream.parts), Fraction(0))
            if shown and abs(total - shown) > stream.frame:
                found = f"I-frames of {tell(total)} in all"
                yield Hit(stream.place, found, f"{tell(shown)}, as the pictures last")


RULES = (
    rule(
        "4.3.3.6",
        "I-frames last until the next",
        True,
        "Declare the time to the next I-frame as EXTINF",
        iframe_times,
        "RFC 8216",
    ),
    rule(
        "6.8",
        "EXT-X-I-FRAMES-ONLY in I-frame playlists",
        True,
        "Write EXT-X-I-FRAMES-ONLY in front of the first EXTINF",
        iframes_only,
    ),
    rule(
        "6.2",
        "I-frames once a second for scrubbing",
        False,
        "Make a dense I-frame track, or key frames every second",
        dense_iframes,
    ),
    rule(
        "6.10",
        "The moof lies inside an I-frame's byte range",
        True,
        "Start the range at the moof and end it behind the I-frame",
        iframe_ranges,
    ),
)
