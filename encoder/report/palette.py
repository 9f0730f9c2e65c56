"""Colours of the charts: a hue per resolution, a shade per rung within it.

Computed in OKLCH (Bjorn Ottosson, 2020), where equal steps look equal, so that no line is louder
than its neighbour, for light and for dark grounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# From the best resolution to the least: violet, blue, teal, green, amber, red.
_FIRST_HUE, _LAST_HUE = 285.0, 35.0
_CHROMA = 0.145
# Lightness of a lone rung, and how far its group's shades spread to either side.
_LIGHT, _DARK, _SPREAD = 0.53, 0.74, 0.11


@dataclass(frozen=True, slots=True)
class Colour:
    """One colour on a light and on a dark ground, as ``#rrggbb``."""

    light: str
    dark: str


def resolution_colours(
    sizes: Iterable[tuple[int, int]],
) -> dict[tuple[int, int], Colour]:
    """A colour for each distinct resolution, in order from the largest."""
    ordered = sorted(set(sizes), key=lambda s: (-s[0] * s[1], s))
    return {size: _shade(_hue(i, len(ordered)), 0.0) for i, size in enumerate(ordered)}


def rung_colours(
    rungs: Sequence[tuple[int, int]], sizes: Iterable[tuple[int, int]]
) -> tuple[Colour, ...]:
    """A colour for each rung, best first: its resolution's hue, paler down the group.

    Args:
        rungs: the rungs' resolutions.
        sizes: all resolutions that share the picture, as for :func:`resolution_colours`.
    """
    ordered = sorted({*sizes, *rungs}, key=lambda s: (-s[0] * s[1], s))
    hues = {size: _hue(i, len(ordered)) for i, size in enumerate(ordered)}
    seen: dict[tuple[int, int], int] = {}
    colours = []
    for one in rungs:
        position, group = seen.get(one, 0), rungs.count(one)
        seen[one] = position + 1
        # Two shades need less distance than many.
        extent = min(1.0, 0.35 * group)
        shade = 0.0 if group == 1 else extent * (2.0 * position / (group - 1) - 1.0)
        colours.append(_shade(hues[one], shade))
    return tuple(colours)


def _hue(index: int, count: int) -> float:
    # Few resolutions stay near the cold end, neighbours at most 65 degrees apart.
    step = 0.0 if count < 2 else max((_LAST_HUE - _FIRST_HUE) / (count - 1), -65.0)
    return _FIRST_HUE + index * step


def _shade(hue: float, shade: float) -> Colour:
    """``shade`` from -1 (strongest on its ground) to 1 (nearest to the ground)."""
    return Colour(
        oklch(_LIGHT + shade * _SPREAD, _CHROMA, hue),
        oklch(_DARK - shade * _SPREAD, _CHROMA * 0.9, hue),
    )


def oklch(lightness: float, chroma: float, hue: float) -> str:
    """``#rrggbb`` of a colour; its chroma is lowered until sRGB can show it."""
    while True:
        linear = _linear(lightness, chroma, hue)
        if chroma <= 0 or all(-1e-4 <= c <= 1 + 1e-4 for c in linear):
            break
        chroma = max(0.0, chroma - 0.004)
    return "#" + "".join(f"{round(255 * _encoded(c)):02x}" for c in linear)


def _linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _encoded(value: float) -> float:
    value = min(1.0, max(0.0, value))
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
