"""Follows a DASH manifest (ISO/IEC 23009-1) to the media it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice

from encoder.verify.boxes import Fragment, MediaFile
from encoder.verify.files import target
from encoder.verify.load_hls import Media, checked_range
from encoder.verify.pictures import TILES, Sheet, Sheets, grid_of
from encoder.verify.subject import Part, Representation, Stream, Subject
from encoder.verify.verdict import Place
from encoder.verify.xmltree import BadXml, Node, parse_xml

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII)
_ADDRESSING = ("SegmentBase", "SegmentTemplate", "SegmentList")
# No title has so many; a broken timeline could ask for any number.
_MOST_SEGMENTS = 100_000
_LONGEST_ADDRESS = 4096
# Durations are written to the millisecond, if not more exactly.
_ROUNDED = Fraction(1, 1000)

# Where a segment lies (file, offset, bytes or None for the rest), how long it is said to be, and
# when it is said to be presented, if that is said.
Address = tuple[str, int, int | None, Fraction, Fraction | None]


def seconds(text: str | None) -> Fraction | None:
    """An xs:duration of days and below, in seconds; None when it is not one."""
    found = _DURATION.fullmatch(text or "")
    if found is None or not any(found.groups()):
        return None
    values = [Fraction(part or 0) for part in found.groups()]
    return sum((v * u for v, u in zip(values, (86400, 3600, 60, 1), strict=True)), Fraction(0))


def whole(text: str | None, otherwise: int = 0) -> int:
    """A whole number of an attribute; the other value when it has none."""
    return int(text) if text and re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else otherwise


def load_dash(subject: Subject, name: str, media: Media) -> None:
    """Reads an MPD and all that it leads to into the subject."""
    subject.mpd = name
    subject.declared.add(name)
    data = subject.files.text(name)
    if (size := subject.files.size(name) or 0) > len(data):
        subject.problem("DASH xml", Place(name), f"{size} bytes", f"at most {len(data)} of an MPD")
        return
    try:
        root = parse_xml(data)
    except BadXml as error:
        place = Place(name, line=error.line)
        subject.problem("DASH xml", place, str(error), "well-formed XML")
        return
    subject.root = root
    periods = root.all("Period")
    if len(periods) > 1:
        subject.unread.append(
            f"{name} has {len(periods)} periods: durations are checked for the first only"
        )
    for period in periods:
        for adaptation in period.all("AdaptationSet"):
            if adaptation.get("contentType") == "image" or _tiles(adaptation):
                for node in adaptation.all("Representation"):
                    _pictures(subject, (period, adaptation, node))
                continue
            for node in adaptation.all("Representation"):
                subject.representations.append(_one(subject, (period, adaptation, node), media))


def _tiles(adaptation: Node) -> bool:
    kind = adaptation.get("mimeType") or ""
    inner = [one.get("mimeType") or "" for one in adaptation.all("Representation")]
    return any(one.startswith("image/") for one in (kind, *inner))


def _pictures(subject: Subject, nodes: tuple[Node, Node, Node]) -> None:
    """Thumbnails: the sheets that a template leads to (DASH-IF IOP 4.3, 6.2.6)."""
    _, adaptation, node = nodes
    label, place = node.get("id") or "?", Place(subject.mpd, line=node.line)
    problems: list[tuple[Place, str, str]] = []
    base, values = _base(subject, nodes), _merged(nodes)
    if base is None:
        subject.unread.append(f"representation {label} does not lie in this folder")
        return
    properties = [*node.all("EssentialProperty"), *adaptation.all("EssentialProperty")]
    tiles = [one.get("value") for one in properties if one.get("schemeIdUri") == TILES]
    grid = grid_of(tiles[0]) if tiles else (1, 1)
    if grid is None:
        problems.append((place, f"thumbnail_tile of {tiles[0]}", "columns and rows, such as 5x4"))
    width, height = (node.get(one) or adaptation.get(one) for one in ("width", "height"))
    size = grid_of(f"{width}x{height}")
    if size is None:
        problems.append((place, f"{width} by {height} pixels", "width and height of a sheet"))
    mime = node.get("mimeType") or adaptation.get("mimeType") or ""
    if mime not in ("image/jpeg", "image/png"):
        problems.append((place, mime or "no mimeType", "image/jpeg or image/png"))
    sheets = []
    for name, _, _, duration, _ in _segments(subject, base, nodes, values, Media(), None):
        checked_range(subject, place, name, 0, None)
        sheets.append(Sheet(place, name, duration))
    # The last segment of a template lasts as long as the others, whatever is left of the title.
    full = max((one.duration for one in sheets), default=Fraction(0))
    scale, length = whole(values.get("timescale"), 1) or 1, whole(values.get("duration"))
    full = Fraction(length, scale) or full
    interval = full / (grid[0] * grid[1]) if grid else None
    whole_sheets = tuple(replace(one, duration=full) for one in sheets)
    subject.pictures.append(
        Sheets(label, place, True, grid, size, interval, whole_sheets, tuple(problems))
    )


def _base(subject: Subject, nodes: tuple[Node, Node, Node]) -> str | None:
    """What addresses of a representation are relative to; None when it is elsewhere."""
    base: str | None = subject.mpd
    for outer in (subject.root, *nodes):
        address = outer.first("BaseURL") if outer else None
        if address is not None and base is not None:
            text = address.text.strip()
            base = target(base, text)
            base = f"{base}/" if base and text.endswith("/") else base
    return base


def _one(subject: Subject, nodes: tuple[Node, Node, Node], media: Media) -> Representation:
    period, adaptation, node = nodes
    label = node.get("id") or "?"
    place = Place(subject.mpd, line=node.line)
    base = _base(subject, nodes)
    addressing = _addressing(nodes)
    kind = _kind(adaptation, node)
    if base is None:
        subject.unread.append(f"representation {label} does not lie in this folder")
        stream = Stream(label, place, "none", kind, None, None, (), ())
        return Representation(node, adaptation, period, addressing, stream)
    values = _merged(nodes)
    mime = node.get("mimeType") or adaptation.get("mimeType") or ""
    if mime == "text/vtt" and addressing is None:
        part = Part(
            place, *checked_range(subject, place, base, 0, None), _total(subject, period), ()
        )
        stream = Stream(label, place, "vtt", kind, None, None, (part,), ())
        return Representation(node, adaptation, period, addressing, stream)
    start = _initialisation(subject, base, values, nodes, place)
    header = media.header(subject, start, place) if start and start[2] else None
    addresses = list(
        islice(_segments(subject, base, nodes, values, media, start), media.segments_left)
    )
    media.segments_left -= len(addresses)
    if not media.segments_left:
        subject.unread.append(f"{label} names more segments than any title has: not all are read")
    parts = []
    used: dict[str, MediaFile] = {}
    for name, offset, length, duration, at_time in addresses:
        file, at, size = checked_range(subject, place, name, offset, length)
        fragments: tuple[Fragment, ...] = ()
        if header is not None and size:
            fragments, used[file] = media.fragments(subject, file, header, at, at + size)
        parts.append(Part(place, file, at, size, duration, fragments, at_time))
    container = "mp4" if mime.endswith("/mp4") else "vtt" if mime == "text/vtt" else "unknown"
    if container == "unknown":
        subject.unread.append(f"representation {label} is {mime or 'of no type'}: not looked into")
    kind = header.kind if header else kind
    stream = Stream(
        label, place, container, kind, header, start, tuple(parts), tuple(used.values())
    )
    return Representation(node, adaptation, period, addressing, stream, _offset(values))


def _kind(adaptation: Node, node: Node) -> str:
    mime = node.get("mimeType") or adaptation.get("mimeType") or ""
    return adaptation.get("contentType") or mime.partition("/")[0]


def _addressing(nodes: tuple[Node, Node, Node]) -> Node | None:
    found = [child for node in reversed(nodes) for child in node.children]
    return next((one for one in found if one.name in _ADDRESSING), None)


def _merged(nodes: tuple[Node, Node, Node]) -> dict[str, str]:
    """The attributes of the addressing elements: inner ones override outer ones."""
    values: dict[str, str] = {}
    for node in nodes:
        for child in node.children:
            if child.name in _ADDRESSING:
                values |= child.attributes
    return values


def _offset(values: dict[str, str]) -> Fraction:
    """The presentation time of the media at which the period starts, in seconds."""
    scale = whole(values.get("timescale"), 1) or 1
    return Fraction(whole(values.get("presentationTimeOffset")), scale)


def _inner(nodes: tuple[Node, Node, Node], name: str) -> Node | None:
    """The innermost child of an addressing element."""
    for node in reversed(nodes):
        for child in node.children:
            if child.name in _ADDRESSING and (found := child.first(name)):
                return found
    return None


def _range(text: str | None) -> tuple[int, int | None]:
    found = re.fullmatch(r"(\d{1,18})-(\d{1,18})", text or "")
    if found is None:
        return 0, None
    first, last = int(found[1]), int(found[2])
    return first, last - first + 1


def _initialisation(
    subject: Subject,
    base: str,
    values: dict[str, str],
    nodes: tuple[Node, Node, Node],
    place: Place,
) -> tuple[str, int, int] | None:
    element = _inner(nodes, "Initialization")
    if element is not None:
        source = element.get("sourceURL")
        name = target(base, source) if source else base
        if name is None:
            return None
        return checked_range(subject, place, name, *_range(element.get("range")))
    if "initialization" in values:
        name = target(base, filled(values["initialization"], nodes[2]))
        return checked_range(subject, place, name, 0, None) if name else None
    # One segment that is the whole file, or self-initialising: the header is what lies in front.
    if _addressing(nodes) is None or "indexRange" in values:
        end, _ = _range(values.get("indexRange"))
        return checked_range(subject, place, base, 0, end or None)
    return None


def filled(template: str, node: Node, number: int = 0, time: int = 0) -> str:
    """A template's address (23009-1 5.3.9.4.4)."""
    values = {
        "RepresentationID": node.get("id") or "",
        "Bandwidth": node.get("bandwidth") or "0",
        "Number": str(number),
        "Time": str(time),
        "": "$",
    }

    def fill(found: re.Match[str]) -> str:
        text = values[found[1]]
        return text.zfill(int(found[2])) if found[2] else text

    pattern = r"\$(RepresentationID|Bandwidth|Number|Time|)(?:%0(\d{1,2})d)?\$"
    return re.sub(pattern, fill, template)


def _segments(
    subject: Subject,
    base: str,
    nodes: tuple[Node, Node, Node],
    values: dict[str, str],
    media: Media,
    start: tuple[str, int, int] | None,
) -> Iterator[Address]:
    total = _total(subject, nodes[0])
    listed = [one for node in nodes for child in node.all("SegmentList") for one in child.children]
    urls = [one for one in listed if one.name == "SegmentURL"]
    if urls:
        length = Fraction(whole(values.get("duration")), whole(values.get("timescale"), 1) or 1)
        for one in urls:
            name = target(base, one.get("media") or "") if one.get("media") else base
            if name is not None:
                yield (name, *_range(one.get("mediaRange")), length, None)
    elif "media" in values:
        scale = whole(values.get("timescale"), 1) or 1
        for number, time, length in _timeline(nodes, values, total):
            address = filled(values["media"], nodes[2], number, time)
            if len(address) > _LONGEST_ADDRESS:
                found = f"an address of {len(address)} characters"
                place = Place(subject.mpd, line=nodes[2].line)
                subject.problem("OURS files", place, found, "a file")
                return
            name = target(base, address)
            if name is not None:
                yield name, 0, None, length, Fraction(time, scale)
    elif start is not None:
        yield from _indexed(subject, base, values, media, start, total)


def _indexed(
    subject: Subject,
    base: str,
    values: dict[str, str],
    media: Media,
    start: tuple[str, int, int],
    total: Fraction,
) -> Iterator[Address]:
    """What the segment index of a file refers to."""
    header = media.header(subject, start, Place(subject.mpd))
    size = subject.files.size(base)
    if header is None or size is None:
        return
    _, file = media.fragments(subject, base, header, 0, size)
    offset, length = _range(values.get("indexRange"))
    index = next((one for one in file.indexes if one.offset == offset and length), None)
    if index is None:
        at = file.fragments[0].offset if file.fragments else start[1] + start[2]
        yield base, at, None, total, None
        return
    at = index.anchor
    for reference, duration, _ in index.references:
        yield base, at, reference & 0x7FFFFFFF, Fraction(duration, index.timescale or 1), None
        at += reference & 0x7FFFFFFF


def _total(subject: Subject, period: Node) -> Fraction:
    own = seconds(period.get("duration"))
    whole = seconds(subject.root.get("mediaPresentationDuration")) if subject.root else None
    return own or whole or Fraction(0)


def _timeline(
    nodes: tuple[Node, Node, Node], values: dict[str, str], total: Fraction
) -> Iterator[tuple[int, int, Fraction]]:
    """Number, time and duration of each segment of a template."""
    scale = whole(values.get("timescale"), 1) or 1
    number = whole(values.get("startNumber"), 1)
    timeline = _inner(nodes, "SegmentTimeline")
    if timeline is None:
        length = whole(values.get("duration"))
        # A duration that was rounded up is no reason for one segment more.
        count = -(-(total - _ROUNDED) * scale // length) if length else 0
        for step in range(min(int(count), _MOST_SEGMENTS)):
            left = total - Fraction(step * length, scale)
            yield number + step, step * length, min(Fraction(length, scale), left)
        return
    time = 0
    entries = timeline.all("S")
    for place, one in enumerate(entries):
        time = whole(one.get("t"), time)
        length = whole(one.get("d"))
        repeat = whole(one.get("r"))
        if repeat < 0:
            following = entries[place + 1].get("t") if place + 1 < len(entries) else None
            until = whole(following, int(total * scale))
            repeat = -(-(until - time) // length) - 1 if length else 0
        for _ in range(min(repeat + 1, _MOST_SEGMENTS)):
            yield number, time, Fraction(length, scale)
            number += 1
            time += length
