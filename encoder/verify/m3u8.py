"""Reads HLS playlists (RFC 8216bis) as they are, with the line of everything in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from encoder.verify.verdict import Place

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)(?:,|$)')
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
# Of a title of days; beyond it, memory is at stake.
_MOST_TAGS, _MOST_CHOICES, _LONGEST_LINE = 200_000, 500, 1 << 14
_CHOICE_LINES = ("#EXT-X-STREAM-INF:", "#EXT-X-MEDIA:", "#EXT-X-I-FRAME-STREAM-INF:")


def number(text: str | None) -> int | None:
    """A decimal integer (RFC 8216 4.2); None when it is none."""
    return int(text) if text and re.fullmatch(r"\d{1,15}", text, re.ASCII) else None


def _pairs(text: str) -> tuple[list[tuple[str, str]], str]:
    found, wrong, at = [], "", 0
    while at < len(text):
        match = _ATTRIBUTE.match(text, at)
        if match is None:
            following = text.find(",", at) + 1 or len(text)
            wrong = wrong or text[at:following].rstrip(",") or ","
            # Blanks in front of a name are wrong, but what is meant is plain.
            at = at + 1 if text[at].isspace() else following
            continue
        found.append((match[1], match[2]))
        at = match.end()
    if text.endswith(","):
        wrong = wrong or ","
    return found, wrong


@lru_cache(2048)
def _attributes(text: str) -> Mapping[str, str]:
    """An attribute list, which rules ask for again and again; not to be changed."""
    return {name: value.strip('"') for name, value in _pairs(text)[0]}


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag with the text behind its colon, or an address (``name`` empty)."""

    line: int
    name: str
    value: str

    @property
    def attributes(self) -> dict[str, str]:
        """The attribute list, without the quotes of strings."""
        return dict(_attributes(self.value))

    def pairs(self) -> tuple[list[tuple[str, str]], str]:
        """The attribute list as it is written, strings in quotes, and the first of it that is no
        attribute (empty when all is well)."""
        return _pairs(self.value)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes of a file: ``size`` is None for all from the offset on."""

    uri: str
    offset: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as a playlist names it; ``duration`` is its EXTINF in seconds.

    ``keyed`` is whether an EXT-X-KEY says how it is decrypted, ``whole`` whether it is encrypted
    whole (AES-128), and ``map_key`` the attributes of the key under which its EXT-X-MAP is.
    """

    line: int
    duration: Fraction
    range: ByteRange
    map: ByteRange | None
    keyed: bool = False
    whole: bool = False
    map_key: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Playlist:
    """A playlist: its tags in order, and its segments if it has any.

    ``problems`` are lines that cannot be understood, each with what is wrong.
    """

    name: str
    tags: tuple[Tag, ...]
    segments: tuple[Segment, ...]
    problems: tuple[tuple[int, str], ...]

    def all(self, name: str) -> list[Tag]:
        """The tags of a name."""
        return [tag for tag in self.tags if tag.name == name]

    def first(self, name: str) -> Tag | None:
        """The first tag of a name."""
        return next((tag for tag in self.tags if tag.name == name), None)

    def has(self, name: str) -> bool:
        """Whether there is a tag of that name."""
        return self.first(name) is not None

    def at(self, tag: Tag | None = None) -> Place:
        """The place of a tag, or of the playlist's first line."""
        return Place(self.name, line=tag.line if tag else 1)

    @property
    def multivariant(self) -> bool:
        """Whether it lists variants rather than segments."""
        return self.has("EXT-X-STREAM-INF")

    @property
    def iframes(self) -> bool:
        """Whether its segments are I-frames."""
        return self.has("EXT-X-I-FRAMES-ONLY")

    @property
    def target(self) -> int | None:
        """EXT-X-TARGETDURATION, in seconds."""
        tag = self.first("EXT-X-TARGETDURATION")
        return number(tag.value) if tag else None

    @property
    def duration(self) -> Fraction:
        """The sum of all EXTINF, in seconds."""
        return sum((segment.duration for segment in self.segments), Fraction(0))

    def variants(self) -> Iterator[tuple[Tag, Tag]]:
        """Each EXT-X-STREAM-INF with the address below it."""
        for tag, following in zip(self.tags, self.tags[1:], strict=False):
            if tag.name == "EXT-X-STREAM-INF" and not following.name:
                yield tag, following


def parse(name: str, data: bytes) -> Playlist:
    """Reads a playlist.

    Args:
        name: its name, for places.
        data: its bytes.
    """
    problems = []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = data.decode("utf-8", "replace")
        problems.append((data[: error.start].count(b"\n") + 1, "bytes that are no UTF-8"))
    tags: list[Tag] = []
    choices = 0
    # Other ends of lines than these are part of what is written (RFC 8216 4.1).
    for number, ended in enumerate(text.split("\n"), 1):
        line = ended.removesuffix("\r")
        choices += line.startswith(_CHOICE_LINES)
        if len(tags) >= _MOST_TAGS or choices > _MOST_CHOICES:
            what = f"{_MOST_TAGS} lines"
            if choices > _MOST_CHOICES:
                what = f"{_MOST_CHOICES} variants and renditions"
            problems.append((number, f"more than {what}: the rest is not read"))
            break
        if len(line) > _LONGEST_LINE:
            problems.append((number, f"a line of {len(line)} characters: it is not read"))
            continue
        if control := _CONTROL.search(line):
            problems.append((number, f"the control character U+{ord(control[0]):04X}"))
        if line.startswith("#EXT"):
            head, _, value = line[1:].partition(":")
            tags.append(Tag(number, head.strip(), value.strip()))
        elif line.strip() and not line.startswith("#"):
            tags.append(Tag(number, "", line.strip()))
    segments = tuple(_segments(tags, problems))
    return Playlist(name, tuple(tags), segments, tuple(problems))


def _segments(tags: list[Tag], problems: list[tuple[int, str]]) -> Iterator[Segment]:
    duration: Fraction | None = None
    byte_range: str | None = None
    header: ByteRange | None = None
    ends: dict[str, int] = {}
    key: dict[str, str] | None = None
    map_key: dict[str, str] | None = None
    for tag in tags:
        if tag.name == "EXTINF":
            duration = _seconds(tag, problems)
        elif tag.name == "EXT-X-BYTERANGE":
            byte_range = tag.value
        elif tag.name == "EXT-X-KEY":
            method = tag.attributes.get("METHOD", "NONE")
            key = None if method == "NONE" else tag.attributes
        elif tag.name == "EXT-X-MAP":
            attributes = tag.attributes
            uri = attributes.get("URI", "")
            header = _range(uri, attributes.get("BYTERANGE"), ends, tag.line, problems)
            map_key = key if whole(key) else None
        elif not tag.name and duration is not None:
            found = _range(tag.value, byte_range, ends, tag.line, problems)
            if found.size is not None:
                ends[tag.value] = found.offset + found.size
            yield Segment(tag.line, duration, found, header, key is not None, whole(key), map_key)
            duration = byte_range = None


def whole(key: Mapping[str, str] | None) -> bool:
    """Whether a key is of segments that are encrypted whole: AES-128, and its longer relatives."""
    return key is not None and key.get("METHOD", "").startswith("AES-")


def _seconds(tag: Tag, problems: list[tuple[int, str]]) -> Fraction:
    text = tag.value.partition(",")[0]
    if re.fullmatch(r"\d{1,12}(\.\d{1,12})?", text):
        return Fraction(text)
    problems.append((tag.line, f"EXTINF:{tag.value} is no duration"))
    return Fraction(0)


def _range(
    uri: str,
    text: str | None,
    ends: dict[str, int],
    line: int,
    problems: list[tuple[int, str]],
) -> ByteRange:
    if text is None:
        return ByteRange(uri, 0, None)
    if not (found := re.fullmatch(r"(\d{1,18})(?:@(\d{1,18}))?", text)):
        problems.append((line, f"{text} is no byte range"))
        return ByteRange(uri, 0, None)
    size, offset = found.groups()
    return ByteRange(uri, int(offset) if offset else ends.get(uri, 0), int(size))
