"""Writes CMAF tracks (ISO/IEC 23000-19): initialisation, one segment index, fragments.

A track is one file, or a file for its initialisation and one for each segment.

FFmpeg makes the initialisation and knows the samples; where fragments start, and what the index
says of them, is decided here. Its own index leaves the kind of access point open, and it can cut
audio only at a constant length and video only at every key frame.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import BinaryIO

from encoder.errors import PackageError
from encoder.package.boxes import INITIALISATION, Movie, Run, segment_name
from encoder.package.protect import Sealed
from encoder.package.protect_boxes import box, clear_boxes, fragment_boxes, full_box

# Edition 6 of the file format, and CMAF.
_BRANDS = ("iso6", "cmfc")
# A file that indexes its own segments for DASH.
_INDEXED = "dash"
# A segment for DASH, and one of CMAF (ISO/IEC 23009-1 6.3.4.2, ISO/IEC 23000-19 7.3.3.1).
_SEGMENT_BRANDS = ("msdh", "msdh", "cmfs")
# Codings whose binding wants a brand of its own.
_CODING_BRANDS = ("av01",)

# starts_with_SAP, SAP_type 1: decodes alone, in order (ISO/IEC 14496-12 Annex I).
_ACCESS_POINT = 0x90000000
# The count of an index is a 16-bit number.
_MOST_REFERENCES = 0xFFFF

# tfhd: default-base-is-moof; the default duration and flags are given.
_TFHD = 0x020000 | 0x08 | 0x20
# trun: where the data lies, flags of the first sample, and the columns of the table.
_DATA_OFFSET, _FIRST_FLAGS = 0x01, 0x04
_DURATIONS, _SIZES, _FLAGS, _OFFSETS = 0x100, 0x200, 0x400, 0x800
# Sample flags: depends on no other; depends on others and is no sync sample.
_SYNC, _NON_SYNC = 0x02000000, 0x01010000


def write_track(
    source: Path,
    movie: Movie,
    target: Path,
    starts: Sequence[int],
    end: int | None = None,
    sealed: Sealed | None = None,
) -> str:
    """Writes a track cut into fragments anew, as one file.

    Args:
        source: the file as FFmpeg rewrapped it.
        movie: what is in it.
        target: the file to make.
        starts: the first sample of every fragment, and at the end the sample to stop before.
        end: the tick of presentation at which the last sample ends at the latest, for audio: what
            it holds beyond is not played.
        sealed: how the samples are encrypted, where they are.

    Returns:
        The hash of the content (SHA-256), in hexadecimal.

    Raises:
        PackageError: when there are more fragments than an index can hold.
    """
    runs = _recut(movie, starts, end)
    headers = [
        _moof(number, movie.track_id, run, _auxiliary(sealed, *samples))
        for number, (run, samples) in enumerate(zip(runs, pairwise(starts), strict=True), 1)
    ]
    digest = hashlib.sha256()
    with source.open("rb") as old, target.open("xb") as new:
        head = _initialisation(old, movie, (*_BRANDS, _INDEXED), sealed)
        head += _index(movie, runs, headers)
        samples = _samples(old, movie.runs)
        fragments = (_fragment(*one, samples) for one in zip(headers, runs, strict=True))
        for data in chain([head], fragments):
            digest.update(data)
            new.write(data)
    return digest.hexdigest()


def write_segments(
    source: Path,
    movie: Movie,
    folder: Path,
    starts: Sequence[int],
    files: Sequence[int],
    end: int | None = None,
    sealed: Sealed | None = None,
) -> str:
    """Writes a track cut into fragments anew, as a file for its initialisation and one for each
    segment.

    Args:
        source: the file as FFmpeg rewrapped it.
        movie: what is in it.
        folder: the folder to make.
        starts: as for :func:`write_track`.
        files: the first fragment of every segment, and at the end their number.
        end: as for :func:`write_track`.
        sealed: as for :func:`write_track`.

    Returns:
        The hash of the content of all files, in order (SHA-256), in hexadecimal.
    """
    runs = _recut(movie, starts, end)
    digest = hashlib.sha256()

    def write(name: str, data: bytes) -> None:
        digest.update(data)
        with (folder / name).open("xb") as new:
            new.write(data)

    folder.mkdir()
    styp = _brands("styp", _SEGMENT_BRANDS)
    with source.open("rb") as old:
        write(INITIALISATION, _initialisation(old, movie, _BRANDS, sealed))
        samples = _samples(old, movie.runs)
        for number, (first, stop) in enumerate(pairwise(files)):
            fragments = [
                _fragment(
                    _moof(
                        at + 1, movie.track_id, runs[at], _auxiliary(sealed, *starts[at : at + 2])
                    ),
                    runs[at],
                    samples,
                )
                for at in range(first, stop)
            ]
            write(segment_name(number), b"".join([styp, *fragments]))
    return digest.hexdigest()


def _fragment(header: bytes, run: Run, samples: Iterator[bytes]) -> bytes:
    return header + box("mdat", b"".join(islice(samples, len(run.sizes))))


def _recut(movie: Movie, starts: Sequence[int], end: int | None) -> list[Run]:
    durations = [one for run in movie.runs for one in run.durations]
    sizes = [one for run in movie.runs for one in run.sizes]
    offsets = [one for run in movie.runs for one in run.offsets]
    sync = [one for run in movie.runs for one in run.sync]
    if end is not None:
        beyond = sum(durations[: starts[-1]]) - movie.track.skip - end
        durations[starts[-1] - 1] -= max(0, beyond)
    runs = []
    decode = 0
    for first, stop in pairwise(starts):
        run = Run(
            decode_start=decode,
            durations=tuple(durations[first:stop]),
            sizes=tuple(sizes[first:stop]),
            offsets=tuple(offsets[first:stop]),
            sync=tuple(sync[first:stop]),
            data=0,
        )
        decode = run.decode_end
        runs.append(run)
    return runs


# Builds what is in a fragment's header about encryption, from how many bytes lie before it.
_Auxiliary = Callable[[int], bytes]


def _auxiliary(sealed: Sealed | None, first: int, stop: int) -> _Auxiliary:
    def build(before: int) -> bytes:
        if sealed is None:
            return b""
        if first < sealed.clear:
            return clear_boxes(stop - first)
        return fragment_boxes(sealed.records[first:stop], sealed.subsamples, before)

    return build


def _initialisation(
    file: BinaryIO, movie: Movie, brands: Sequence[str], sealed: Sealed | None
) -> bytes:
    """Brands of our own, and FFmpeg's ``moov``, or the one that speaks of encryption."""
    coding = movie.track.codec_string.split(".")[0]
    further = [brand for brand in _CODING_BRANDS if brand == coding]
    file.seek(movie.moov_offset)
    clear = file.read(movie.track.header_size - movie.moov_offset)
    moov = sealed.moov if sealed else clear
    return _brands("ftyp", (brands[0], *brands, *further)) + moov


def _samples(file: BinaryIO, runs: Sequence[Run]) -> Iterator[bytes]:
    for run in runs:
        file.seek(run.data)
        for size in run.sizes:
            yield file.read(size)


def _brands(kind: str, brands: Sequence[str]) -> bytes:
    """A box of brands: the major one, and those that the file is compatible with."""
    major, *others = (brand.encode("ascii") for brand in brands)
    return box(kind, major + bytes(4) + b"".join(others))


def _index(movie: Movie, runs: Sequence[Run], headers: Sequence[bytes]) -> bytes:
    """A segment index (ISO/IEC 14496-12 8.16.3): one reference to every fragment, from time 0."""
    if len(runs) > _MOST_REFERENCES:
        raise PackageError(
            "A track has too many fragments for its index",
            why=f"there are {len(runs)}, and an index holds {_MOST_REFERENCES}",
            hint="Package the title in parts",
        )
    payload = struct.pack(">IIQQHH", movie.track_id, movie.track.timescale, 0, 0, 0, len(runs))
    time = 0
    for run, header in zip(runs, headers, strict=True):
        end = run.presentation()[1] - movie.track.skip
        size = len(header) + 8 + sum(run.sizes)
        payload += struct.pack(">III", size, end - time, _ACCESS_POINT)
        time = end
    return full_box("sidx", 1, 0, payload)


def _moof(number: int, track_id: int, run: Run, auxiliary: _Auxiliary) -> bytes:
    """The header of a fragment; what is the same for all its samples is said once."""
    flags = _DATA_OFFSET | _SIZES
    columns: list[Sequence[int]] = [run.sizes]
    if len(set(run.durations)) > 1:
        flags |= _DURATIONS
        columns.insert(0, run.durations)
    first_flags = b""
    if any(run.sync[1:]) and not all(run.sync):
        flags |= _FLAGS
        columns.append([_SYNC if sync else _NON_SYNC for sync in run.sync])
    elif not all(run.sync):
        flags |= _FIRST_FLAGS
        first_flags = struct.pack(">I", _SYNC if run.sync[0] else _NON_SYNC)
    if any(run.offsets):
        flags |= _OFFSETS
        columns.append([offset & 0xFFFFFFFF for offset in run.offsets])
    version = 1 if min(run.offsets) < 0 else 0
    words = [word for row in zip(*columns, strict=True) for word in row]
    table = first_flags + struct.pack(f">{len(words)}I", *words)
    default = _SYNC if all(run.sync) else _NON_SYNC

    def build(data_offset: int) -> bytes:
        traf = full_box("tfhd", 0, _TFHD, struct.pack(">III", track_id, run.durations[0], default))
        traf += full_box("tfdt", 1, 0, struct.pack(">Q", run.decode_start))
        head = struct.pack(">Ii", len(run.sizes), data_offset)
        traf += full_box("trun", version, flags, head + table)
        mfhd = full_box("mfhd", 0, 0, struct.pack(">I", number))
        # Places are counted from the start of moof; it and traf have headers of 8 bytes.
        traf += auxiliary(8 + len(mfhd) + 8 + len(traf))
        return box("moof", mfhd + box("traf", traf))

    # The samples start behind the header, whose length does not depend on where that is.
    return build(len(build(0)) + 8)
