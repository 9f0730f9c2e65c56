"""How long the headers of H.264 slices are (ITU-T H.264 7.3.2.1, 7.3.2.2 and 7.3.3).

Common Encryption leaves them clear (ISO/IEC 23001-7 9.5): what handles samples without their key
reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from encoder.package.cursor import Damaged
from encoder.package.nal_bits import Bits, sized_units

# No header of a slice is longer, with every table in it; few are longer than the other, which is
# read in a tenth of the time.
_LONGEST, _USUAL = 2048, 96
# Profiles whose sequence parameter sets say how chroma is sampled (7.3.2.1.1).
_HIGH = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_P, _B, _I, _SP, _SI = range(5)
_SLICE, _IDR = 1, 5
_PARTITIONS = (2, 3, 4)
_SPS, _PPS = 7, 8


@dataclass(frozen=True, slots=True)
class Sequence:
    """What slices need of a sequence parameter set: lengths are bits."""

    separate_planes: bool
    chroma: bool
    frame_number: int
    order_type: int
    order: int
    order_deltas: bool
    frames_only: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """What slices need of a picture parameter set."""

    sequence: int
    cabac: bool
    order_present: bool
    references: tuple[int, int]
    weighted: bool
    weighted_both: int
    deblocking: bool
    redundant: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameter sets of a track, by their ids."""

    sequences: Mapping[int, Sequence]
    pictures: Mapping[int, Picture]


def parse_parameters(record: bytes) -> Parameters:
    """The parameter sets of an ``avcC`` box (ISO/IEC 14496-15 5.3.3.1).

    Raises:
        Damaged: when they are cut short, or slices are not laid out as video players expect.
    """
    if len(record) < 7:
        raise Damaged("avcC is cut short")
    known = Parameters({}, {})
    at = 5
    for mask in (0x1F, 0xFF):
        count = record[at] & mask if at < len(record) else 0
        at += 1
        units, at = sized_units(record, at, count, "avcC")
        for unit in units:
            known = learn(unit, known)
    return known


def learn(unit: bytes, known: Parameters) -> Parameters:
    """The parameter sets with those of a NAL unit, which may be of any type.

    Raises:
        Damaged: as :func:`parse_parameters`.
    """
    kind = unit[0] & 0x1F
    if kind == _SPS:
        number, sequence = _sequence(unit)
        return Parameters({**known.sequences, number: sequence}, known.pictures)
    if kind == _PPS:
        number, picture = _picture(unit)
        return Parameters(known.sequences, {**known.pictures, number: picture})
    return known


def _sequence(unit: bytes) -> tuple[int, Sequence]:
    bits = Bits(unit, 1)
    profile = bits.u(8)
    bits.u(16)
    number = bits.ue()
    chroma, separate = 1, False
    if profile in _HIGH:
        chroma = bits.ue()
        separate = chroma == 3 and bits.flag()
        bits.ue()
        bits.ue()
        bits.flag()
        if bits.flag():
            for index in range(12 if chroma == 3 else 8):
                if bits.flag():
                    _scaling_list(bits, 16 if index < 6 else 64)
    frame_number = bits.ue() + 4
    order_type = bits.ue()
    order, deltas = 0, False
    if order_type == 0:
        order = bits.ue() + 4
    elif order_type == 1:
        deltas = not bits.flag()
        bits.se()
        bits.se()
        for _ in range(bits.ue()):
            bits.se()
    bits.ue()
    bits.flag()
    bits.ue()
    bits.ue()
    frames_only = bits.flag()
    colour = chroma != 0 and not separate
    return number, Sequence(separate, colour, frame_number, order_type, order, deltas, frames_only)


def _scaling_list(bits: Bits, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _picture(unit: bytes) -> tuple[int, Picture]:
    bits = Bits(unit, 1)
    number, sequence = bits.ue(), bits.ue()
    cabac, order_present = bits.flag(), bits.flag()
    if bits.ue():
        raise Damaged("its slices are in groups, which is not supported")
    references = bits.ue() + 1, bits.ue() + 1
    weighted, both = bits.flag(), bits.u(2)
    bits.se()
    bits.se()
    bits.se()
    deblocking = bits.flag()
    bits.flag()
    redundant = bits.flag()
    return number, Picture(
        sequence, cabac, order_present, references, weighted, both, deblocking, redundant
    )


def header_bytes(unit: bytes, known: Parameters) -> int:
    """The bytes of a slice's NAL unit up to the end of its header, the first byte included.

    Args:
        unit: the NAL unit of type 1 or 5, from its first byte.
        known: the parameter sets of the track.

    Raises:
        Damaged: when it refers to a parameter set that is not there, or is cut short.
    """
    try:
        return _header_bytes(unit[:_USUAL], known)
    except Damaged:
        return _header_bytes(unit[:_LONGEST], known)


def _header_bytes(unit: bytes, known: Parameters) -> int:
    bits = Bits(unit, 1)
    reference, idr = unit[0] >> 5 & 3, unit[0] & 0x1F == _IDR
    bits.ue()
    kind = bits.ue() % 5
    picture = known.pictures.get(bits.ue())
    sequence = known.sequences.get(picture.sequence) if picture else None
    if picture is None or sequence is None:
        raise Damaged("a slice refers to a parameter set that avcC does not have")
    if sequence.separate_planes:
        bits.u(2)
    bits.u(sequence.frame_number)
    field = not sequence.frames_only and bits.flag()
    if field:
        bits.flag()
    if idr:
        bits.ue()
    if sequence.order_type == 0:
        bits.u(sequence.order)
        if picture.order_present and not field:
            bits.se()
    elif sequence.order_type == 1 and sequence.order_deltas:
        bits.se()
        if picture.order_present and not field:
            bits.se()
    if picture.redundant:
        bits.ue()
    if kind == _B:
        bits.flag()
    counts = list(picture.references)
    if kind in (_P, _SP, _B) and bits.flag():
        counts[0] = bits.ue() + 1
        if kind == _B:
            counts[1] = bits.ue() + 1
    lists = {_P: 1, _SP: 1, _B: 2}.get(kind, 0)
    for _ in range(lists):
        if bits.flag():
            while bits.ue() != 3:
                bits.ue()
    if (picture.weighted and kind in (_P, _SP)) or (picture.weighted_both == 1 and kind == _B):
        _weights(bits, counts[:lists], sequence.chroma)
    if reference:
        _marking(bits, idr)
    if picture.cabac and kind not in (_I, _SI):
        bits.ue()
    bits.se()
    if kind in (_SP, _SI):
        if kind == _SP:
            bits.flag()
        bits.se()
    if picture.deblocking and bits.ue() != 1:
        bits.se()
        bits.se()
    return bits.bytes_read


def _weights(bits: Bits, counts: list[int], chroma: bool) -> None:
    """pred_weight_table (7.3.3.2)."""
    bits.ue()
    if chroma:
        bits.ue()
    for count in counts:
        if count > 32:
            raise Damaged("a slice has more than 32 references")
        for _ in range(count):
            if bits.flag():
                bits.se()
                bits.se()
            if chroma and bits.flag():
                for _ in range(4):
                    bits.se()


def _marking(bits: Bits, idr: bool) -> None:
    """dec_ref_pic_marking (7.3.3.3)."""
    if idr:
        bits.u(2)
    elif bits.flag():
        while operation := bits.ue():
            if operation in (1, 2, 3, 4, 6):
                bits.ue()
            if operation == 3:
                bits.ue()


class AvcSlices:
    """Says of the NAL units of a track, in their order, how much of each is left clear.

    Args:
        record: what the track's ``avcC`` box holds.

    Raises:
        Damaged: as :func:`parse_parameters`.
    """

    def __init__(self, record: bytes) -> None:
        self._known = parse_parameters(record)

    def clear(self, unit: bytes) -> int:
        """The bytes from the first one on; all of what is no slice.

        Raises:
            Damaged: as :func:`header_bytes`.
        """
        kind = unit[0] & 0x1F
        if kind in (_SLICE, _IDR):
            return header_bytes(unit, self._known)
        if kind in _PARTITIONS:
            raise Damaged("its slices are in partitions, which are not encrypted")
        # Later slices may refer to parameter sets in samples.
        self._known = learn(unit, self._known)
        return len(unit)
