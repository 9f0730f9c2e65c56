"""Where the tracks of a package lie in it, and under which names."""

from __future__ import annotations

import re
from pathlib import Path

from encoder.errors import PackageError
from encoder.media.package import Layout

# 64 bits of SHA-256: two contents that share them will not meet at one address.
_DIGITS = 16


def hashed(name: str, digest: str) -> str:
    """A name that stands for one content alone."""
    return f"{name}-{digest[:_DIGITS]}"


def track_place(layout: Layout, kind: str, identifier: str, digest: str = "") -> Path:
    """Where a track lies, relative to the package: a file, or a folder of files.

    Args:
        layout: of the package.
        kind: of the track: ``video`` or ``audio``.
        identifier: the track's id.
        digest: the hash of its content in hexadecimal; empty for the name without one.
    """
    return Path(kind, _name(layout, identifier, digest) + _suffix(layout))


def text_place(layout: Layout, identifier: str, digest: str = "") -> Path:
    """Where the whole of a track of subtitles lies, relative to the package."""
    return Path("text", f"{_name(layout, identifier, digest)}.vtt")


def find_track(layout: Layout, into: Path, kind: str, identifier: str) -> Path:
    """Where a track of a package lies, relative to it.

    Raises:
        PackageError: when it is not there.
    """
    return find_hashed(
        layout, into, track_place(layout, kind, identifier), identifier, _suffix(layout)
    )


def find_text(layout: Layout, into: Path, identifier: str) -> Path:
    """Where the whole of a track of subtitles lies, relative to the package.

    Raises:
        PackageError: when it is not there.
    """
    return find_hashed(layout, into, text_place(layout, identifier), identifier, ".vtt")


def _name(layout: Layout, identifier: str, digest: str) -> str:
    return hashed(identifier, digest) if digest and layout.names == "hash" else identifier


def _suffix(layout: Layout) -> str:
    return "" if layout.segments == "files" else ".mp4"


def find_hashed(layout: Layout, into: Path, plain: Path, identifier: str, suffix: str) -> Path:
    """Where something of a package lies whose plain name is known, relative to the package.

    Args:
        layout: of the package.
        into: the package.
        plain: its place, where names have no hashes.
        identifier: what its name starts with.
        suffix: what its name ends with, behind the hash.

    Raises:
        PackageError: when it is not there.
    """
    found = [plain.name] if (into / plain).exists() else []
    if layout.names == "hash":
        names = re.compile(rf"{re.escape(identifier)}-[0-9a-f]{{{_DIGITS}}}{re.escape(suffix)}")
        folder = into / plain.parent
        there = [one.name for one in folder.iterdir()] if folder.is_dir() else []
        found = [name for name in there if names.fullmatch(name)]
    if len(found) != 1:
        raise PackageError(
            "A track of the package is missing",
            where=str(into / plain),
            why="it is not there" if not found else "several names with a hash are there for it",
            hint="Package again",
        )
    return plain.with_name(found[0])
