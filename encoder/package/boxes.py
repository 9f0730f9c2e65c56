"""Reads a CMAF track file (ISO/IEC 14496-12, 23000-19) from its boxes.

Only headers are read, never media. Every size and count is checked against the file and against
the others, because what the manifests declare rests on them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from encoder.errors import PackageError
from encoder.media.package import Fragment, Track
from encoder.package.cursor import Box, Cursor, Damaged, children, four, only
from encoder.package.protect_boxes import clear_group
from encoder.package.track_header import Header, parse_moov

# The file of an initialisation whose segments are files beside it.
INITIALISATION = "init.mp4"
# What :func:`segment_name` gives, as DASH spells it.
SEGMENT_TEMPLATE = "$Number%05d$.m4s"

# Headers of a title of many hours stay far below this; a larger one is damage, not metadata.
_LARGEST_HEADER = 256 << 20

_NON_SYNC = 0x10000


@dataclass(frozen=True, slots=True)
class Run:
    """The samples of one fragment, in decoding order.

    ``decode_start``, ``durations`` and ``offsets`` (presentation minus decoding time) are ticks
    before any edit; ``sizes`` are bytes; ``data`` is where the first sample lies in the file;
    ``clear`` is whether they are, in a track that is encrypted.
    """

    decode_start: int
    durations: tuple[int, ...]
    sizes: tuple[int, ...]
    offsets: tuple[int, ...]
    sync: tuple[bool, ...]
    data: int
    clear: bool = False

    @property
    def decode_end(self) -> int:
        """The decoding time after the last sample."""
        return self.decode_start + sum(self.durations)

    def presentation_times(self) -> list[int]:
        """When each sample is presented, in ticks before any edit, in decoding order."""
        starts = accumulate(self.durations[:-1], initial=self.decode_start)
        return [start + offset for start, offset in zip(starts, self.offsets, strict=True)]

    def presentation(self) -> tuple[int, int]:
        """When the first sample is presented, and when the last to be presented ends."""
        times = self.presentation_times()
        ends = (time + length for time, length in zip(times, self.durations, strict=True))
        return min(times), max(ends)


@dataclass(frozen=True, slots=True)
class Movie:
    """A track file.

    ``track_id`` is the track's number in it, ``moov_offset`` where ``moov`` lies, ``runs`` are the
    samples behind the track's fragments.
    """

    track: Track
    track_id: int
    moov_offset: int
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A box on the file's top level."""

    kind: str
    offset: int
    size: int
    header: int


def segment_name(number: int) -> str:
    """The file of a segment, counted from 0."""
    return f"{number + 1:05d}.m4s"


def read_track(path: Path) -> Track:
    """The track of a file or folder as packages hold them: see :func:`read_packaged`.

    Raises:
        PackageError: when it is not such a file, or contradicts itself.
    """
    return read_packaged(path).track


def read_packaged(path: Path) -> Movie:
    """A track of a package and all its samples.

    Args:
        path: a file of ftyp, moov, sidx and then fragments to the end; or a folder with a file of
            ftyp and moov, and files of a styp and then fragments, numbered without a gap.

    Raises:
        PackageError: when it is not so, or contradicts itself.
    """
    return read_segments(path) if path.is_dir() else read_movie(path)


def read_movie(path: Path, *, indexed: bool = True) -> Movie:
    """The track of a file and all its samples.

    Args:
        path: the file.
        indexed: whether it must have a segment index; otherwise it must have none.

    Raises:
        PackageError: when it is not such a file, or contradicts itself.
    """
    try:
        with path.open("rb") as file:
            return _read(file, indexed)
    except (Damaged, OSError) as error:
        raise _not_so(path, error) from error


def read_segments(folder: Path) -> Movie:
    """The track of a folder that holds its initialisation and each of its segments as a file.

    Raises:
        PackageError: when it is not such a folder, or contradicts itself.
    """
    path = folder
    try:
        found = sorted(one.name for one in folder.iterdir() if one.name != INITIALISATION)
        names = tuple(segment_name(number) for number in range(len(found)))
        if tuple(found) != names or not names:
            raise Damaged("its segments are not numbered from 1 without a gap")
        path = folder / INITIALISATION
        with path.open("rb") as file:
            head, rest = _head(file, ("ftyp", "moov"))
            if rest:
                raise Damaged(f"{rest[0].kind} at byte {rest[0].offset} is no initialisation")
            header = parse_moov(_load(file, head[1]))
        reading = _Reading(header)
        for number, name in enumerate(names):
            path = folder / name
            with path.open("rb") as file:
                (styp,), rest = _head(file, ("styp",))
                reading.add(file, rest, number, styp.size)
        return reading.movie(head, None, names)
    except (Damaged, OSError) as error:
        raise _not_so(path, error) from error


def _not_so(path: Path, error: Exception) -> PackageError:
    return PackageError(
        "A track file is not what its headers say",
        where=str(path),
        why=str(error),
        hint="Package again; if it happens again, the input file is damaged: encode it anew",
    )


def _read(file: BinaryIO, indexed: bool) -> Movie:
    head, rest = _head(file, ("ftyp", "moov", "sidx") if indexed else ("ftyp", "moov"))
    reading = _Reading(parse_moov(_load(file, head[1])))
    reading.add(file, rest)
    index = head[2] if indexed else None
    movie = reading.movie(head, index)
    if index:
        _check_index(_load(file, index), reading.header, movie.track)
    return movie


def _head(file: BinaryIO, expected: tuple[str, ...]) -> tuple[list[_Place], list[_Place]]:
    """The boxes that a file starts with, and those behind them."""
    places = list(_places(file))
    head, rest = places[: len(expected)], places[len(expected) :]
    if [place.kind for place in head] != list(expected):
        raise Damaged(f"it starts with {' '.join(p.kind for p in head)}, not {' '.join(expected)}")
    return head, rest


class _Reading:
    """Fragments as they are read, each held against the one before it."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self._runs: list[Run] = []
        self._fragments: list[Fragment] = []

    def add(self, file: BinaryIO, places: list[_Place], number: int = 0, lead: int = 0) -> None:
        """Adds the fragments of a file, whose number is given with the bytes before the first."""
        if not places or len(places) % 2:
            raise Damaged("it does not consist of whole fragments")
        runs, fragments = self._runs, self._fragments
        for moof, mdat in zip(places[::2], places[1::2], strict=True):
            if (moof.kind, mdat.kind) != ("moof", "mdat"):
                raise Damaged(f"{moof.kind} {mdat.kind} at byte {moof.offset}, not moof mdat")
            name = f"fragment {len(runs) + 1}"
            run = _parse_moof(_load(file, moof, name), self.header, moof, mdat)
            if runs and run.decode_start != runs[-1].decode_end:
                raise Damaged(
                    f"{name} starts at tick {run.decode_start}, "
                    f"the one before it ends at {runs[-1].decode_end}"
                )
            runs.append(run)
            before = fragments[-1].start + fragments[-1].duration if fragments else 0
            found = _fragment(run, moof, mdat, self.header.skip, before, name)
            fragments.append(replace(found, file=number, lead=lead))
            lead = 0

    def movie(self, head: list[_Place], index: _Place | None, files: tuple[str, ...] = ()) -> Movie:
        """What was read."""
        runs, header = self._runs, self.header
        if runs[0].decode_start != 0:
            raise Damaged(f"the first fragment starts at tick {runs[0].decode_start}, not 0")
        moov = head[1]
        track = _track(header, moov.offset + moov.size, index, self._fragments, files)
        return Movie(track, header.track_id, moov.offset, tuple(runs))


def _track(
    header: Header,
    header_size: int,
    index: _Place | None,
    fragments: list[Fragment],
    files: tuple[str, ...],
) -> Track:
    return Track(
        kind=header.kind,
        timescale=header.timescale,
        codec_string=header.entry.codec_string,
        language=header.language,
        width=header.entry.width,
        height=header.entry.height,
        sample_rate=header.entry.sample_rate,
        channels=header.entry.channels,
        skip=header.skip,
        header_size=header_size,
        index_offset=index.offset if index else 0,
        index_size=index.size if index else 0,
        fragments=tuple(fragments),
        files=files,
        protected=header.entry.protected,
    )


def _places(file: BinaryIO) -> Iterator[_Place]:
    """The boxes on the top level. The last must end where the file does."""
    end = os.fstat(file.fileno()).st_size
    at = 0
    while at < end:
        file.seek(at)
        cursor = Cursor(file.read(16), f"the box at byte {at}")
        size, kind, header = cursor.u32(), four(cursor.take(4)), 8
        if size == 1:
            size, header = cursor.u64(), 16
        if size < header or at + size > end:
            raise Damaged(f"{kind} at byte {at} claims {size} bytes, the file has {end}")
        yield _Place(kind, at, size, header)
        at += size


def _load(file: BinaryIO, place: _Place, name: str = "") -> Box:
    length = place.size - place.header
    if length > _LARGEST_HEADER:
        raise Damaged(f"{place.kind} at byte {place.offset} claims {length} bytes of headers")
    file.seek(place.offset + place.header)
    payload = file.read(length)
    if len(payload) != length:
        raise Damaged(f"{place.kind} at byte {place.offset} is cut short")
    return Box(place.kind, payload, f"{name}/{place.kind}" if name else place.kind)


def _parse_moof(box: Box, header: Header, moof: _Place, mdat: _Place) -> Run:
    traf_box = only(children(box.payload, box.path), "traf", box.path)
    traf = children(traf_box.payload, traf_box.path)

    tfhd = only(traf, "tfhd", traf_box.path)
    cursor = Cursor(tfhd.payload, tfhd.path)
    _, flags = cursor.full_box()
    if cursor.u32() != header.track_id:
        raise Damaged(f"{tfhd.path} is for another track")
    if not flags & 0x020000 or flags & 0x010001:
        raise Damaged(f"{tfhd.path} does not place its data relative to the fragment")
    if flags & 0x02:
        cursor.u32()
    duration = cursor.u32() if flags & 0x08 else header.default_duration
    size = cursor.u32() if flags & 0x10 else header.default_size
    sample_flags = cursor.u32() if flags & 0x20 else header.default_flags
    cursor.end()

    tfdt = only(traf, "tfdt", traf_box.path)
    cursor = Cursor(tfdt.payload, tfdt.path)
    version, _ = cursor.full_box()
    decode_start = cursor.sized(version)
    cursor.end()

    trun = only(traf, "trun", traf_box.path)
    cursor = Cursor(trun.payload, trun.path)
    version, flags = cursor.full_box()
    count = cursor.u32()
    if not flags & 0x01:
        raise Damaged(f"{trun.path} does not say where its data lies")
    data = moof.offset + cursor.i32()
    first_flags = cursor.u32() if flags & 0x04 else None
    # The table has a column for each of the values that are not the same for all samples.
    columns = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    if not 0 < count <= mdat.size or len(trun.payload) < 4 * count * len(columns):
        raise Damaged(f"{trun.path} announces {count} samples, which it cannot hold")
    table = cursor.words(count * len(columns))

    def column(bit: int, default: int) -> tuple[int, ...]:
        if bit not in columns:
            return (default,) * count
        return table[columns.index(bit) :: len(columns)]

    durations, sizes = column(0x100, duration), column(0x200, size)
    sync = [not one & _NON_SYNC for one in column(0x400, sample_flags)]
    if first_flags is not None:
        sync[0] = not first_flags & _NON_SYNC
    offsets = column(0x800, 0)
    if version:
        offsets = tuple(one - (one >> 31 << 32) for one in offsets)
    cursor.end()
    if 0 in durations or 0 in sizes:
        raise Damaged(f"{trun.path} has samples without duration or bytes")
    if data != mdat.offset + mdat.header or sum(sizes) != mdat.size - mdat.header:
        raise Damaged(f"{trun.path} and its mdat disagree about where the samples lie")
    clear = clear_group(traf, count)
    return Run(decode_start, durations, sizes, offsets, tuple(sync), data, clear)


def _fragment(run: Run, moof: _Place, mdat: _Place, skip: int, before: int, name: str) -> Fragment:
    """The fragment of some samples; ``before`` is where the presentation of the last one ended."""
    first, end = (time - skip for time in run.presentation())
    start = max(0, first)
    if start != before or end - first != run.decode_end - run.decode_start:
        raise Damaged(
            f"{name} is presented from tick {first} to {end}, the one before it to {before}: "
            "fragments must follow each other without gap or overlap"
        )
    if end <= start:
        raise Damaged(f"{name} ends before the edit list lets the presentation start")
    return Fragment(
        offset=moof.offset,
        size=moof.size + mdat.size,
        start=start,
        duration=end - start,
        samples=len(run.sizes),
        independent=run.sync[0],
        clear=run.clear,
    )


def _check_index(box: Box, header: Header, track: Track) -> None:
    """Holds the segment index against the fragments it points to."""
    cursor = Cursor(box.payload, box.path)
    version, _ = cursor.full_box()
    track_id, timescale = cursor.u32(), cursor.u32()
    if (track_id, timescale) != (header.track_id, header.timescale):
        raise Damaged(f"{box.path} is for another track or timescale")
    time = cursor.sized(version)
    at = track.index_offset + track.index_size + cursor.sized(version)
    cursor.u16()
    count = cursor.u16()
    if count != len(track.fragments):
        raise Damaged(f"{box.path} has {count} entries for {len(track.fragments)} fragments")
    for number, fragment in enumerate(track.fragments, 1):
        reference, duration, access = cursor.u32(), cursor.u32(), cursor.u32()
        expected = (fragment.offset, fragment.size, fragment.start, fragment.duration)
        if reference >> 31 or (at, reference, time, duration) != expected:
            raise Damaged(f"{box.path} and fragment {number} disagree about its place or time")
        if fragment.independent and access >> 28 not in (0x9, 0xA):
            raise Damaged(f"{box.path} does not say that fragment {number} decodes alone")
        at += reference
        time += duration
    cursor.end()
