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


RULES = (
    rule("6.8", "EXT-X-I-FRAMES-ONLY in I-frame playlists", True, "Add the tag", iframes_only),
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
