"""Follows HLS playlists to the media they name."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from encoder.package.cursor import Damaged
from encoder.verify.boxes import Fragment, MediaFile, header_bytes, read_media
from encoder.verify.files import target
from encoder.verify.initialisation import Initialisation, read_initialisation
from encoder.verify.m3u8 import ByteRange, Playlist, Tag, parse
from encoder.verify.pictures import image_playlist
from encoder.verify.subject import Part, Stream, Subject
from encoder.verify.verdict import Place

_KINDS = {"AUDIO": "audio", "SUBTITLES": "text", "VIDEO": "video"}

# What WebM and Matroska start with (RFC 8794 8.1).
_EBML = b"\x1a\x45\xdf\xa3"


@dataclass(slots=True)
class Media:
    """Files read so far, so that each is read once whatever leads to it; and how many more segments
    an MPD may name, as a broken timeline could name any number."""

    headers: dict[tuple[str, int, int], Initialisation | None] = field(default_factory=dict)
    files: dict[tuple[str, str], tuple[MediaFile, list[int]]] = field(default_factory=dict)
    segments_left: int = 100_000

    def header(
        self, subject: Subject, place: tuple[str, int, int], named: Place
    ) -> Initialisation | None:
        """The initialisation of a track; what is wrong with it is noted once."""
        if place not in self.headers:
            name, offset, size = place
            self.headers[place] = None
            if subject.files.read(name, offset, 4) == _EBML:
                subject.unread.append(f"{name} is WebM or Matroska: it is not looked into")
                return None
            data = header_bytes(subject.files, name, offset, size)
            try:
                self.headers[place] = read_initialisation(data)
            except Damaged as error:
                if size:
                    subject.problem(
                        "OURS boxes",
                        Place(name, offset=offset),
                        str(error),
                        f"an initialisation, as {named.file} says",
                    )
        return self.headers[place]

    def fragments(
        self, subject: Subject, name: str, header: Initialisation, start: int, end: int
    ) -> tuple[tuple[Fragment, ...], MediaFile]:
        """The fragments that start in a range of a file, and the file."""
        key = (name, header.digest)
        if key not in self.files:
            media = read_media(subject.files, name, header)
            self.files[key] = media, [one.offset for one in media.fragments]
            for fault in media.faults:
                place = Place(name, offset=fault.offset)
                subject.problem(fault.rule, place, fault.found, fault.wanted)
        media, offsets = self.files[key]
        found = media.fragments[bisect_left(offsets, start) : bisect_left(offsets, end)]
        return tuple(found), media


def load_hls(subject: Subject, name: str, media: Media) -> None:
    """Reads a playlist and all that it leads to into the subject."""
    playlist = _playlist(subject, name)
    if not playlist.multivariant:
        _media_playlist(subject, playlist, "", media)
        return
    subject.master = playlist
    addresses = [(address.value, address.line, "") for _, address in playlist.variants()]
    for tag in playlist.tags:
        if tag.name in ("EXT-X-MEDIA", "EXT-X-I-FRAME-STREAM-INF"):
            attributes = tag.attributes
            if "URI" in attributes:
                kind = _KINDS.get(attributes.get("TYPE", ""), "")
                addresses.append((attributes["URI"], tag.line, kind))
    for tag in playlist.all("EXT-X-IMAGE-STREAM-INF"):
        _images(subject, name, tag)
    for uri, line, kind in addresses:
        child = target(name, uri)
        place = Place(name, line=line)
        if child is None:
            subject.unread.append(f"{uri} (line {line} of {name}) is not a relative address")
        elif child in subject.playlists:
            continue
        elif subject.files.size(child) is None:
            subject.problem("OURS files", place, f"{child} is not there", "a playlist")
        else:
            _media_playlist(subject, _playlist(subject, child), kind, media)


def _images(subject: Subject, base: str, tag: Tag) -> None:
    """Pictures for scrubbing: an image media playlist, and its files."""
    uri = tag.attributes.get("URI", "")
    name, place = target(base, uri), Place(base, line=tag.line)
    if name is None:
        subject.unread.append(f"{uri} (line {tag.line} of {base}) is not a relative address")
    elif subject.files.size(name) is None:
        subject.problem("OURS files", place, f"{name} is not there", "a playlist")
    else:
        found = image_playlist(tag, place, _playlist(subject, name))
        subject.pictures.append(found)
        for sheet in found.sheets:
            checked_range(subject, sheet.place, sheet.name, 0, None)


def _playlist(subject: Subject, name: str) -> Playlist:
    data = subject.files.text(name)
    playlist = parse(name, data)
    subject.declared.add(name)
    if (size := subject.files.size(name) or 0) > len(data):
        subject.problem(
            "RFC 8216 4.1 lines", Place(name), f"{size} bytes", f"at most {len(data)} of a playlist"
        )
    # A byte order mark in front is not allowed either (RFC 8216 4).
    if data[:7] != b"#EXTM3U":
        place = Place(name, line=1)
        subject.problem("RFC 8216 4.3.1.1", place, repr(data[:16])[1:], "#EXTM3U in line 1")
    for line, found in playlist.problems:
        subject.problem(
            "RFC 8216 4.1 lines", Place(name, line=line), found, "a line as RFC 8216 has it"
        )
    return playlist


def _media_playlist(subject: Subject, playlist: Playlist, kind: str, media: Media) -> None:
    name = playlist.name
    subject.playlists[name] = playlist
    first = playlist.segments[0] if playlist.segments else None
    place = Place(name, line=1)
    container, header, where = "none", None, None
    if first is None:
        subject.problem("OURS files", place, "no segments", "segments")
    else:
        if first.map is not None:
            where = _resolved(subject, name, first.map, first.line)
            container = "mp4"
            hidden = first.map_key is not None
            header = media.header(subject, where, place) if where and not hidden else None
        elif not first.whole:
            container = _container(subject, target(name, first.range.uri))
    if any(one.whole for one in playlist.segments):
        subject.unread.append(
            f"{name} has segments that are encrypted whole: their sizes are checked, not what is "
            "in them"
        )
    if any(one.map != first.map for one in playlist.segments if first):
        subject.unread.append(f"{name} has several EXT-X-MAP: only the first was used")
    parts = []
    used: dict[str, MediaFile] = {}
    for segment in playlist.segments:
        found = _resolved(subject, name, segment.range, segment.line)
        fragments: tuple[Fragment, ...] = ()
        file, offset, size = found or ("", 0, 0)
        readable = header is not None and not segment.whole
        if header is not None and readable and size and subject.files.size(file) is not None:
            fragments, used[file] = media.fragments(subject, file, header, offset, offset + size)
        at = Place(name, line=segment.line)
        parts.append(Part(at, file, offset, size, segment.duration, fragments))
    if container in ("ts", "audio"):
        what = "MPEG-TS" if container == "ts" else "packed audio"
        subject.unread.append(
            f"{name} has segments of {what}: their sizes are checked, not what is in them"
        )
    kind = header.kind if header else kind or ("text" if container == "vtt" else "")
    subject.streams[name] = Stream(
        name, place, container, kind, header, where, tuple(parts), tuple(used.values())
    )


def _resolved(
    subject: Subject, base: str, found: ByteRange, line: int
) -> tuple[str, int, int] | None:
    """File, offset and size; size 0 where it is not there, None where it cannot be followed."""
    name = target(base, found.uri)
    place = Place(base, line=line)
    if name is None:
        note = f"{base} leads away from this folder ({found.uri})"
        if note not in subject.unread:
            subject.unread.append(note)
        return None
    return checked_range(subject, place, name, found.offset, found.size)


def checked_range(
    subject: Subject, place: Place, name: str, offset: int, size: int | None
) -> tuple[str, int, int]:
    """A range of a file as far as it exists; what does not is noted."""
    subject.declared.add(name)
    length = subject.files.size(name)
    if length is None:
        subject.problem("OURS files", place, f"{name} is not there", "the file")
        return name, offset, 0
    wanted = length - offset if size is None else size
    if offset + wanted > length or wanted <= 0:
        found = f"bytes {offset} to {offset + wanted} of {name}, which has {length}"
        subject.problem("OURS ranges", place, found, "a range inside the file")
        return name, offset, 0
    return name, offset, wanted


def _container(subject: Subject, name: str | None) -> str:
    head = subject.files.read(name, 0, 189) if name else b""
    if not head:
        return "none"
    if head[0] == 0x47 and (len(head) < 189 or head[188] == 0x47):
        return "ts"
    if head.removeprefix(b"\xef\xbb\xbf")[:6] == b"WEBVTT":
        return "vtt"
    if head[:3] == b"ID3" or head[:2] in (b"\xff\xf1", b"\xff\xf9", b"\x0b\x77"):
        return "audio"
    return "mp4" if head[4:8] in (b"ftyp", b"styp", b"moof", b"sidx") else "unknown"
