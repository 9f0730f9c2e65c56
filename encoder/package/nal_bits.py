"""Reads the bits of NAL units: ITU-T H.264 and H.265, 7.3.1 and 9.1 or 9.2."""

from __future__ import annotations

from encoder.package.cursor import Damaged

_ENDS = "a NAL unit ends within its header"


def sized_units(record: bytes, at: int, count: int, box: str) -> tuple[list[bytes], int]:
    """So many NAL units of a decoder configuration record, and where the last of them ends.

    Each has its length before it, in two bytes (ISO/IEC 14496-15 5.3.3.1 and 8.3.3.1).

    Args:
        record: what the box has.
        at: where the first length is.
        count: of units.
        box: its name, for messages.

    Raises:
        Damaged: when it is cut short, or a unit has no bytes.
    """
    units = []
    for _ in range(count):
        length = int.from_bytes(record[at : at + 2])
        unit = record[at + 2 : at + 2 + length]
        if len(unit) != length or not unit:
            raise Damaged(f"{box} is cut short")
        units.append(unit)
        at += 2 + length
    return units, at


class Bits:
    """The bits of a NAL unit behind its header, without the bytes that prevent start codes.

    Args:
        unit: the unit, or its start.
        header: the bytes of its header.
    """

    def __init__(self, unit: bytes, header: int) -> None:
        self._header = header
        # Where those bytes lie, in the unit.
        self._left_out: list[int] = []
        parts: list[bytes] = []
        start = header
        while (at := unit.find(b"\0\0\3", start)) >= 0:
            parts.append(unit[start : at + 2])
            start = at + 3
            self._left_out.append(at + 2)
        data = b"".join([*parts, unit[start:]])
        # As text, which is read faster than numbers of hundreds of bits are shifted.
        self._count = 8 * len(data)
        self._bits = f"{int.from_bytes(data):0{self._count}b}" if data else ""
        self._at = 0

    def u(self, count: int) -> int:
        """An unsigned number of some bits.

        Raises:
            Damaged: when there are not that many; so do all other readers.
        """
        at = self._at
        self.skip(count)
        return int(self._bits[at : self._at], 2) if count else 0

    def skip(self, count: int) -> None:
        """Passes over some bits."""
        self._at += count
        if self._at > self._count:
            raise Damaged(_ENDS)

    def flag(self) -> bool:
        """A bit."""
        at = self._at
        if at == self._count:
            raise Damaged(_ENDS)
        self._at = at + 1
        return self._bits[at] == "1"

    def ue(self) -> int:
        """An unsigned number by Exponential-Golomb."""
        at = self._at
        one = self._bits.find("1", at)
        if one == at:
            self._at = at + 1
            return 0
        end = 2 * one - at + 1
        if one < 0 or end > self._count:
            raise Damaged(_ENDS)
        if one - at > 32:
            raise Damaged("a NAL unit has a number of more than 32 bits")
        self._at = end
        return int(self._bits[one:end], 2) - 1

    def se(self) -> int:
        """A signed number by Exponential-Golomb."""
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)

    def few(self, most: int, what: str) -> int:
        """A count, as :meth:`ue`, that may not be larger than a bound; ``what`` is counted."""
        if (count := self.ue()) > most:
            raise Damaged(f"a NAL unit has {count} {what}, of {most} that there may be")
        return count

    @property
    def odd(self) -> int:
        """How many bits of the last byte have been read; 0 for all."""
        return self._at % 8

    @property
    def bytes_read(self) -> int:
        """Bytes of the unit, as it lies in the sample, up to the last bit read."""
        place = (self._at - 1) // 8 + self._header
        for one in self._left_out:
            if one <= place:
                place += 1
        return place + 1
