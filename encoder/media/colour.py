"""Colour as signalled: FFmpeg's names for the code points of ITU-T H.273."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Range = Literal["limited", "full", "unknown"]

UNKNOWN = "unknown"
HDR_TRANSFERS = frozenset({"smpte2084", "arib-std-b67"})


@dataclass(frozen=True, slots=True)
class Colour:
    """Primaries, transfer, matrix and range; ``"unknown"`` where the stream does not say."""

    primaries: str = UNKNOWN
    transfer: str = UNKNOWN
    matrix: str = UNKNOWN
    range: Range = "unknown"

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer is PQ (SMPTE ST 2084) or HLG (ARIB STD-B67)."""
        return self.transfer in HDR_TRANSFERS


BT709 = Colour("bt709", "bt709", "bt709", "limited")


@dataclass(frozen=True, slots=True)
class Hdr:
    """Static HDR metadata.

    ``mastering_display`` is in FFmpeg's form ``G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)``, with
    chromaticities in 0.00002 and luminances in 0.0001 cd/m2 (SMPTE ST 2086); light levels are in
    cd/m2 (CTA-861.3).
    """

    mastering_display: str | None = None
    max_content_light: int | None = None
    max_average_light: int | None = None
    dolby_vision_profile: int | None = None
