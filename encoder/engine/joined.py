"""A packaged track as one file, for what decodes it: scores, and pictures of frames."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from encoder.errors import MachineError, MeasureError
from encoder.verify.files import target
from encoder.verify.m3u8 import ByteRange, parse

# A playlist of a title of many hours stays far below this.
_LARGEST_PLAYLIST = 64 << 20


def whole_track(path: Path, folder: Path) -> Path:
    """The file of a track: itself, or what a media playlist names, joined.

    The initialisation and the segments of a CMAF track behind each other are a file of it
    (ISO/IEC 23000-19 7.3.3).

    Args:
        path: a media file, or a media playlist whose segments are files beside or below it.
        folder: in which a folder is made for the joined file.

    Raises:
        MeasureError: when the playlist leads elsewhere, or a file is missing.
        MachineError: when there is no room.
    """
    if path.suffix != ".m3u8":
        return path
    try:
        playlist = parse(path.name, path.read_bytes()[:_LARGEST_PLAYLIST])
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    if any(segment.whole for segment in playlist.segments):
        raise _unreadable(path, "its segments are encrypted")
    header = playlist.segments[0].map if playlist.segments else None
    if header is None:
        raise _unreadable(path, "it names no initialisation (EXT-X-MAP)")
    names = [_beside(path, one) for one in (header, *(s.range for s in playlist.segments))]
    if len(set(names)) < len(names):
        raise _unreadable(path, "it names a file twice")
    whole = folder
    try:
        whole = Path(mkdtemp(dir=folder)) / f"{path.stem}.mp4"
        with whole.open("xb") as joined:
            for name in names:
                try:
                    source = name.open("rb")
                except OSError as error:
                    raise _unreadable(name, error.strerror or str(error)) from error
                with source:
                    shutil.copyfileobj(source, joined, 1 << 20)
    except OSError as error:
        raise MachineError(
            "A track cannot be joined to be decoded",
            where=str(whole),
            why=error.strerror or str(error),
            hint="Free some space, or point ENCODER_CACHE at another disk",
        ) from error
    return whole


def _beside(playlist: Path, address: ByteRange) -> Path:
    """A file that a playlist of ours names whole."""
    name = target(playlist.name, address.uri)
    if name is None or name.startswith("../"):
        raise _unreadable(playlist, f"{address.uri} does not lie beside or below it")
    if address.offset or address.size is not None:
        raise _unreadable(playlist, f"{address.uri} is named in parts, not as a whole")
    return playlist.parent / name


def _unreadable(path: Path, why: str) -> MeasureError:
    return MeasureError(
        "A track of a package cannot be read",
        where=str(path),
        why=why,
        hint="See what `encoder verify` says of the package, or package it again",
    )
