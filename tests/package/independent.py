"""Reads packages without any code of the program, so that the two can be held against each other.

Nothing is checked here that need not be: these readers only find out what is there.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)')


def attributes(line: str) -> dict[str, str]:
    """The attribute list of a tag, unquoted."""
    return {name: value.strip('"') for name, value in ATTRIBUTE.findall(line.split(":", 1)[1])}


@dataclass(frozen=True)
class Part:
    """A segment of a media playlist."""

    offset: int
    size: int
    duration: Fraction


def total(parts: Sequence[Part]) -> Fraction:
    """How long some segments last, in seconds."""
    return sum((part.duration for part in parts), Fraction(0))


@dataclass(frozen=True)
class Playlist:
    """A media playlist."""

    target: int
    map: tuple[int, int]
    media: Path
    parts: tuple[Part, ...]
    lines: tuple[str, ...]

    def average(self) -> Fraction:
        """Bits per second over all segments."""
        return 8 * sum(p.size for p in self.parts) / total(self.parts)

    def peak(self) -> Fraction:
        """The highest rate of any run of segments of half to one and a half target durations."""
        rates = []
        for first in range(len(self.parts)):
            for last in range(first + 1, len(self.parts) + 1):
                run = self.parts[first:last]
                duration = total(run)
                if Fraction(self.target, 2) <= duration <= Fraction(3 * self.target, 2):
                    rates.append(8 * sum(p.size for p in run) / duration)
        return max(rates)


def media_playlist(path: Path) -> Playlist:
    """Reads a media playlist of one file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    target = next(int(s.split(":")[1]) for s in lines if s.startswith("#EXT-X-TARGETDURATION"))
    mapped = next(attributes(s) for s in lines if s.startswith("#EXT-X-MAP"))
    length, _, start = mapped["BYTERANGE"].partition("@")
    parts = []
    duration = offset = size = None
    for line in lines:
        if line.startswith("#EXTINF:"):
            duration = Fraction(line[8:].rstrip(","))
        elif line.startswith("#EXT-X-BYTERANGE:"):
            size, offset = (int(n) for n in line[17:].split("@"))
        elif not line.startswith("#"):
            assert line == mapped["URI"]
            assert duration is not None
            assert size is not None
            assert offset is not None
            parts.append(Part(offset, size, duration))
    media = path.parent / mapped["URI"]
    return Playlist(target, (int(start), int(length)), media, tuple(parts), tuple(lines))


def variants(path: Path) -> list[tuple[dict[str, str], str]]:
    """The variants of a multivariant playlist: attributes and URI."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        (attributes(line), uri)
        for line, uri in pairwise(lines)
        if line.startswith("#EXT-X-STREAM-INF")
    ]


def renditions(path: Path) -> list[dict[str, str]]:
    """The EXT-X-MEDIA tags of a multivariant playlist."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [attributes(line) for line in lines if line.startswith("#EXT-X-MEDIA:")]


def top_boxes(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Kind, offset and size of the boxes on a file's top level."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        yield kind.decode("latin-1"), at, size
        at += size


def find(data: bytes, kind: str) -> int:
    """The offset of the payload of the one box of that kind, wherever it lies."""
    assert data.count(kind.encode()) == 1
    return data.index(kind.encode()) + 4
