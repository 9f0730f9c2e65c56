"""Reads media files from their boxes, leniently: what is wrong becomes a fault, not an end.

The readers of :mod:`encoder.package.boxes` refuse what is not exactly as packaging makes it. Here
files come from anywhere, and all that is wrong with them is wanted. A title of hours has tens of
thousands of fragments, so each is read with one access and its table with numpy.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from encoder.verify.files import Files
from encoder.verify.initialisation import Initialisation
from encoder.verify.nal import UNKNOWN, First, first_picture

_NON_SYNC = 0x10000
# A fragment of two hours of sound or pictures has a table of some five megabytes.
_LARGEST_HEADER = 16 << 20
# What is beyond these is of no title, and would take all memory or all day.
_MOST_BOXES, _MOST_SAMPLES, _MOST_CHILDREN = 500_000, 4 << 20, 4096
_MOST_REFERENCES = 200_000
_GUESS = 2048
# Ticks beyond this cannot be added up in 64 bits, and are no time of any title.
_LATEST = 1 << 60


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a file, under the rule that it breaks."""

    rule: str
    offset: int
    found: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment: ``moof`` at ``offset`` and what follows it up to ``end``.

    Times are ticks before any edit: ``decode`` is tfdt, ``duration`` the sum of its samples,
    ``first`` and ``last`` the ends of what it presents. ``sync`` are the presentation times of its
    sync samples, ``starts_sync`` whether the first sample is one, ``sealed`` whether it certainly
    has encrypted samples. ``data`` and ``first_size`` are
    where the first sample lies, ``sample`` the duration that most of its samples have.
    """

    offset: int
    end: int
    header: int
    decode: int
    duration: int
    first: int
    last: int
    samples: int
    sample: int
    sync: tuple[int, ...]
    starts_sync: bool
    data: int
    first_size: int
    signed: bool
    picture: First
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """A segment index: ``anchor`` is the byte its first reference points to; each reference is its
    bytes, its ticks and its access point word. ``start`` is its earliest presentation time."""

    offset: int
    size: int
    anchor: int
    start: int
    timescale: int
    references: tuple[tuple[int, int, int], ...]


@dataclass(slots=True)
class MediaFile:
    """What is in a file. ``header_end`` is where ``moov`` ends (0 without one), ``samples`` is how
    many samples its fragments have."""

    name: str
    size: int
    header_end: int = 0
    samples: int = 0
    fragments: list[Fragment] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def header_bytes(files: Files, name: str, offset: int, size: int) -> bytes:
    """Bytes of an initialisation: all there are, or up to the end of ``moov`` where a range goes on
    for longer than any header."""
    if size <= _LARGEST_HEADER:
        return files.read(name, offset, size)
    at, end = offset, offset + size
    for _ in range(_MOST_CHILDREN):
        length, kind, start = _head(files.read(name, at, 16), end - at)
        if length < start or at + length > end:
            break
        at += length
        if kind == "moov":
            return files.read(name, offset, min(at - offset, _LARGEST_HEADER))
    return files.read(name, offset, _LARGEST_HEADER)


def read_media(files: Files, name: str, header: Initialisation) -> MediaFile:
    """All fragments and indexes of a file.

    Args:
        files: where it lies.
        name: its name.
        header: of its track, from this file or another.
    """
    size = files.size(name) or 0
    media = MediaFile(name, size)
    at, guess, count, references = 0, _GUESS, 0, 0
    while at < size:
        count += 1
        if count > _MOST_BOXES or media.samples > _MOST_SAMPLES:
            what, most = "samples", _MOST_SAMPLES
            if count > _MOST_BOXES:
                what, most = "boxes", _MOST_BOXES
            media.faults.append(
                Fault("OURS boxes", at, f"more than {most} {what}", f"fewer {what} in a file")
            )
            break
        data = files.read(name, at, guess)
        length, kind, start = _head(data, size - at)
        if length < start or at + length > size or len(data) < 8:
            wanted = f"a whole box in the {size - at} bytes that are left"
            media.faults.append(Fault("OURS boxes", at, f"{kind} of {length} bytes", wanted))
            break
        if kind in ("moov", "ftyp"):
            media.header_end = at + length if kind == "moov" else media.header_end
        elif kind in ("moof", "sidx") and length > _LARGEST_HEADER:
            wanted = f"at most {_LARGEST_HEADER} bytes"
            media.faults.append(Fault("OURS boxes", at, f"{kind} of {length} bytes", wanted))
        elif kind in ("moof", "sidx"):
            media.starts.append(at)
            if len(data) < length + 16:
                data = files.read(name, at, length + 256)
            try:
                if kind == "moof":
                    guess = max(_GUESS, length + 512)
                    length = _fragment(files, media, header, at, data, length)
                else:
                    media.indexes.append(_index(data[start:length], at, length))
                    references += len(media.indexes[-1].references)
                    if references > _MOST_REFERENCES:
                        media.indexes.pop()
                        raise ValueError(f"at most {_MOST_REFERENCES} references in a file")
            except (struct.error, IndexError, ValueError) as error:
                fault = Fault("OURS boxes", at, f"{kind} that cannot be read", str(error))
                media.faults.append(fault)
        elif kind in ("styp", "emsg", "prft"):
            media.starts.append(at)
        at += length
    return media


def _head(data: bytes, left: int) -> tuple[int, str, int]:
    """Size, kind and header of the box that some bytes start with."""
    length = int.from_bytes(data[:4])
    kind = data[4:8].decode("latin-1")
    if length == 1:
        return int.from_bytes(data[8:16]), kind, 16
    return (length or left), kind, 8


def _index(payload: bytes, at: int, length: int) -> Index:
    long = payload[0]
    _, timescale = struct.unpack_from(">II", payload, 4)
    start, first = struct.unpack_from(">QQ" if long else ">II", payload, 12)
    place = 28 if long else 20
    (count,) = struct.unpack_from(">H", payload, place + 2)
    words = struct.unpack_from(f">{3 * count}I", payload, place + 4)
    references = tuple(zip(words[::3], words[1::3], words[2::3], strict=True))
    return Index(at, length, at + length + first, start, timescale, references)


def _fragment(
    files: Files, media: MediaFile, header: Initialisation, at: int, data: bytes, length: int
) -> int:
    """Reads a fragment, adds it, and returns how many bytes it has with its media."""
    duration, size, flags = header.defaults
    decode = data_at = 0
    count = 0
    version = 0
    tables: list[np.ndarray] = []
    timed = sealed = clear = False
    for kind, start, end in _children(data, 8, length):
        if kind != "traf":
            continue
        boxes = list(_children(data, start, end))
        tfhd = next((one for one in boxes if one[0] == "tfhd"), None)
        if tfhd is None or struct.unpack_from(">I", data, tfhd[1] + 4)[0] != header.track_id:
            continue
        duration, size, flags = _defaults(data, tfhd[1], header)
        kinds = {one[0] for one in boxes}
        sealed |= not kinds.isdisjoint(("senc", "saiz"))
        # Groups may say of samples that they are clear.
        clear |= any(one[0] == "sbgp" and data[one[1] + 4 : one[1] + 8] == b"seig" for one in boxes)
        for inner, place, _ in boxes:
            if inner == "tfdt":
                timed = True
                form = ">Q" if data[place] else ">I"
                (decode,) = struct.unpack_from(form, data, place + 4)
            elif inner == "trun":
                table, where, signed = _run(data, place, (duration, size, flags))
                data_at = data_at or (at + where if where is not None else 0)
                version |= signed
                tables.append(table)
                count += len(table)
                if count > _MOST_SAMPLES:
                    raise ValueError(f"at most {_MOST_SAMPLES} samples")
    if not tables:
        raise ValueError("samples of the track")
    if decode > _LATEST:
        raise ValueError("a tfdt of this world")
    table = np.concatenate(tables) if len(tables) > 1 else tables[0]
    media.samples += count
    after = at + length
    head = data[length : length + 16]
    if len(head) < 16:
        head = files.read(media.name, after, 16)
    mdat, kind, inside = _head(head, media.size - after)
    if kind != "mdat" or after + mdat > media.size:
        fault = Fault("OURS boxes", after, f"{kind or 'nothing'} behind moof", "a whole mdat")
        media.faults.append(fault)
        mdat = 0
    sizes = int(table[:, 1].sum())
    good = data_at == after + inside and sizes == mdat - inside
    if not good and mdat and not header.others:
        found = f"samples at byte {data_at}, {sizes} bytes"
        wanted = f"byte {after + inside}, {mdat - inside} bytes, as mdat has"
        media.faults.append(Fault("CMAF 7.3.2.3", at, found, wanted))
    if not timed:
        media.faults.append(Fault("CMAF 7.3.2.2", at, "no tfdt", "the sum of what came before"))
    total = int(table[:, 0].sum())
    starts = decode + np.cumsum(table[:, 0]) - table[:, 0]
    shown = starts + table[:, 3]
    sync = table[:, 2] & _NON_SYNC == 0
    first_size = int(table[0, 1])
    picture = UNKNOWN
    if header.kind == "video" and mdat:
        picture = _picture(files, media.name, header, data_at, first_size, (data, at))
    media.fragments.append(
        Fragment(
            offset=at,
            end=after + mdat,
            header=length,
            decode=decode,
            duration=total,
            first=int(shown.min()),
            last=int((shown + table[:, 0]).max()),
            samples=count,
            sample=int(table[0, 0]),
            sync=tuple(shown[sync].tolist()) if header.kind == "video" else (),
            starts_sync=bool(sync[0]),
            data=data_at,
            first_size=first_size,
            signed=bool(version),
            picture=picture,
            sealed=sealed and not clear,
        )
    )
    return length + mdat


def _children(data: bytes, start: int, end: int) -> list[tuple[str, int, int]]:
    """Kind, start of the content and end of each box."""
    found: list[tuple[str, int, int]] = []
    at = start
    while at + 8 <= end:
        if len(found) >= _MOST_CHILDREN:
            raise ValueError(f"at most {_MOST_CHILDREN} boxes in a box")
        size = int.from_bytes(data[at : at + 4])
        if size < 8 or at + size > end:
            raise ValueError("boxes that fill the one around them")
        found.append((data[at + 4 : at + 8].decode("latin-1"), at + 8, at + size))
        at += size
    return found


def _defaults(data: bytes, at: int, header: Initialisation) -> tuple[int, int, int]:
    flags = int.from_bytes(data[at + 1 : at + 4])
    values = list(header.defaults)
    place = at + 8 + (8 if flags & 0x01 else 0) + (4 if flags & 0x02 else 0)
    for column, bit in enumerate((0x08, 0x10, 0x20)):
        if flags & bit:
            (values[column],) = struct.unpack_from(">I", data, place)
            place += 4
    return values[0], values[1], values[2]


def _run(
    data: bytes, at: int, defaults: tuple[int, int, int]
) -> tuple[np.ndarray, int | None, bool]:
    """Duration, size, flags and composition offset of each sample; where its data lies behind the
    moof; and whether offsets are signed."""
    version, flags = data[at], int.from_bytes(data[at + 1 : at + 4])
    (count,) = struct.unpack_from(">I", data, at + 4)
    place = at + 8
    where = None
    if flags & 0x01:
        (where,) = struct.unpack_from(">i", data, place)
        place += 4
    first = None
    if flags & 0x04:
        (first,) = struct.unpack_from(">I", data, place)
        place += 4
    columns = [i for i, bit in enumerate((0x100, 0x200, 0x400, 0x800)) if flags & bit]
    if not 0 < count <= max(1, (len(data) - place) // 4) * (1 if columns else 1 << 20):
        raise ValueError("as many samples as trun announces")
    table = np.empty((count, 4), np.int64)
    table[:, 0], table[:, 1], table[:, 2], table[:, 3] = *defaults, 0
    if columns:
        words = np.frombuffer(data, ">u4", count * len(columns), place).reshape(count, -1)
        table[:, columns] = words
        if version and 3 in columns:
            table[:, 3] = words[:, columns.index(3)].astype(np.uint32).view(np.int32)
    if first is not None:
        table[0, 2] = first
    return table, where, bool(version and flags & 0x800)


def _picture(
    files: Files,
    name: str,
    header: Initialisation,
    data_at: int,
    size: int,
    known: tuple[bytes, int],
) -> First:
    buffer, base = known

    def read(offset: int, length: int) -> bytes:
        length = min(length, size - offset)
        start = data_at + offset - base
        if start >= 0 and start + length <= len(buffer):
            return buffer[start : start + length]
        return files.read(name, data_at + offset, length)

    return first_picture(header.coding, read, size)
