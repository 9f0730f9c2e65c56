"""The files of a package, read piece by piece: the only module of the room that opens any."""

from __future__ import annotations

import os
import posixpath
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Segments may be a file each, so only a few stay open.
_OPEN_AT_ONCE = 16
# A manifest of a day in segments of a second, several times over.
LARGEST_MANIFEST = 16 << 20


class Files:
    """Reads below a folder by names relative to it, written with slashes.

    Names may lead out of the folder by ``..``, as playlists in a folder of their own do.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: OrderedDict[str, int] = OrderedDict()
        self._sizes: dict[str, int | None] = {}

    def size(self, name: str) -> int | None:
        """Bytes of a file; None when there is none that can be read."""
        if name not in self._sizes:
            path = self.root / name
            try:
                found = path.stat().st_size if path.is_file() else None
            except (OSError, ValueError):
                found = None
            self._sizes[name] = found
        return self._sizes[name]

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Bytes of a file; fewer where it ends before, none where there is no such file."""
        if self.size(name) is None or size <= 0:
            return b""
        try:
            return os.pread(self._handle(name), size, offset)
        except OSError:
            return b""

    def text(self, name: str, most: int = LARGEST_MANIFEST) -> bytes:
        """A manifest, whole; the start of it when it is too large to be one."""
        return self.read(name, 0, min(self.size(name) or 0, most))

    def all(self) -> Iterator[str]:
        """The names of all files below the folder."""
        for folder, folders, names in os.walk(self.root):
            folders.sort()
            for name in sorted(names):
                yield Path(folder, name).relative_to(self.root).as_posix()

    def close(self) -> None:
        """Closes what is open."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _handle(self, name: str) -> int:
        handle = self._open.pop(name, None)
        if handle is None:
            handle = os.open(self.root / name, os.O_RDONLY)
            if len(self._open) >= _OPEN_AT_ONCE:
                os.close(self._open.popitem(last=False)[1])
        self._open[name] = handle
        return handle


def target(base: str, uri: str) -> str | None:
    """The name that a URI in a file stands for; None when it leads to another machine or to the
    root of a server, so that it cannot be followed here.

    Args:
        base: the name of the file that holds the URI, or a folder ending with a slash.
        uri: as written there.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme or parts.netloc or parts.path.startswith("/") or not parts.path:
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(parts.path)))
