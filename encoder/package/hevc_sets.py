"""What headers of slices need of HEVC's parameter sets (ITU-T H.265 7.3.2.2, 7.3.2.3)."""

from __future__ import annotations

from collections.abc import Sequence as Listed
from dataclasses import dataclass

from encoder.package.cursor import Damaged
from encoder.package.nal_bits import Bits, sized_units

HEADER = 2
_SPS, _PPS = 33, 34
# Profiles of screen content, whose slices have more in their headers (A.3.7, A.3.8).
_SCREEN = (9, 11)
_MOST_SUB_LAYERS = 6
# Bounds of 7.4.3.2.1, 7.4.3.3.1 and 7.4.8.
_MOST_SETS, _MOST_LONG, _MOST_PICTURES, _MOST_REFERENCES = 64, 32, 16, 15
# More than any level has (table A.8), for rows and columns alike.
_MOST_TILES = 64
# Of a picture; beyond them a number of its blocks would be no number any more.
_LONGEST_SIDE = 1 << 16

# The pictures that a slice may refer to, as distances and whether it does: those before, those
# after it.
Distances = tuple[tuple[int, bool], ...]
Set = tuple[Distances, Distances]


@dataclass(frozen=True, slots=True)
class Sequence:
    """What slices need of a sequence parameter set.

    ``address`` and ``order`` are lengths in bits: of a slice's place, and of a picture's order.
    ``long_used`` is of each long-term picture whether it is referred to, or None where there may
    be none.
    """

    separate_planes: bool
    chroma: bool
    address: int
    order: int
    sample_adaptive: bool
    sets: tuple[Set, ...]
    long_used: tuple[bool, ...] | None
    motion_vectors: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """What slices need of a picture parameter set."""

    sequence: int
    dependent: bool
    output: bool
    extra_bits: int
    cabac_init: bool
    references: tuple[int, int]
    chroma_offsets: bool
    weighted: bool
    weighted_both: bool
    entry_points: bool
    across_slices: bool
    deblocking_override: bool
    deblocking_off: bool
    lists_modified: bool
    extended: bool
    chroma_lists: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameter sets of a track, by their ids."""

    sequences: dict[int, Sequence]
    pictures: dict[int, Picture]


def kind_of(unit: bytes) -> tuple[int, int]:
    """The type and the layer of a NAL unit (7.3.1.2)."""
    if len(unit) < HEADER:
        raise Damaged("a NAL unit is cut short")
    return unit[0] >> 1 & 0x3F, (unit[0] & 1) << 5 | unit[1] >> 3


def parse_parameters(record: bytes) -> Parameters:
    """The parameter sets of an ``hvcC`` box (ISO/IEC 14496-15 8.3.3.1).

    Raises:
        Damaged: when they are cut short, or slices are not laid out as video players expect.
    """
    if len(record) < 23:
        raise Damaged("hvcC is cut short")
    known = Parameters({}, {})
    at = 23
    for _ in range(record[22]):
        count = int.from_bytes(record[at + 1 : at + 3])
        at += 3
        units, at = sized_units(record, at, count, "hvcC")
        for unit in units:
            known = learn(unit, known)
    return known


def learn(unit: bytes, known: Parameters) -> Parameters:
    """The parameter sets with those of a NAL unit, which may be of any type.

    Raises:
        Damaged: as :func:`parse_parameters`.
    """
    kind, layer = kind_of(unit)
    if kind == _SPS and layer == 0:
        number, sequence = _sequence(Bits(unit, HEADER))
        return Parameters({**known.sequences, number: sequence}, known.pictures)
    if kind == _PPS and layer == 0:
        number, picture = _picture(Bits(unit, HEADER))
        return Parameters(known.sequences, {**known.pictures, number: picture})
    return known


def _sequence(bits: Bits) -> tuple[int, Sequence]:
    bits.u(4)
    sub_layers = bits.u(3)
    bits.u(1)
    _profile(bits, sub_layers)
    number = bits.ue()
    chroma = bits.ue()
    separate = chroma == 3 and bits.flag()
    width, height = bits.few(_LONGEST_SIDE, "columns"), bits.few(_LONGEST_SIDE, "rows")
    if bits.flag():
        for _ in range(4):
            bits.ue()
    bits.ue()
    bits.ue()
    order = bits.few(12, "bits of order") + 4
    for _ in range(sub_layers + 1 if bits.flag() else 1):
        for _ in range(3):
            bits.ue()
    block = bits.ue() + 3 + bits.ue()
    if not 3 <= block <= 6:
        raise Damaged(f"its blocks are of 2^{block} pixels, which HEVC does not have")
    for _ in range(4):
        bits.ue()
    if bits.flag() and bits.flag():
        _scaling_lists(bits)
    bits.flag()
    adaptive = bits.flag()
    if bits.flag():
        bits.u(8)
        bits.ue()
        bits.ue()
        bits.flag()
    sets: list[Set] = []
    count = bits.few(_MOST_SETS, "sets of reference pictures")
    for _ in range(count):
        sets.append(reference_set(bits, sets, count))
    long_used: tuple[bool, ...] | None = None
    if bits.flag():
        used = []
        for _ in range(bits.few(_MOST_LONG, "long-term pictures")):
            bits.u(order)
            used.append(bits.flag())
        long_used = tuple(used)
    # Both rounded up.
    blocks = (-width >> block) * (-height >> block)
    return number, Sequence(
        separate_planes=separate,
        chroma=chroma != 0 and not separate,
        address=choices(blocks),
        order=order,
        sample_adaptive=adaptive,
        sets=tuple(sets),
        long_used=long_used,
        motion_vectors=bits.flag(),
    )


def choices(count: int) -> int:
    """The bits of a number of some that there are: the base-2 logarithm, rounded up."""
    return max(0, count - 1).bit_length()


def _profile(bits: Bits, sub_layers: int) -> None:
    """profile_tier_level (7.3.3)."""
    bits.u(3)
    profile = bits.u(5)
    compatible = bits.u(32)
    if profile in _SCREEN or (not profile and any(compatible >> 31 - one & 1 for one in _SCREEN)):
        raise Damaged("it is of a profile of screen content, which is not encrypted")
    bits.skip(48 + 8)
    if sub_layers > _MOST_SUB_LAYERS:
        raise Damaged(f"it has {sub_layers + 1} sub-layers, more than HEVC has")
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers)]
    if sub_layers:
        bits.skip(2 * (8 - sub_layers))
    for with_profile, with_level in present:
        bits.skip(88 * with_profile + 8 * with_level)


def _scaling_lists(bits: Bits) -> None:
    """scaling_list_data (7.3.4)."""
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.flag():
                bits.ue()
                continue
            if size > 1:
                bits.se()
            for _ in range(min(64, 1 << 4 + 2 * size)):
                bits.se()


def reference_set(bits: Bits, sets: Listed[Set], count: int) -> Set:
    """st_ref_pic_set (7.3.7, 7.4.8).

    Args:
        bits: where it starts.
        sets: those before it.
        count: of the sets of the sequence; as many as there are before it where a slice has it.

    Raises:
        Damaged: when it refers to a set that is not there, or is too large.
    """
    if sets and bits.flag():
        back = bits.ue() + 1 if len(sets) == count else 1
        if back > len(sets):
            raise Damaged("a set of reference pictures is derived from one that is not there")
        sign = bits.u(1)
        distance = (bits.ue() + 1) * (1 - 2 * sign)
        return _derived(bits, sets[-back], distance)
    before = bits.few(_MOST_PICTURES, "reference pictures")
    after = bits.few(_MOST_PICTURES, "reference pictures")
    return _listed(bits, before, -1), _listed(bits, after, 1)


def _listed(bits: Bits, count: int, direction: int) -> Distances:
    found: list[tuple[int, bool]] = []
    at = 0
    for _ in range(count):
        at += direction * (bits.ue() + 1)
        found.append((at, bits.flag()))
    return tuple(found)


def _derived(bits: Bits, of: Set, distance: int) -> Set:
    """Equations 7-61 and 7-62: the pictures of another set, seen from another picture."""
    before, after = of
    # The picture that the other set is of comes last.
    marks = []
    for _ in range(len(before) + len(after) + 1):
        used = bits.flag()
        marks.append((used, used or bits.flag()))
    places = [
        (at + distance, *mark) for (at, _), mark in zip((*before, *after), marks, strict=False)
    ]
    own = (distance, *marks[-1])
    first, second = places[: len(before)], places[len(before) :]

    def kept(found: Listed[tuple[int, bool, bool]], direction: int) -> Distances:
        return tuple((at, used) for at, used, there in found if there and at * direction > 0)

    return (
        kept([*reversed(second), own, *first], -1),
        kept([*reversed(first), own, *second], 1),
    )


def _picture(bits: Bits) -> tuple[int, Picture]:
    number, sequence = bits.ue(), bits.ue()
    dependent, output, extra = bits.flag(), bits.flag(), bits.u(3)
    bits.flag()
    cabac_init = bits.flag()
    references = (
        bits.few(_MOST_REFERENCES - 1, "references") + 1,
        bits.few(_MOST_REFERENCES - 1, "references") + 1,
    )
    bits.se()
    bits.flag()
    skipping = bits.flag()
    if bits.flag():
        bits.ue()
    bits.se()
    bits.se()
    chroma_offsets, weighted, weighted_both = bits.flag(), bits.flag(), bits.flag()
    bits.flag()
    tiles, rows = bits.flag(), bits.flag()
    if tiles:
        across = bits.few(_MOST_TILES, "tiles") + bits.few(_MOST_TILES, "tiles")
        if not bits.flag():
            for _ in range(across):
                bits.ue()
        bits.flag()
    across_slices = bits.flag()
    override = off = False
    if bits.flag():
        override, off = bits.flag(), bits.flag()
        if not off:
            bits.se()
            bits.se()
    if bits.flag():
        _scaling_lists(bits)
    lists_modified = bits.flag()
    bits.ue()
    extended = bits.flag()
    return number, Picture(
        sequence=sequence,
        dependent=dependent,
        output=output,
        extra_bits=extra,
        cabac_init=cabac_init,
        references=references,
        chroma_offsets=chroma_offsets,
        weighted=weighted,
        weighted_both=weighted_both,
        entry_points=tiles or rows,
        across_slices=across_slices,
        deblocking_override=override,
        deblocking_off=off,
        lists_modified=lists_modified,
        extended=extended,
        chroma_lists=_chroma_lists(bits, skipping),
    )


def _chroma_lists(bits: Bits, skipping: bool) -> bool:
    """Whether slices say that they have lists of chroma offsets: in extensions of a set."""
    if not bits.flag():
        return False
    ranged, layered, deep, screen = (bits.flag() for _ in range(4))
    bits.u(4)
    if layered or deep or screen:
        raise Damaged("its pictures have extensions (layers, screen content), not encrypted here")
    if not ranged:
        return False
    if skipping:
        bits.ue()
    bits.flag()
    return bits.flag()
