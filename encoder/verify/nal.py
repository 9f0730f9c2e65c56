"""What the first bytes of a sample say: whether decoding can start there.

H.264 is ITU-T H.264 7.4.1, HEVC ITU-T H.265 7.4.2.2, AV1 its specification's 5.3 and 5.9.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from encoder.verify.initialisation import Coding

Start = Literal["idr", "open", "none", "unknown"]

# Headers of a sample are few; a longer run is no video.
_MOST_UNITS = 64


@dataclass(frozen=True, slots=True)
class First:
    """How a sample starts: ``idr`` (decodes alone, and all after it), ``open`` (decodes alone, but
    pictures shown before it may not), ``none``, or ``unknown``. ``sps`` are the sequence parameter
    sets in front of it."""

    start: Start
    sps: tuple[bytes, ...] = ()


UNKNOWN = First("unknown")


def first_picture(coding: Coding, read: Callable[[int, int], bytes], size: int) -> First:
    """How a sample starts.

    Args:
        coding: of the track.
        read: gives bytes of the sample: offset and size to bytes, fewer at its end.
        size: of the sample.
    """
    if coding.kind == "av01":
        return _av1(read(0, 64))
    if not coding.nal_length or coding.scheme:
        return UNKNOWN
    hevc = coding.kind in ("hvc1", "hev1")
    at = 0
    sets: list[bytes] = []
    for _ in range(_MOST_UNITS):
        head = read(at, coding.nal_length + 1)
        if len(head) <= coding.nal_length or at + len(head) > size:
            break
        length = int.from_bytes(head[:-1])
        kind = head[-1] >> 1 & 0x3F if hevc else head[-1] & 0x1F
        if hevc and kind < 32:
            start: Start = "idr" if kind in (19, 20) else "open" if 16 <= kind <= 21 else "none"
            return First(start, tuple(sets))
        if not hevc and 1 <= kind <= 5:
            return First("idr" if kind == 5 else "none", tuple(sets))
        if kind == (33 if hevc else 7):
            sets.append(read(at + coding.nal_length, min(length, 1024)))
        at += coding.nal_length + length
    return First("none", tuple(sets))


def configured_sps(coding: Coding) -> tuple[bytes, ...]:
    """The sequence parameter sets of an H.264 record (ISO/IEC 14496-15 5.3.3.1)."""
    record = coding.record
    if coding.kind not in ("avc1", "avc3") or len(record) < 6:
        return ()
    found, at = [], 6
    for _ in range(record[5] & 0x1F):
        length = int.from_bytes(record[at : at + 2])
        found.append(record[at + 2 : at + 2 + length])
        at += 2 + length
    return tuple(found)


def _av1(data: bytes) -> First:
    at = 0
    while at < len(data):
        kind, extension, sized = data[at] >> 3 & 15, data[at] >> 2 & 1, data[at] >> 1 & 1
        at += 1 + extension
        length, shift = 0, 0
        while sized and at < len(data):
            length |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 0x80:
                break
        if kind in (3, 6) and at < len(data):
            shown, frame = data[at] >> 7, data[at] >> 5 & 3
            return First("idr" if not shown and frame == 0 else "none")
        at += length
    return UNKNOWN
