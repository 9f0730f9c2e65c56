"""The ladder as a picture file: trials, hull, chosen rungs, and the fixed ladder beside them.

Matplotlib is used through its objects alone: no pyplot, no figure manager, no display.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoder.errors import MachineError, UsageError
from encoder.media.ladder import Ladder
from encoder.report import text
from encoder.report.axes import Box, linear_ticks, log_ticks, place_labels
from encoder.report.rate_quality import Measured, RateQuality, marker_obstacles, rate_quality
from encoder.report.shot_panel import draw_shots, shown_rung

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE = (10.0, 6.2)
# Of what is drawn below for single shots, in inches.
_SHOTS_HEIGHT = 4.2
_DPI = 100
_INK, _MUTED, _GRID = "#1b1f24", "#69707a", "#e4e6ea"
_LABEL_POINTS = 8.5
# Widths of DejaVu Sans, Matplotlib's own font, in em; enough to place labels by.
_EM_WIDTH, _EM_HEIGHT = 0.61, 1.25


def ladder_plot(ladder: Ladder, *, measured: Sequence[Measured] = ()) -> Figure:
    """The rate-quality picture of a ladder.

    Args:
        ladder: the decision and its evidence.
        measured: what rungs delivered: id, average bitrate in bits per second, mean VMAF.
    """
    from matplotlib.figure import Figure

    picture = rate_quality(ladder, measured)
    shown = shown_rung(ladder)
    width, own = _SIZE
    height = own if shown is None else own + _SHOTS_HEIGHT
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    below = (height - own) / height
    axes = figure.add_axes((0.068, below + 0.095 * own / height, 0.745, 0.80 * own / height))
    if shown is not None:
        shots = figure.add_axes((0.068, 0.5 / height, 0.745, (_SHOTS_HEIGHT - 1.0) / height))
        draw_shots(shots, ladder, shown)
    axes.set_title(
        f"{ladder.policy}: {len(ladder.rungs)} rung{'s' if len(ladder.rungs) != 1 else ''}, "
        f"{ladder.codec} {ladder.preset}",
        loc="left",
        fontsize=12,
        color=_INK,
        pad=12,
    )
    _scales(axes, picture)
    for line in picture.lines:
        axes.plot(
            [p.bitrate for p in line.points],
            [p.vmaf for p in line.points],
            color=line.colour.light,
            linewidth=1.2,
            marker="o",
            markersize=3.6,
            alpha=0.9,
            zorder=2,
            label=f"{text.short_resolution(line.width, line.height)}",
        )
    if picture.hull:
        rates, vmafs = zip(*picture.hull, strict=True)
        axes.plot(rates, vmafs, color=_INK, linewidth=6, alpha=0.12, zorder=1, label="upper hull")
    if picture.reference:
        axes.plot(
            [p.bitrate for p in picture.reference],
            [p.vmaf for p in picture.reference],
            color=_MUTED,
            linewidth=1,
            linestyle=(0, (4, 3)),
            marker="s",
            markersize=5,
            markerfacecolor="white",
            zorder=3,
            label=f"fixed: {text.elided(picture.reference_name, 18)}",
        )
    _rungs(axes, picture)
    _labels(axes, figure, picture)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(1.015, 1.0),
            borderaxespad=0,
            frameon=False,
            fontsize=9,
            labelcolor=_INK,
            labelspacing=0.7,
        )
    return figure


def _scales(axes: Any, picture: RateQuality) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(*picture.rates)
    low, high = picture.qualities
    axes.set_ylim(low, high + 0.02 * (high - low))
    axes.xaxis.set_major_locator(FixedLocator(log_ticks(*picture.rates, most=9)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text.round_bitrate(value)))
    axes.yaxis.set_major_locator(FixedLocator(linear_ticks(low, high, 10)))
    axes.set_xlabel("average bitrate, logarithmic", color=_MUTED, fontsize=9)
    axes.set_ylabel(f"VMAF, mean ({picture.model})", color=_MUTED, fontsize=9)
    axes.grid(True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_MUTED, labelsize=9, length=0, pad=6)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_MUTED)


def _rungs(axes: Any, picture: RateQuality) -> None:
    chosen = [(*mark.expected, mark.colour.light) for mark in picture.marks if mark.expected]
    if chosen:
        rates, vmafs, colours = zip(*chosen, strict=True)
        axes.scatter(
            rates, vmafs, s=85, c=colours, edgecolors="white", linewidths=1.4, zorder=5,
            label="chosen rung",
        )  # fmt: skip
    arrived = [(*mark.delivered, mark.colour.light) for mark in picture.marks if mark.delivered]
    if arrived:
        rates, vmafs, colours = zip(*arrived, strict=True)
        axes.scatter(
            rates, vmafs, s=48, marker="D", facecolors="white", edgecolors=colours,
            linewidths=1.6, zorder=6, label="delivered",
        )  # fmt: skip


def _labels(axes: Any, figure: Figure, picture: RateQuality) -> None:
    """Names the rungs: in pixels with y downwards, as :func:`place_labels` wants them."""
    tall = figure.bbox.height

    def pixel(point: tuple[float, float]) -> tuple[float, float]:
        x, y = axes.transData.transform(point)
        return float(x), float(tall - y)

    marks = [(mark, mark.point) for mark in picture.marks if mark.point]
    names = [mark.label() for mark, _ in marks]
    em = _LABEL_POINTS * _DPI / 72
    sizes = [(len(name) * em * _EM_WIDTH, em * _EM_HEIGHT) for name in names]
    anchors = [pixel(point) for _, point in marks]
    dots = [
        *marker_obstacles([pixel(p) for p in picture.hull]),
        *marker_obstacles([pixel((p.bitrate, p.vmaf)) for p in picture.reference]),
        *(pixel((p.bitrate, p.vmaf)) for line in picture.lines for p in line.points),
        *(pixel(at) for m in picture.marks for at in (m.expected, m.delivered) if at),
    ]
    obstacles = [Box(x - 5, y - 5, x + 5, y + 5) for x, y in dots]
    area = axes.bbox
    bounds = Box(area.x0 + 2, tall - area.y1 + 2, area.x1 - 2, tall - area.y0 - 2)
    boxes = place_labels(anchors, sizes, obstacles, bounds)

    # Shares of the axes' area hold at whatever resolution a backend draws.
    def share(x: float, y: float) -> tuple[float, float]:
        return (x - area.x0) / area.width, (tall - y - area.y0) / area.height

    for name, box, (x, y) in zip(names, boxes, anchors, strict=True):
        near = box.nearest(x, y)
        if math.dist(near, (x, y)) > 13:
            ends = zip(share(*near), share(x, y), strict=True)
            axes.plot(*ends, color=_MUTED, linewidth=0.6, zorder=4, transform=axes.transAxes)
        axes.text(
            *share((box.left + box.right) / 2, (box.top + box.bottom) / 2),
            name,
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontsize=_LABEL_POINTS,
            color=_INK,
            zorder=7,
        )


def save_ladder_plot(ladder: Ladder, path: Path, *, measured: Sequence[Measured] = ()) -> None:
    """Writes the picture; PNG or SVG, by the suffix of the path. The same ladder, the same bytes.

    Raises:
        UsageError: when the suffix is neither.
        MachineError: when the file cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in (".png", ".svg"):
        raise UsageError(
            "Not a picture format that the plot can be written in",
            where=str(path),
            why=f"the suffix is {kind!r}" if kind else "the name has no suffix",
            hint="End the name in .png or .svg",
        )
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure = ladder_plot(ladder, measured=measured)
    try:
        if kind == ".png":
            canvas: Any = FigureCanvasAgg(figure)
            canvas.print_png(str(path), metadata={"Software": None})
        else:
            # Element names are salted hashes, random unless told otherwise.
            with matplotlib.rc_context({"svg.hashsalt": "encoder", "svg.fonttype": "path"}):
                canvas = FigureCanvasSVG(figure)
                canvas.print_svg(str(path), metadata={"Date": None, "Creator": None})
    except OSError as error:
        raise MachineError(
            "The plot cannot be written",
            where=str(path),
            why=error.strerror or str(error),
            hint="Choose a folder that exists and can be written to",
        ) from error
