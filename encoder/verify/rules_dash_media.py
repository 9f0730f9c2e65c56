"""Rules about what an MPD says of its media, held against the media (ISO/IEC 23009-1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from encoder.verify.load_dash import seconds, whole
from encoder.verify.rules_dash import TRICK_MODE, at, rule, sets, trick
from encoder.verify.rules_multivariant import codecs, same_codec
from encoder.verify.subject import Representation, Subject
from encoder.verify.verdict import Hit


def duration_true(s: Subject) -> Iterator[Hit]:
    declared = seconds(s.root.get("mediaPresentationDuration")) if s.root else None
    streams = [one.stream for one in s.representations if one.stream.readable]
    if declared is None or not streams or not s.root or len(s.root.all("Period")) > 1:
        return
    video = [one for one in streams if one.kind == "video"] or streams
    longest = max(one.end for one in video)
    allowed = max(one.frame for one in streams) + Fraction(1, 10)
    if abs(declared - longest) > allowed:
        found = f"mediaPresentationDuration is {float(declared):.3f} s"
        yield Hit(at(s, s.root), found, f"{float(longest):.3f} s, as the pictures last")


def sizes(s: Subject) -> Iterator[Hit]:
    for _, inside in sets(s, "video"):
        for one in inside:
            header = one.stream.header
            for name in ("width", "height"):
                text = one.get(name)
                real = getattr(header.coding, name) if header else None
                if text is None:
                    yield Hit(at(s, one.node), f"no @{name}", f"{real or 'the size'}")
                elif real is not None and whole(text) != real:
                    yield Hit(at(s, one.node), f"@{name} is {text}", str(real))


def frame_rates(s: Subject) -> Iterator[Hit]:
    for adaptation, inside in sets(s, "video"):
        for one in inside:
            text = one.get("frameRate")
            if trick(adaptation):
                continue
            if text is None:
                yield Hit(at(s, one.node), "no @frameRate", "the frame rate")
                continue
            found = re.fullmatch(r"(\d{1,9})(?:/([1-9]\d{0,8}))?", text)
            rate = 1 / one.stream.frame
            declared = Fraction(int(found[1]), int(found[2] or 1)) if found else Fraction(0)
            if one.stream.readable and abs(declared - rate) > Fraction(1, 100):
                yield Hit(at(s, one.node), f"@frameRate is {text}", str(rate))


def aligned(s: Subject) -> Iterator[Hit]:
    for kind in ("video", "audio"):
        for adaptation, inside in sets(s, kind):
            claimed = (adaptation.get("segmentAlignment"), adaptation.get("subsegmentAlignment"))
            if not {"true", "1"} & set(claimed):
                continue
            first = inside[0]
            for one in inside[1:]:
                frame = max(one.stream.frame, first.stream.frame)
                ends = list(zip(one.stream.ends(), first.stream.ends(), strict=False))
                apart = next((n for n, (a, b) in enumerate(ends) if abs(a - b) > frame), None)
                if apart is not None:
                    found = f"segment {apart} ends at {float(ends[apart][0]):.3f} s"
                    wanted = f"{float(ends[apart][1]):.3f} s, as in {first.id}"
                    yield Hit(at(s, one.node), found, wanted)
                elif len(one.stream.parts) != len(first.stream.parts):
                    wanted = f"{len(first.stream.parts)}, as {first.id} has"
                    yield Hit(at(s, one.node), f"{len(one.stream.parts)} segments", wanted)


def codecs_true(s: Subject) -> Iterator[Hit]:
    for one in s.representations:
        declared = codecs(one.get("codecs"))
        header = one.stream.header
        found = header.coding.codec if header and header.kind in ("video", "audio") else None
        if not declared and one.stream.container == "mp4":
            yield Hit(at(s, one.node), "no @codecs", found or "@codecs")
        elif found and not any(same_codec(text, found) for text in declared):
            yield Hit(at(s, one.node), f"@codecs is {','.join(declared)}", found)


def trick_mode(s: Subject) -> Iterator[Hit]:
    """Sets for trick modes: of which they are, and that every picture decodes alone where they say
    so (DASH-IF IOP 3.2.9)."""
    ids = {one.get("id") for one, _ in sets(s, "video") if not trick(one)}
    for adaptation, inside in sets(s, "video"):
        for node in adaptation.children:
            if node.get("schemeIdUri") != TRICK_MODE:
                continue
            named = (node.get("value") or "").split()
            if node.name != "EssentialProperty":
                yield Hit(at(s, node), f"trick mode as {node.name}", "EssentialProperty")
            if not named or not ids.issuperset(named):
                found = f"trick mode of {' '.join(named) or 'nothing'}"
                yield Hit(at(s, node), found, "the @id of video sets of this MPD")
        for one in inside if trick(adaptation) else ():
            sync = sum(len(fragment.sync) for fragment in one.stream.fragments())
            if one.get("codingDependency") == "false" and sync < one.stream.samples:
                found = f'codingDependency="false", and {one.stream.samples - sync} of'
                found += f" {one.stream.samples} pictures depend on others"
                yield Hit(at(s, one.node), found, "key frames alone")
            rate = one.get("maxPlayoutRate")
            if rate is not None and not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", rate):
                yield Hit(at(s, one.node), f"@maxPlayoutRate is {rate}", "a number")


def index_range(s: Subject) -> Iterator[Hit]:
    for one in s.representations:
        node = one.addressing
        if node is None or node.name != "SegmentBase" or not node.get("indexRange"):
            continue
        match = re.fullmatch(r"(\d{1,18})-(\d{1,18})", node.get("indexRange") or "")
        first, last = (int(match[1]), int(match[2])) if match else (0, -1)
        found = f"indexRange {node.get('indexRange')}"
        for media in one.stream.media:
            found_at = [index for index in media.indexes if index.offset == first]
            exact = node.get("indexRangeExact") == "true"
            end = first + found_at[0].size if found_at else 0
            if not found_at or last + 1 < end or (exact and last + 1 != end):
                real = media.indexes[0] if media.indexes else None
                wanted = f"{real.offset}-{real.offset + real.size - 1}" if real else "a sidx"
                yield Hit(at(s, node), found, wanted)


def initialisation(s: Subject) -> Iterator[Hit]:
    for one in s.representations:
        if one.stream.container == "mp4" and one.stream.header is None:
            yield Hit(at(s, one.node), "no readable initialisation", "ftyp and moov")


def bandwidth(s: Subject) -> Iterator[Hit]:
    """Played at the declared rate after minBufferTime, nothing may stall."""
    buffer = seconds(s.root.get("minBufferTime")) if s.root else None
    for one in s.representations:
        rate = whole(one.get("bandwidth"))
        if buffer is None or rate <= 0 or not one.stream.readable:
            continue
        needed = _buffer(one, rate)
        # The rate is rounded up to whole bits, times to a millisecond.
        if needed > buffer + Fraction(1, 500):
            found = f"@bandwidth {rate} needs {float(needed):.3f} s of buffer"
            yield Hit(at(s, one.node), found, f"at most minBufferTime, {float(buffer):.3f} s")


def _buffer(one: Representation, rate: int) -> Fraction:
    """How far delivery at a rate falls behind at most, whatever segment it is started at: all of a
    segment must be there by the time that its last frame has been shown, in seconds."""
    needed = worst = Fraction(0)
    for part in one.stream.parts:
        needed = max(Fraction(0), needed) + Fraction(8 * part.size, rate) - part.duration
        worst = max(worst, needed)
    return worst


def bandwidth_honest(s: Subject) -> Iterator[Hit]:
    for one in s.representations:
        rate = whole(one.get("bandwidth"))
        found = one.stream.rates(6)
        if found and rate and not (found[0] * 9 <= rate * 10 and rate * 10 <= found[1] * 15):
            text = f"@bandwidth {rate}, measured {found[0]} average, {found[1]} peak"
            yield Hit(at(s, one.node), text, "between the average and the peak")


RULES = (
    rule(
        "DASH 5.3.1.2 true",
        "mediaPresentationDuration is that of the media",
        True,
        "Declare how long the pictures last",
        duration_true,
    ),
    rule(
        "IOP 3.2.4 size",
        "@width and @height, as in the files",
        True,
        "Declare the size of the pictures",
        sizes,
    ),
    rule(
        "IOP 3.2.4 frameRate",
        "@frameRate, as in the files",
        True,
        "Declare the frame rate",
        frame_rates,
    ),
    rule(
        "DASH 5.3.3.2 aligned",
        "Segments are aligned where the set says so",
        True,
        "Encode with the same key frames and cut at the same",
        aligned,
    ),
    rule(
        "DASH 5.3.5.2 codecs",
        "@codecs as in the files",
        True,
        "Declare the coding as the sample entry has it",
        codecs_true,
    ),
    rule(
        "IOP 3.2.9",
        "Sets for trick modes say of what they are, and hold what they say",
        True,
        "Name the video sets by @id, and give key frames alone where codingDependency is false",
        trick_mode,
    ),
    rule(
        "DASH 5.3.9.2",
        "indexRange is that of the sidx",
        True,
        "Declare the bytes of the sidx",
        index_range,
    ),
    rule(
        "DASH 5.3.9.2 initialisation",
        "Each representation can be initialised",
        True,
        "Declare the bytes of ftyp and moov",
        initialisation,
    ),
    rule(
        "DASH 5.3.5.2 bandwidth",
        "@bandwidth with minBufferTime never stalls",
        True,
        "Raise @bandwidth or minBufferTime",
        bandwidth,
    ),
    rule(
        "DASH bandwidth",
        "@bandwidth is what the media needs",
        False,
        "Declare a rate between average and peak",
        bandwidth_honest,
    ),
)
