"""Which files of a folder are served, as what, and which bytes of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

# What players look at; anything else in a package is none of a browser's business.
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".mp4": "video/mp4",
    ".m4s": "video/iso.segment",
    ".vtt": "text/vtt; charset=utf-8",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
}
# No file has so many bytes that they need more digits.
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``first`` to ``last``, both included, of a file of ``size``."""

    first: int
    last: int
    size: int

    def __len__(self) -> int:
        return self.last - self.first + 1


def find_file(root: Path, url_path: str) -> tuple[Path, str] | None:
    """The file that a URL's path means below a folder, and its media type.

    None when there is no such file, or when the path leads out of the folder by any means: dots,
    an absolute path, a symbolic link, whatever way it is escaped.
    """
    raw = unquote_to_bytes(url_path)
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    parts = name.split("/")
    if "\0" in name or "\\" in name or any(part in ("", ".", "..") for part in parts):
        return None
    kind = MEDIA_TYPES.get(Path(parts[-1]).suffix)
    if kind is None:
        return None
    try:
        base = root.resolve(strict=True)
        path = base.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    if not path.is_relative_to(base) or not path.is_file():
        return None
    return path, kind


def asked_range(header: str | None, size: int) -> ByteRange | None:
    """What a ``Range`` header asks for (RFC 9110 14.2); None for the whole file.

    A header that asks for several ranges, or is malformed, is left unheeded, as that allows.

    Raises:
        ValueError: when there are no such bytes (416).
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or not any(found.groups()):
        return None
    start, end = found.groups()
    if not start:
        length = min(int(end), size)
        if not length:
            raise ValueError("no bytes are asked for")
        return ByteRange(size - length, size - 1, size)
    first = int(start)
    last = min(int(end), size - 1) if end else size - 1
    if end and int(end) < first:
        return None
    if first >= size:
        raise ValueError("the range starts after the end")
    return ByteRange(first, last, size)
