"""Colour of decoded pictures: code points to names, and HDR metadata."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from fractions import Fraction

from encoder.media.colour import UNKNOWN, Colour, Hdr, Range

# FFmpeg's names of the code points of ITU-T H.273, as its filters take them.
PRIMARIES: Mapping[int, str] = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "jedec-p22",
}
TRANSFERS: Mapping[int, str] = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
MATRICES: Mapping[int, str] = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
    15: "ipt-c2",
    16: "ycgco-re",
    17: "ycgco-ro",
}
RANGES: Mapping[int, Range] = {1: "limited", 2: "full"}

# AVMasteringDisplayMetadata: x and y of red, green, blue and white, least and greatest luminance,
# as rationals; whether there are primaries, whether there are luminances.
_MASTERING = struct.Struct("=20i2i")
_LIGHT_LEVEL = struct.Struct("=2I")
_CHROMATICITY = 50_000
_LUMINANCE = 10_000


def colour(primaries: int, transfer: int, matrix: int, code_range: int) -> Colour:
    """Code points as names; reserved and unspecified ones are unknown."""
    return Colour(
        PRIMARIES.get(primaries, UNKNOWN),
        TRANSFERS.get(transfer, UNKNOWN),
        MATRICES.get(matrix, UNKNOWN),
        RANGES.get(code_range, "unknown"),
    )


def mastering_display(data: bytes) -> str | None:
    """Mastering display side data in the form of :class:`encoder.media.colour.Hdr`."""
    if len(data) < _MASTERING.size:
        return None
    numbers = _MASTERING.unpack(data[: _MASTERING.size])
    if not (numbers[20] and numbers[21]) or any(d == 0 for d in numbers[1:20:2]):
        return None
    values = [Fraction(n, d) for n, d in zip(numbers[0:20:2], numbers[1:20:2], strict=True)]
    xy = [round(v * _CHROMATICITY) for v in values[:8]]
    low, high = (round(v * _LUMINANCE) for v in values[8:])
    red, green, blue, white = (f"({xy[i]},{xy[i + 1]})" for i in (0, 2, 4, 6))
    return f"G{green}B{blue}R{red}WP{white}L({high},{low})"


def content_light(data: bytes) -> tuple[int, int] | None:
    """MaxCLL and MaxFALL in cd/m2 of content light level side data; None when both are 0."""
    if len(data) < _LIGHT_LEVEL.size:
        return None
    highest, average = _LIGHT_LEVEL.unpack(data[: _LIGHT_LEVEL.size])
    return (highest, average) if highest or average else None


def hdr(mastering: bytes, light: bytes, dolby_vision: int | None) -> Hdr | None:
    """HDR metadata from side data (empty where there is none); None when there is nothing."""
    display = mastering_display(mastering)
    levels = content_light(light)
    if display is None and levels is None and dolby_vision is None:
        return None
    return Hdr(display, levels[0] if levels else None, levels[1] if levels else None, dolby_vision)
