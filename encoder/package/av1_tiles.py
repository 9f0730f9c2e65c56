"""Where the tiles of AV1 lie in its samples: what Common Encryption encrypts (AV1 in ISOBMFF 4).

Only who reads the whole frame header finds them. FFmpeg does, when it encrypts itself: it is let do
so, under a key of zeros, and nothing of the result is taken but the ranges in its ``senc`` boxes.
"""

from __future__ import annotations

from pathlib import Path

from encoder.errors import PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.package.boxes import read_movie
from encoder.package.cursor import Cursor, Damaged, children, only
from encoder.package.protect_boxes import SUBSAMPLES
from encoder.package.rewrap import rewrap_marked
from encoder.package.units import Range

# The vector of a sample that FFmpeg writes.
_VECTOR = 8


def tile_ranges(ffmpeg: Ffmpeg, source: Path, work: Path) -> list[tuple[Range, ...]]:
    """For each sample of a track, clear bytes and the tile's behind them, again and again.

    A tile's last whole blocks are given, so that what is left over is clear in front of them.

    Args:
        ffmpeg: the program.
        source: the track as FFmpeg rewrapped it.
        work: an existing folder for the file to read them from.

    Raises:
        PackageError: when this FFmpeg does not know tiles, or the track is damaged.
    """
    marked = work / "marked.mp4"
    rewrap_marked(ffmpeg, source, marked)
    found: list[tuple[Range, ...]] = []
    movie = read_movie(marked, indexed=False)
    try:
        with marked.open("rb") as file:
            for fragment, run in zip(movie.track.fragments, movie.runs, strict=True):
                file.seek(fragment.offset)
                head = file.read(run.data - fragment.offset)
                size = int.from_bytes(head[:4])
                found += _records(head[8:size], len(run.sizes))
    except Damaged as error:
        raise PackageError(
            "The tiles of an AV1 rendition are not found",
            where=str(source),
            why=str(error),
            hint="Use the FFmpeg that comes with the install, or one of version 8 or later",
        ) from error
    finally:
        marked.unlink()
    return found


def _records(moof: bytes, samples: int) -> list[tuple[Range, ...]]:
    traf = only(children(moof, "moof"), "traf", "moof")
    senc = only(children(traf.payload, traf.path), "senc", traf.path)
    cursor = Cursor(senc.payload, senc.path)
    _, flags = cursor.full_box()
    if not flags & SUBSAMPLES:
        raise Damaged("this FFmpeg encrypts AV1 whole")
    if cursor.u32() != samples:
        raise Damaged(f"{senc.path} is not of {samples} samples")
    found = []
    for _ in range(samples):
        cursor.take(_VECTOR)
        found.append(tuple((cursor.u16(), cursor.u32()) for _ in range(cursor.u16())))
    return found
