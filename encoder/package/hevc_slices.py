"""How long the headers of HEVC slices are (ITU-T H.265 7.3.6).

Common Encryption leaves them clear (ISO/IEC 23001-7 9.5), with the alignment that is part of them.
"""

from __future__ import annotations

from encoder.package.cursor import Damaged
from encoder.package.hevc_sets import (
    HEADER,
    Parameters,
    Picture,
    Sequence,
    choices,
    kind_of,
    learn,
    parse_parameters,
    reference_set,
)
from encoder.package.nal_bits import Bits

# With entry points for every row of blocks and column of tiles, headers can be of many kilobytes;
# few are longer than the first, which is read in a tenth of the time.
_LENGTHS = (96, 2048, 1 << 16)
_IDR = (19, 20)
_RANDOM_ACCESS = range(16, 24)
# Those that are slices (table 7-1), the others below 32 being reserved.
_SLICES = frozenset((*range(10), *range(16, 22)))
_B, _I = 0, 2
_MOST_LONG, _MOST_REFERENCES = 33, 15
_MOST_ENTRIES = 1 << 15


class HevcSlices:
    """Says of the NAL units of a track, in their order, how much of each is left clear.

    Args:
        record: what the track's ``hvcC`` box holds.

    Raises:
        Damaged: as :func:`encoder.package.hevc_sets.parse_parameters`.
    """

    def __init__(self, record: bytes) -> None:
        self._known = parse_parameters(record)

    def clear(self, unit: bytes) -> int:
        """The bytes from the first one on; all of what is no slice.

        Raises:
            Damaged: as :func:`header_bytes`.
        """
        kind, layer = kind_of(unit)
        if kind not in _SLICES:
            # Later slices may refer to parameter sets in samples.
            self._known = learn(unit, self._known)
            return len(unit)
        if layer:
            raise Damaged("its pictures are of several layers, which are not encrypted")
        return header_bytes(unit, self._known)


def header_bytes(unit: bytes, known: Parameters) -> int:
    """The bytes of a slice's NAL unit up to the end of its header, the first ones included.

    Args:
        unit: the NAL unit of a slice segment, from its first byte.
        known: the parameter sets of the track.

    Raises:
        Damaged: when it refers to a parameter set that is not there, or is cut short.
    """
    for length in _LENGTHS[:-1]:
        try:
            return _header_bytes(unit[:length], known)
        except Damaged:
            if len(unit) <= length:
                raise
    return _header_bytes(unit[: _LENGTHS[-1]], known)


def _header_bytes(unit: bytes, known: Parameters) -> int:
    bits = Bits(unit, HEADER)
    kind, _ = kind_of(unit)
    first = bits.flag()
    if kind in _RANDOM_ACCESS:
        bits.flag()
    picture = known.pictures.get(bits.ue())
    sequence = known.sequences.get(picture.sequence) if picture else None
    if picture is None or sequence is None:
        raise Damaged("a slice refers to a parameter set that hvcC does not have")
    dependent = not first and picture.dependent and bits.flag()
    if not first:
        bits.skip(sequence.address)
    if not dependent:
        _independent(bits, kind, sequence, picture)
    if picture.entry_points and (count := bits.few(_MOST_ENTRIES, "entry points")):
        bits.skip((bits.few(31, "bits of an entry point") + 1) * count)
    if picture.extended:
        bits.skip(8 * bits.few(256, "bytes of an extension"))
    # byte_alignment: a bit that is set, and then none up to the byte's end. It also tells whether
    # all before it was understood.
    aligned = bits.flag()
    if not aligned or (bits.odd and bits.u(8 - bits.odd)):
        raise Damaged("the header of a slice does not end where it should")
    return bits.bytes_read


def _independent(bits: Bits, kind: int, sequence: Sequence, picture: Picture) -> None:
    """What slice segments have that do not take it from the one before."""
    bits.skip(picture.extra_bits)
    if (slice_type := bits.ue()) > _I:
        raise Damaged(f"a slice is of type {slice_type}, which is not known")
    if picture.output:
        bits.flag()
    if sequence.separate_planes:
        bits.u(2)
    total, vectors = 0, False
    if kind not in _IDR:
        bits.u(sequence.order)
        total = _short_term(bits, sequence) + _long_term(bits, sequence)
        vectors = sequence.motion_vectors and bits.flag()
    luma = chroma = False
    if sequence.sample_adaptive:
        luma = bits.flag()
        chroma = sequence.chroma and bits.flag()
    if slice_type != _I:
        _predicted(bits, slice_type == _B, sequence, picture, total, vectors)
    bits.se()
    if picture.chroma_offsets:
        bits.se()
        bits.se()
    if picture.chroma_lists:
        bits.flag()
    off = picture.deblocking_off
    if picture.deblocking_override and bits.flag():
        off = bits.flag()
        if not off:
            bits.se()
            bits.se()
    if picture.across_slices and (luma or chroma or not off):
        bits.flag()


def _short_term(bits: Bits, sequence: Sequence) -> int:
    """How many pictures of the set of short-term pictures are referred to."""
    sets = sequence.sets
    if not bits.flag():
        chosen = reference_set(bits, sets, len(sets))
    else:
        number = bits.u(choices(len(sets)))
        if number >= len(sets):
            raise Damaged("a slice refers to a set of reference pictures that is not there")
        chosen = sets[number]
    return sum(used for part in chosen for _, used in part)


def _long_term(bits: Bits, sequence: Sequence) -> int:
    """How many long-term pictures are referred to."""
    known = sequence.long_used
    if known is None:
        return 0
    listed = bits.few(len(known), "long-term pictures") if known else 0
    found = 0
    for number in range(listed + bits.few(_MOST_LONG, "long-term pictures")):
        if number < listed:
            place = bits.u(choices(len(known)))
            found += place < len(known) and known[place]
        else:
            bits.u(sequence.order)
            found += bits.flag()
        if bits.flag():
            bits.ue()
    return found


def _predicted(
    bits: Bits, both: bool, sequence: Sequence, picture: Picture, total: int, vectors: bool
) -> None:
    """What slices of P and B have."""
    counts = list(picture.references[: 1 + both])
    if bits.flag():
        counts = [bits.few(_MOST_REFERENCES - 1, "references") + 1 for _ in counts]
    if picture.lists_modified and total > 1:
        for count in counts:
            if bits.flag():
                bits.skip(count * choices(total))
    if both:
        bits.flag()
    if picture.cabac_init:
        bits.flag()
    if vectors:
        first = not both or bits.flag()
        if counts[0 if first else 1] > 1:
            bits.ue()
    if picture.weighted_both if both else picture.weighted:
        _weights(bits, counts, sequence.chroma)
    bits.ue()


def _weights(bits: Bits, counts: list[int], chroma: bool) -> None:
    """pred_weight_table (7.3.6.3)."""
    bits.ue()
    if chroma:
        bits.se()
    for count in counts:
        luma = [bits.flag() for _ in range(count)]
        colour = [chroma and bits.flag() for _ in range(count)]
        for number in range(count):
            for _ in range(2 * luma[number] + 4 * colour[number]):
                bits.se()
