"""What is verified: manifests, the tracks they lead to, and what was wrong on the way there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from encoder.media.package import Segment
from encoder.package.segments import average_bitrate, peak_bitrate
from encoder.verify.boxes import Fragment, MediaFile
from encoder.verify.files import Files, target
from encoder.verify.initialisation import Initialisation
from encoder.verify.m3u8 import Playlist, Tag
from encoder.verify.pictures import Sheets, SpriteMap
from encoder.verify.verdict import Hit, Place
from encoder.verify.xmltree import Node

_TICKS = 1_000_000
_MOST_PROBLEMS = 1000
# Segments of a hundredth of a second are shorter than any.
_MOST_IN_A_WINDOW = 2000


@dataclass(frozen=True, slots=True)
class Part:
    """A segment as a manifest names it and as it is. ``size`` is 0 when it is not there;
    ``duration`` is what the manifest says, in seconds, ``start`` when it says that the segment is
    presented; None where it says that by adding up alone."""

    place: Place
    name: str
    offset: int
    size: int
    duration: Fraction
    fragments: tuple[Fragment, ...]
    start: Fraction | None = None


@dataclass(frozen=True)
class Stream:
    """A track as one manifest leads to it.

    ``container`` is ``mp4``, ``ts``, ``vtt``, ``audio`` (packed), ``none`` (nothing there) or
    ``unknown``. ``header`` is None where it could not be read; ``header_place`` is where it lies:
    file, offset, bytes. Not slotted: what rules ask for again and again is kept.
    """

    label: str
    place: Place
    container: str
    kind: str
    header: Initialisation | None
    header_place: tuple[str, int, int] | None
    parts: tuple[Part, ...]
    media: tuple[MediaFile, ...]
    _known: dict[int, tuple[int, int] | None] = field(default_factory=dict, compare=False)

    @property
    def readable(self) -> bool:
        """Whether its boxes could be read."""
        return self.header is not None and any(part.fragments for part in self.parts)

    def fragments(self) -> Iterator[Fragment]:
        """All fragments of its segments, in order."""
        for part in self.parts:
            yield from part.fragments

    def span(self, fragments: tuple[Fragment, ...]) -> tuple[Fraction, Fraction]:
        """When some fragments are presented, in seconds, by the track's own clock."""
        if self.header is None or not fragments:
            return Fraction(0), Fraction(0)
        skip = self.header.skip or 0
        start = min(one.first for one in fragments) - skip
        end = max(one.last for one in fragments) - skip
        scale = self.header.timescale
        return Fraction(max(0, start), scale), Fraction(end, scale)

    def measured(self, part: Part) -> Fraction | None:
        """How long a segment really is, in seconds; None where that is not known."""
        if not part.fragments:
            return None
        start, end = self.span(part.fragments)
        return end - start

    @cached_property
    def frame(self) -> Fraction:
        """The longest that one of its samples usually lasts, in seconds; a twentieth of a second
        where that is not known."""
        longest = max((one.sample for one in self.fragments()), default=0)
        if self.header is None or not longest:
            return Fraction(1, 20)
        return Fraction(longest, self.header.timescale)

    @property
    def samples(self) -> int:
        """How many samples it has."""
        return sum(one.samples for one in self.fragments())

    @cached_property
    def end(self) -> Fraction:
        """When its presentation ends, in seconds: as its boxes say, or else its manifest."""
        fragments = tuple(self.fragments())
        if self.readable:
            start, end = self.span(fragments)
            return end - start if self.header and self.header.skip is None else end
        return sum((part.duration for part in self.parts), Fraction(0))

    def rates(self, target: int) -> tuple[int, int] | None:
        """Average and peak segment bit rate (RFC 8216 4.1), in bits per second.

        Args:
            target: the target duration, in seconds.

        Returns:
            None when a segment is missing or lasts no time, or when there are so many in so little
            time that to measure all windows of them would take all day.
        """
        if target not in self._known:
            self._known[target] = self._measured_rates(target)
        return self._known[target]

    def _measured_rates(self, target: int) -> tuple[int, int] | None:
        segments, at, start = [], Fraction(0), 0
        total = sum((part.duration for part in self.parts), Fraction(0))
        if len(self.parts) * 2 * target > _MOST_IN_A_WINDOW * total:
            return None
        for part in self.parts:
            at += part.duration
            end = round(at * _TICKS)
            if not part.size or end <= start:
                return None
            segments.append(Segment(part.offset, part.size, start, end - start))
            start = end
        if not segments:
            return None
        return average_bitrate(segments, _TICKS), peak_bitrate(segments, _TICKS, target)

    def ends(self) -> tuple[Fraction, ...]:
        """When each of its segments ends, in seconds from its start: as measured where that is
        known."""
        return self._ends

    @cached_property
    def _ends(self) -> tuple[Fraction, ...]:
        return tuple(accumulate(self.measured(part) or part.duration for part in self.parts))


@dataclass(frozen=True, slots=True)
class Representation:
    """A DASH representation with the elements around it, from the outside in. ``template`` is the
    element that addresses its segments, ``offset`` the presentation time of the media at which the
    period starts, in seconds."""

    node: Node
    adaptation: Node
    period: Node
    addressing: Node | None
    stream: Stream
    offset: Fraction = Fraction(0)

    @property
    def id(self) -> str:
        """Its id."""
        return self.node.get("id") or "?"

    def get(self, name: str) -> str | None:
        """An attribute of it, or else of its adaptation set."""
        return self.node.get(name) or self.adaptation.get(name)


@dataclass(slots=True)
class Subject:
    """Everything that rules look at. Filled while reading, and only read by rules.

    ``master`` is the multivariant playlist, ``playlists`` are the media playlists by name and
    ``streams`` what they lead to. ``root`` is the MPD's element. ``problems`` are the hits found
    while reading, by rule, and ``noted_of`` how many there were of each. ``declared`` are the files
    that manifests or ``package.json`` name.
    ``facts`` is what ``package.json`` and ``report.json`` of a package of ours say. ``pictures``
    are the thumbnails that manifests name, ``sprite_maps`` what lies beside these for web pages.
    """

    files: Files
    folder: bool
    master: Playlist | None = None
    playlists: dict[str, Playlist] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    mpd: str = ""
    root: Node | None = None
    representations: list[Representation] = field(default_factory=list)
    problems: list[tuple[str, Hit]] = field(default_factory=list)
    noted_of: Counter[str] = field(default_factory=Counter)
    unread: list[str] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)
    facts: Mapping[str, Any] = field(default_factory=dict)
    pictures: list[Sheets] = field(default_factory=list)
    sprite_maps: list[SpriteMap] = field(default_factory=list)
    schema: Path | None = None

    def problem(self, rule: str, place: Place, found: str, wanted: str) -> None:
        """Notes what breaks a rule before rules are asked; of a rule no more than are told of."""
        self.noted_of[rule] += 1
        if self.noted_of[rule] <= _MOST_PROBLEMS:
            self.problems.append((rule, Hit(place, found, wanted)))

    def noted(self, rule: str) -> Iterator[Hit]:
        """What was noted under a rule."""
        return (hit for name, hit in self.problems if name == rule)

    def tracks(self) -> Iterator[Stream]:
        """Each track once, though both manifests lead to it; those with boxes only."""
        seen = set()
        for stream in self.every():
            if stream.readable and stream.header_place is not None:
                names = (stream.header_place, *sorted({part.name for part in stream.parts}))
                if names not in seen:
                    seen.add(names)
                    yield stream

    def every(self) -> Iterator[Stream]:
        """The streams of both manifests, I-frame playlists apart."""
        for name, stream in self.streams.items():
            if not self.playlists[name].iframes:
                yield stream
        yield from (one.stream for one in self.representations)

    def media_playlists(self) -> Iterator[tuple[Playlist, Stream]]:
        """The media playlists, those of I-frames apart, with their streams."""
        for name, stream in self.streams.items():
            if not self.playlists[name].iframes:
                yield self.playlists[name], stream

    def iframe_playlists(self) -> Iterator[tuple[Playlist, Stream]]:
        """The playlists of I-frames with their streams."""
        for name, stream in self.streams.items():
            if self.playlists[name].iframes:
                yield self.playlists[name], stream

    def stream_of(self, address: str | None) -> Stream | None:
        """What an address in the multivariant playlist leads to."""
        if self.master is None or not address:
            return None
        return self.streams.get(target(self.master.name, address) or "")

    def variants(self) -> Iterator[tuple[Tag, Stream | None]]:
        """Each variant with its stream, where it could be read."""
        for tag, address in self.master.variants() if self.master else ():
            yield tag, self.stream_of(address.value)

    def renditions(
        self, kind: str, group: str | None = None
    ) -> Iterator[tuple[Tag, Stream | None]]:
        """The EXT-X-MEDIA of a type (and a group), with their streams."""
        for tag in self.master.all("EXT-X-MEDIA") if self.master else ():
            attributes = tag.attributes
            if attributes.get("TYPE") == kind and group in (None, attributes.get("GROUP-ID")):
                yield tag, self.stream_of(attributes.get("URI"))
