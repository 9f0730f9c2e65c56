"""Reading bytes that are not trusted: every size is checked before it is used."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass


class Damaged(ValueError):  # noqa: N818 - what the bytes are, not a defect of this program
    """Bytes that contradict themselves or the format. The message says where and how."""


class Cursor:
    """Takes values off the front of some bytes; ``path`` names them in messages."""

    def __init__(self, data: bytes, path: str) -> None:
        self.path = path
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes.

        Raises:
            Damaged: when there are not that many; so do all other readers.
        """
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise Damaged(
                f"{self.path} ends after {len(self._data)} bytes, where {end} are announced"
            )
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._at)

    def u8(self) -> int:
        """An unsigned byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """An unsigned 16-bit number."""
        return int.from_bytes(self.take(2))

    def u32(self) -> int:
        """An unsigned 32-bit number."""
        return int.from_bytes(self.take(4))

    def words(self, count: int) -> tuple[int, ...]:
        """Unsigned 32-bit numbers."""
        return struct.unpack(f">{count}I", self.take(4 * count))

    def i32(self) -> int:
        """A signed 32-bit number."""
        return int.from_bytes(self.take(4), signed=True)

    def u64(self) -> int:
        """An unsigned 64-bit number."""
        return int.from_bytes(self.take(8))

    def i64(self) -> int:
        """A signed 64-bit number."""
        return int.from_bytes(self.take(8), signed=True)

    def sized(self, version: int) -> int:
        """An unsigned number of 32 bits in version 0 of a box, of 64 in version 1."""
        return self.u64() if version else self.u32()

    def full_box(self) -> tuple[int, int]:
        """Version (0 or 1) and flags of a full box."""
        version, flags = self.u8(), int.from_bytes(self.take(3))
        if version > 1:
            raise Damaged(f"{self.path} is of version {version}, which is not known")
        return version, flags

    def end(self) -> None:
        """Makes sure that nothing is left."""
        if left := len(self._data) - self._at:
            raise Damaged(f"{self.path} has {left} bytes too many")


@dataclass(frozen=True, slots=True)
class Box:
    """A box in memory: its four-character code, what it holds, and its way down from the top."""

    kind: str
    payload: bytes
    path: str


def children(data: bytes, path: str) -> tuple[Box, ...]:
    """The boxes that some bytes consist of.

    Raises:
        Damaged: when their sizes do not add up to the bytes.
    """
    found = []
    at = 0
    while at < len(data):
        cursor = Cursor(data[at : at + 16], f"{path} at byte {at}")
        size, kind = cursor.u32(), cursor.take(4)
        header = 8
        if size == 1:
            size, header = cursor.u64(), 16
        name = four(kind)
        if size < header or at + size > len(data):
            raise Damaged(
                f"{path}/{name} claims {size} bytes at byte {at} of the {len(data)} of {path}"
            )
        found.append(Box(name, data[at + header : at + size], f"{path}/{name}"))
        at += size
    return tuple(found)


def four(code: bytes) -> str:
    """A four-character code as printable text."""
    return "".join(chr(c) if 32 < c < 127 else f"\\x{c:02x}" for c in code)


def only(boxes: Sequence[Box], kind: str | None = None, within: str = "") -> Box:
    """The one box (of that kind, when one is named).

    Raises:
        Damaged: when there is none, or there are several.
    """
    found = [box for box in boxes if kind is None or box.kind == kind]
    if len(found) != 1:
        where = f" in {within}" if within else ""
        raise Damaged(f"{len(found)} {kind or 'sample entry'} boxes{where}, not 1")
    return found[0]


def at_most_one(boxes: Sequence[Box], kind: str, within: str) -> Box | None:
    """The box of that kind, if there is one.

    Raises:
        Damaged: when there are several.
    """
    return only(boxes, kind, within) if any(box.kind == kind for box in boxes) else None
