"""What decoders of a level can do: sizes, rates and buffers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from encoder.errors import UsageError


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a codec.

    ``picture`` is the most luma samples of a picture, ``side`` the most in a row or a column,
    ``rate`` the most luma samples a second; ``bitrate`` (bits per second) and ``buffer`` (bits)
    bound the buffer model. ``stored`` are the luma samples of the pictures that a decoder keeps at
    once; None where a codec always keeps as many pictures.
    """

    name: str
    picture: int
    side: int
    rate: int
    bitrate: int
    buffer: int
    stored: int | None = None

    def holds(self, width: int, height: int, frame_rate: Fraction) -> bool:
        """Whether pictures of a size can be decoded at a rate; sizes count as they are coded, in
        whole macroblocks."""
        wide, high = _whole(width), _whole(height)
        samples = wide * high
        return (
            samples <= self.picture
            and max(wide, high) <= self.side
            and samples * frame_rate <= self.rate
        )

    def references(self, width: int, height: int) -> int | None:
        """How many pictures of a size can be referred to, at most 16; None: as many as ever."""
        if self.stored is None:
            return None
        return max(1, min(16, self.stored // (_whole(width) * _whole(height))))


def _whole(length: int) -> int:
    return -(-length // 16) * 16


def level_of(levels: Iterable[Level], codec: str, name: str) -> Level:
    """The level of that name.

    Raises:
        UsageError: when there is none.
    """
    known = {level.name: level for level in levels}
    if name not in known:
        raise UsageError(
            f"{codec} has no such level", where=name, hint=f"Choose one of {', '.join(known)}"
        )
    return known[name]


def _avc(name: str, rate: int, frame: int, stored: int, kbits: int, buffer: int) -> Level:
    samples = 256
    return Level(
        name=name,
        picture=frame * samples,
        # A.3.1: sides are at most the root of eight times the frame, in macroblocks.
        side=int((8 * frame) ** 0.5) * 16,
        rate=rate * samples,
        # High profile (table A-2): cpbBrVclFactor is 1250.
        bitrate=kbits * 1250,
        buffer=buffer * 1250,
        stored=stored * samples,
    )


#: ITU-T H.264, table A-1: MaxMBPS, MaxFS, MaxDpbMbs, MaxBR, MaxCPB.
AVC_LEVELS = (
    _avc("1", 1_485, 99, 396, 64, 175),
    _avc("1.1", 3_000, 396, 900, 192, 500),
    _avc("1.2", 6_000, 396, 2_376, 384, 1_000),
    _avc("1.3", 11_880, 396, 2_376, 768, 2_000),
    _avc("2", 11_880, 396, 2_376, 2_000, 2_000),
    _avc("2.1", 19_800, 792, 4_752, 4_000, 4_000),
    _avc("2.2", 20_250, 1_620, 8_100, 4_000, 4_000),
    _avc("3", 40_500, 1_620, 8_100, 10_000, 10_000),
    _avc("3.1", 108_000, 3_600, 18_000, 14_000, 14_000),
    _avc("3.2", 216_000, 5_120, 20_480, 20_000, 20_000),
    _avc("4", 245_760, 8_192, 32_768, 20_000, 25_000),
    _avc("4.1", 245_760, 8_192, 32_768, 50_000, 62_500),
    _avc("4.2", 522_240, 8_704, 34_816, 50_000, 62_500),
    _avc("5", 589_824, 22_080, 110_400, 135_000, 135_000),
    _avc("5.1", 983_040, 36_864, 184_320, 240_000, 240_000),
    _avc("5.2", 2_073_600, 36_864, 184_320, 240_000, 240_000),
    _avc("6", 4_177_920, 139_264, 696_320, 240_000, 240_000),
    _avc("6.1", 8_355_840, 139_264, 696_320, 480_000, 480_000),
    _avc("6.2", 16_711_680, 139_264, 696_320, 800_000, 800_000),
)


def _av1(name: str, picture: int, side: int, rate: int, mbits: float) -> Level:
    # A.3: the buffer holds a second at the level's rate.
    bits = round(mbits * 1_000_000)
    return Level(name, picture, side, rate, bits, bits)


#: AV1 bitstream specification, A.3: MaxPicSize, MaxHSize, MaxDisplayRate, MainMbps.
AV1_LEVELS = (
    _av1("2.0", 147_456, 2_048, 4_423_680, 1.5),
    _av1("2.1", 278_784, 2_816, 8_363_520, 3.0),
    _av1("3.0", 665_856, 4_352, 19_975_680, 6.0),
    _av1("3.1", 1_065_024, 5_504, 31_950_720, 10.0),
    _av1("4.0", 2_359_296, 6_144, 70_778_880, 12.0),
    _av1("4.1", 2_359_296, 6_144, 141_557_760, 20.0),
    _av1("5.0", 8_912_896, 8_192, 267_386_880, 30.0),
    _av1("5.1", 8_912_896, 8_192, 534_773_760, 40.0),
    _av1("5.2", 8_912_896, 8_192, 1_069_547_520, 60.0),
    _av1("6.0", 35_651_584, 16_384, 1_069_547_520, 60.0),
    _av1("6.1", 35_651_584, 16_384, 2_139_095_040, 100.0),
    _av1("6.2", 35_651_584, 16_384, 4_278_190_080, 160.0),
)
