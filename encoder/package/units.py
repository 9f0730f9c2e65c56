"""What is encrypted of samples that consist of NAL units, and what of them stays clear."""

from __future__ import annotations

from typing import Protocol

from encoder.package.avc_slices import AvcSlices
from encoder.package.cursor import Damaged
from encoder.package.hevc_slices import HevcSlices

BLOCK = 16

# Clear bytes, and protected ones behind them.
Range = tuple[int, int]


class _Slices(Protocol):
    """What knows a coding: see :class:`encoder.package.avc_slices.AvcSlices`."""

    def clear(self, unit: bytes) -> int: ...


class Units:
    """Finds what is encrypted of samples, which come in decoding order.

    Args:
        record: the configuration of H.264 or HEVC, as ``avcC`` or ``hvcC`` holds it.
        codec: the codec string, which says of which it is.
        cbcs: whether blocks may start anywhere; otherwise they end with the slice, and what is
            left over stays clear in front of them.

    Raises:
        Damaged: when it is cut short, or slices are laid out as they are not encrypted.
    """

    def __init__(self, record: bytes, codec: str, cbcs: bool) -> None:
        hevc = codec.startswith("hvc1.")
        self._slices: _Slices = HevcSlices(record) if hevc else AvcSlices(record)
        # lengthSizeMinusOne (ISO/IEC 14496-15 5.3.3.1 and 8.3.3.1).
        self._length = (record[21 if hevc else 4] & 3) + 1
        self._cbcs = cbcs

    def ranges(self, sample: bytes) -> tuple[Range, ...]:
        """Clear bytes and the protected ones behind them, again and again to the sample's end.

        Raises:
            Damaged: when the sample does not consist of NAL units.
        """
        found: list[Range] = []
        clear = at = 0
        while at < len(sample):
            start = at + self._length
            end = start + int.from_bytes(sample[at:start])
            if end > len(sample) or end <= start:
                raise Damaged("a sample does not consist of NAL units")
            unit = sample[start:end]
            protected = len(unit) - self._slices.clear(unit)
            protected -= 0 if self._cbcs else protected % BLOCK
            clear += end - at - protected
            if protected:
                found += _split(clear, protected)
                clear = 0
            at = end
        return (*found, *(_split(clear, 0) if clear else ()))


def _split(clear: int, protected: int) -> list[Range]:
    """A range; clear bytes are counted with 16 bits."""
    whole, rest = divmod(clear, 0xFFFF)
    return [(0xFFFF, 0)] * whole + [(rest, protected)]
