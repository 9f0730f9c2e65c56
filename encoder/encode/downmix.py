"""Matrices from a master's channels to stereo and 5.1 (ITU-R BS.775)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import av

Target = Literal["stereo", "5.1"]

_MINUS_3_DB = 0.707107
_STEREO = ("FL", "FR")
_SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")

# BS.775 annex 4, table 2: centre and surrounds at -3 dB, no LFE. A channel in the middle behind is
# both surrounds at -3 dB each; channels it does not know go to the nearest it does, at -3 dB where
# they join what is there already.
_TO_STEREO: dict[str, dict[str, float]] = {
    "FL": {"FL": 1},
    "FR": {"FR": 1},
    "FC": {"FL": _MINUS_3_DB, "FR": _MINUS_3_DB},
    "LFE": {},
    "LFE2": {},
    "BL": {"FL": _MINUS_3_DB},
    "BR": {"FR": _MINUS_3_DB},
    "SL": {"FL": _MINUS_3_DB},
    "SR": {"FR": _MINUS_3_DB},
    "BC": {"FL": 0.5, "FR": 0.5},
    "FLC": {"FL": _MINUS_3_DB},
    "FRC": {"FR": _MINUS_3_DB},
    "WL": {"FL": _MINUS_3_DB},
    "WR": {"FR": _MINUS_3_DB},
    "TFL": {"FL": _MINUS_3_DB},
    "TFR": {"FR": _MINUS_3_DB},
    "TBL": {"FL": _MINUS_3_DB},
    "TBR": {"FR": _MINUS_3_DB},
    "TSL": {"FL": _MINUS_3_DB},
    "TSR": {"FR": _MINUS_3_DB},
    "DL": {"FL": 1},
    "DR": {"FR": 1},
}
_TO_SURROUND: dict[str, dict[str, float]] = {
    "FL": {"FL": 1},
    "FR": {"FR": 1},
    "FC": {"FC": 1},
    "LFE": {"LFE": 1},
    "LFE2": {"LFE": _MINUS_3_DB},
    "BL": {"BL": 1},
    "BR": {"BR": 1},
    "SL": {"BL": 1},
    "SR": {"BR": 1},
    "BC": {"BL": _MINUS_3_DB, "BR": _MINUS_3_DB},
    "FLC": {"FL": _MINUS_3_DB},
    "FRC": {"FR": _MINUS_3_DB},
    "WL": {"FL": _MINUS_3_DB},
    "WR": {"FR": _MINUS_3_DB},
    "TFL": {"FL": _MINUS_3_DB},
    "TFR": {"FR": _MINUS_3_DB},
    "TBL": {"BL": _MINUS_3_DB},
    "TBR": {"BR": _MINUS_3_DB},
    "TSL": {"BL": _MINUS_3_DB},
    "TSR": {"BR": _MINUS_3_DB},
    "DL": {"FL": 1},
    "DR": {"FR": 1},
}
# Four surrounds become two: the rear pair and the side pair at -3 dB each.
_FOUR_SURROUNDS = {
    "BL": {"BL": _MINUS_3_DB},
    "BR": {"BR": _MINUS_3_DB},
    "SL": {"BL": _MINUS_3_DB},
    "SR": {"BR": _MINUS_3_DB},
}
# What a number of channels means where the master does not say; of others nothing is usual.
_USUAL = {6: "5.1", 8: "7.1"}


@dataclass(frozen=True, slots=True)
class Mix:
    """A matrix as the arguments of FFmpeg's ``pan`` filter.

    ``adds`` is whether an output may be louder than each of the inputs, because it adds several.
    """

    target: Target
    pan: str
    adds: bool

    @property
    def channels(self) -> int:
        """How many channels come out."""
        return len(_SURROUND if self.target == "5.1" else _STEREO)


def mix(layout: str, channels: int, target: Target) -> Mix | None:
    """The matrix from a layout to stereo or 5.1; None where the channels' meaning is unknown.

    Mono goes to both channels at full level, as a player does with it. Two channels are left and
    right whatever they are called.

    Args:
        layout: FFmpeg's name, such as ``5.1(side)``; without a known one, ``channels`` decides.
        channels: their number.
        target: what is wanted; 5.1 makes sense of more than two channels.
    """
    if channels <= 2:
        right = channels - 1
        return Mix("stereo", f"stereo|c0=c0|c1=c{right}", adds=False)
    names = _names(layout, channels)
    if names is None:
        return None
    table = _TO_STEREO if target == "stereo" else _TO_SURROUND
    if target == "5.1" and {"BL", "SL"} <= set(names):
        table = table | _FOUR_SURROUNDS
    outputs = _STEREO if target == "stereo" else _SURROUND
    rows: dict[str, list[str]] = {name: [] for name in outputs}
    for index, name in enumerate(names):
        if name not in table:
            return None
        for output, level in table[name].items():
            rows[output].append(f"{level:g}*c{index}")
    # A channel that nothing goes to is silent.
    terms = "|".join(f"{name}={'+'.join(row) or '0*c0'}" for name, row in rows.items())
    return Mix(target, f"{target}|{terms}", adds=any(len(row) > 1 for row in rows.values()))


def first_two() -> Mix:
    """The first two of any number of channels, taken for left and right."""
    return Mix("stereo", "stereo|c0=c0|c1=c1", adds=False)


def _names(layout: str, channels: int) -> tuple[str, ...] | None:
    for candidate in (layout, _USUAL.get(channels, "")):
        try:
            names = tuple(channel.name for channel in av.AudioLayout(candidate).channels)
        except ValueError:
            continue
        if len(names) == channels and set(names) <= _TO_STEREO.keys():
            return names
    return None
