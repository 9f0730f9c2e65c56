"""Single shots in the ladder's picture: what bits buy in each, and the one slope that all share.

Bitrate is linear here, so that the same slope is the same steepness everywhere.
"""

from __future__ import annotations

from typing import Any

from encoder.media.ladder import Ladder, Rung
from encoder.report import text
from encoder.report.palette import resolution_colours

_INK, _MUTED, _GRID = "#1b1f24", "#69707a", "#e4e6ea"
# Of the picture's width and height: room beyond the dearest shot, and half a tangent.
_BEYOND, _HALF = 1.3, 0.07


def shown_rung(ladder: Ladder) -> int | None:
    """Which rung the shots are shown at: the middle one; None when no shots are known."""
    if not ladder.shot_hulls or not ladder.rungs:
        return None
    number = len(ladder.rungs) // 2
    return number if ladder.rungs[number].expected is not None else None


def draw_shots(axes: Any, ladder: Ladder, number: int) -> None:
    """Draws every known shot's hull, the rung of that number in it, and the slope there."""
    rung = ladder.rungs[number]
    slope = rung.expected.slope if rung.expected is not None else 0.0
    colours = resolution_colours({(r.width, r.height) for r in ladder.rungs})
    colour = colours[rung.width, rung.height].light
    widest = _BEYOND * max(hull.rungs[number].bitrate for hull in ladder.shot_hulls) / 1e6
    lows, highs = [], []
    for hull in ladder.shot_hulls:
        rates = [p.bitrate / 1e6 for p in hull.points]
        axes.plot(rates, [p.vmaf for p in hull.points], color=_MUTED, linewidth=1, alpha=0.55)
        at = hull.rungs[number]
        x, half = at.bitrate / 1e6, _HALF * widest
        axes.plot(
            [x - half, x + half],
            [at.vmaf - slope * half, at.vmaf + slope * half],
            color=colour,
            linewidth=1.6,
            zorder=3,
        )
        axes.annotate(
            str(hull.shot + 1),
            (x, at.vmaf),
            xytext=(5, -11),
            textcoords="offset points",
            fontsize=8,
            color=_INK,
            zorder=5,
        )
        lows.append(min(at.vmaf, at.vmaf - slope * half))
        highs.append(at.vmaf + slope * half)
    axes.scatter(
        [hull.rungs[number].bitrate / 1e6 for hull in ladder.shot_hulls],
        [hull.rungs[number].vmaf for hull in ladder.shot_hulls],
        s=34,
        color=colour,
        edgecolors="white",
        linewidths=1,
        zorder=4,
    )
    axes.set_xlim(0, widest)
    axes.set_ylim(max(0.0, min(lows) - 6), min(101.0, max(highs) + 4))
    axes.set_title(_title(ladder, rung, slope), loc="left", fontsize=10, color=_INK, pad=8)
    axes.set_xlabel("bitrate of the shot, Mb/s", color=_MUTED, fontsize=9)
    axes.set_ylabel("VMAF of the shot", color=_MUTED, fontsize=9)
    axes.grid(True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_MUTED, labelsize=9, length=0, pad=6)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_MUTED)


def _title(ladder: Ladder, rung: Rung, slope: float) -> str:
    shots = len(rung.crf_per_shot)
    shown = len(ladder.shot_hulls)
    of = f"{shots} shots" if shown == shots else f"{shown} of {shots} shots"
    if shots == 1:
        of = "the shot"
    size = text.short_resolution(rung.width, rung.height)
    return (
        f"{rung.id}, {of}: upper hulls over all resolutions, and where {size} lies; "
        f"one more Mb/s buys {slope:.3g} VMAF"
    )
