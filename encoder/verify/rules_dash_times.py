"""Rules about the clocks of an MPD: what it says of times, held against the media (ISO/IEC 23009-1
5.3.1, 5.3.2 and 5.3.9)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from encoder.verify.load_dash import seconds, whole
from encoder.verify.rules_dash import at, rule
from encoder.verify.rules_playlist import tell
from encoder.verify.subject import Part, Representation, Subject
from encoder.verify.verdict import Hit

NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
# What players jump over when something starts late, in seconds.
_GAP = Fraction(1, 4)


def namespace(s: Subject) -> Iterator[Hit]:
    if s.root and s.root.name == "MPD" and s.root.namespace != NAMESPACE:
        found = f'xmlns="{s.root.namespace}"' if s.root.namespace else "no xmlns"
        yield Hit(at(s, s.root), found, f'xmlns="{NAMESPACE}"')


def static(s: Subject) -> Iterator[Hit]:
    if s.root is None:
        return
    kind = s.root.get("type") or "static"
    if kind != "static":
        yield Hit(at(s, s.root), f'type="{kind}" of files that are complete', 'type="static"')
    elif s.root.get("minimumUpdatePeriod"):
        yield Hit(at(s, s.root), "minimumUpdatePeriod in a static MPD", "none: nothing will change")


def periods(s: Subject) -> Iterator[Hit]:
    """What periods say of their time, where that is said of all."""
    found = s.root.all("Period") if s.root else []
    total = seconds(s.root.get("mediaPresentationDuration")) if s.root else None
    end: Fraction | None = Fraction(0)
    for period in found:
        start, length = seconds(period.get("start")), seconds(period.get("duration"))
        for name in ("start", "duration"):
            text = period.get(name)
            if text is not None and seconds(text) is None:
                yield Hit(at(s, period), f"Period@{name} is {text}", "a duration such as PT12.5S")
        if start is not None and end is not None and abs(start - end) > _GAP:
            wanted = f"{tell(end)}, where the one before ends" if end else "0"
            yield Hit(at(s, period), f"a Period from {tell(start)} on", wanted)
        begin = end if start is None else start
        end = None if begin is None or length is None else begin + length
    if end and total is not None and abs(end - total) > _GAP:
        found_end = f"periods that end at {tell(end)}"
        yield Hit(at(s, found[-1]), found_end, f"{tell(total)}, mediaPresentationDuration")


def index_timescale(s: Subject) -> Iterator[Hit]:
    for one in s.representations:
        node, header = one.addressing, one.stream.header
        text = node.get("timescale") if node is not None and node.name == "SegmentBase" else None
        if node is not None and header and text is not None and whole(text) != header.timescale:
            found = f"SegmentBase@timescale is {text}"
            yield Hit(at(s, node), found, f"{header.timescale}, as the track's header has it")


def starts(s: Subject) -> Iterator[Hit]:
    for one in s.representations:
        first = one.stream.parts[0] if one.stream.parts else None
        if first is None or not first.fragments or one.stream.header is None:
            continue
        start = one.stream.span(first.fragments)[0] - one.offset
        if abs(start) > max(_GAP, one.stream.frame):
            said = f", less presentationTimeOffset of {tell(one.offset)}" if one.offset else ""
            found = f"{one.id} starts at {tell(start + one.offset)}{said}"
            yield Hit(at(s, one.node), found, "the start of the period")


def timelines(s: Subject) -> Iterator[Hit]:
    for one in s.representations:
        wrong = next(_wrong_times(one), None)
        if wrong is not None:
            node = one.addressing or one.node
            yield Hit(at(s, node), wrong[0], wrong[1])


def _wrong_times(one: Representation) -> Iterator[tuple[str, str]]:
    """Segments of a template that are not when it says: what it says, and when they are."""
    timeline = one.addressing is not None and one.addressing.first("SegmentTimeline") is not None
    frame = one.stream.frame
    for number, part in enumerate(one.stream.parts):
        real = one.stream.measured(part)
        if part.start is None or real is None or one.stream.header is None:
            continue
        # Segments of a template without a timeline may be off by half of what they last.
        allowed = frame if timeline else max(frame, part.duration / 2)
        start = one.stream.span(part.fragments)[0] - (0 if timeline else one.offset)
        said = part.start
        skip = Fraction(one.stream.header.skip or 0, one.stream.header.timescale)
        if abs(start - said) > allowed and abs(start + skip - said) > allowed:
            found = f"segment {number} of {one.id} at {tell(said)} of its media"
            yield found, f"{tell(start)}, where {_name(part)} starts"
        elif timeline and abs(real - part.duration) > frame + skip:
            found = f"{tell(part.duration)} for segment {number} of {one.id}"
            yield found, f"{tell(real)}, as {_name(part)} lasts"


def _name(part: Part) -> str:
    return part.name.rpartition("/")[2]


RULES = (
    rule(
        "DASH 5.2 namespace",
        "The MPD is of the namespace of MPEG-DASH",
        True,
        f'Write xmlns="{NAMESPACE}" on MPD',
        namespace,
    ),
    rule(
        "DASH 5.3.1.2 type",
        "The MPD of complete files is static",
        True,
        'Write type="static" and leave out minimumUpdatePeriod: of a dynamic MPD players wait for '
        "more, and join at its end",
        static,
    ),
    rule(
        "DASH 5.3.2.1",
        "Periods follow each other and fill the presentation",
        True,
        "Write the start and duration of each period by the media in it, or leave both out of a "
        "single one",
        periods,
    ),
    rule(
        "DASH 5.3.9.2 timescale",
        "SegmentBase@timescale is that of the track",
        True,
        "Write the timescale of the track's mdhd box and of its sidx",
        index_timescale,
    ),
    rule(
        "DASH 5.3.9.2 start",
        "Media starts where its period does",
        True,
        "Write the earliest presentation time of the track as presentationTimeOffset, or package "
        "it from 0 on",
        starts,
    ),
    rule(
        "DASH 5.3.9.6 times",
        "Templates say when segments are, as they are",
        True,
        "Write S@t and S@d (or @duration) from tfdt and the samples of the segments",
        timelines,
    ),
)
