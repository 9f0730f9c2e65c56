"""The little of ISO base media files (MP4, MOV) that FFmpeg's libraries do not tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_MOST_BOXES = 4096
_MOST_INDEX = 64 << 20
# The scheme type box names the protection: version and flags, then the scheme (ISO/IEC 23001-7).
_SCHEME = re.compile(rb"schm\0[\0-\xff]{3}(cenc|cens|cbc1|cbcs|itun|piff)")
# Dolby Vision configuration boxes: major and minor version, then the profile in seven bits.
_DOLBY_VISION = re.compile(rb"dv[cvw]C[\x01-\x03][\0-\x10]([\0-\xff])")
_EBML = b"\x1a\x45\xdf\xa3"
_MATROSKA_HEAD = 1 << 20
# In Matroska the same record is the extra data (0x41ED) of a block addition mapping whose type
# (0x41E7) is the box's name as a number.
_DOLBY_VISION_MATROSKA = re.compile(
    rb"\x41\xe7\x84dv[cvw]C\x41\xed[\0-\xff]{1,8}?[\x01-\x03][\0-\x10]([\0-\xff])"
)


@dataclass(frozen=True, slots=True)
class Box:
    """A top-level box: its four letters, where it starts, how long it says it is."""

    kind: str
    offset: int
    size: int
    truncated: bool


def top_level(path: Path) -> tuple[Box, ...]:
    """The boxes of a file one after the other; empty when it does not begin with one.

    Raises:
        OSError: when it cannot be read.
    """
    length = path.stat().st_size
    found: list[Box] = []
    offset = 0
    with path.open("rb") as file:
        while offset + 8 <= length and len(found) < _MOST_BOXES:
            file.seek(offset)
            head = file.read(16)
            kind = head[4:8]
            size = int.from_bytes(head[:4], "big")
            if size == 1 and len(head) == 16:
                size = int.from_bytes(head[8:16], "big")
            elif size == 0:
                size = length - offset
            if size < 8 or not all(32 <= c < 127 for c in kind):
                break
            found.append(Box(kind.decode("ascii"), offset, size, offset + size > length))
            offset += size
    return tuple(found)


def _contents(path: Path, boxes: tuple[Box, ...], kinds: tuple[str, ...]) -> bytes:
    with path.open("rb") as file:
        parts = []
        for box in boxes:
            if box.kind in kinds:
                file.seek(box.offset)
                parts.append(file.read(min(box.size, _MOST_INDEX)))
        return b"".join(parts)


def is_encrypted(path: Path, boxes: tuple[Box, ...]) -> bool:
    """Whether a track of an MP4 file is under a protection scheme.

    Raises:
        OSError: when it cannot be read.
    """
    return _SCHEME.search(_contents(path, boxes, ("moov",))) is not None


def dolby_vision_profile(path: Path) -> int | None:
    """The Dolby Vision profile of an MP4, MOV or Matroska file, None when it is none.

    Raises:
        OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4)
        if head == _EBML:
            found = _DOLBY_VISION_MATROSKA.search(file.read(_MATROSKA_HEAD))
            return found.group(1)[0] >> 1 if found else None
    found = _DOLBY_VISION.search(_contents(path, top_level(path), ("moov",)))
    return found.group(1)[0] >> 1 if found else None
