"""Quality and bitrate over time as SVG inside the page, above a strip of the shots.

The page's script reads values back from the drawn lines, by the axes in ``data-`` attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from encoder.media.frames import frame_time
from encoder.media.shots import Shot
from encoder.report import text
from encoder.report.axes import Axis, linear_ticks, log_range, log_ticks, time_ticks, vmaf_range
from encoder.report.series import bands
from encoder.report.sizes import bitrates, stretches
from encoder.report.svg import element, points, polyline, steps, straight, tip, words

_LEFT, _RIGHT = 62, 12
_GAP = 46
_ROW = 16
_ROWS = (("detail", "texture"), ("motion", "temporal"))
# The most values that are drawn one by one, and the stretches that more of them are drawn as:
# three numbers each, fewer than 1,500 a line either way.
_MOST_WIDE, _MOST_NARROW = (1200, 300), (400, 120)


@dataclass(frozen=True, slots=True)
class Series:
    """One rendition over time: VMAF of every so-manieth frame, and bytes of each; either None."""

    id: str
    vmaf: NDArray[np.floating] | None
    every: int
    frame_bytes: NDArray[np.integer] | None
    keyframes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Panel:
    """One chart of the stack: its vertical axis, and its lines as SVG."""

    kind: str
    title: str
    axis: Axis
    lines: tuple[str, ...]


def timeline(
    series: Sequence[Series],
    shots: Sequence[Shot],
    frames: int,
    frame_rate: Fraction,
    width: int,
) -> str:
    """The stack at a width in pixels: a panel each for VMAF and bitrate, as far as there is data.

    Args:
        series: the renditions, from the best to the cheapest.
        shots: they tile ``[0, frames)``.
        frames: the length of the title.
        frame_rate: its cadence.
        width: in pixels.
    """
    narrow = width < 600
    most = _MOST_NARROW if narrow else _MOST_WIDE
    seconds = float(frame_time(frames, frame_rate))
    time = Axis(0, seconds, _LEFT, width - _RIGHT)
    panels: list[_Panel] = []
    top = 28.0
    quality = _quality(series, frame_rate, time, top, 200 if narrow else 270, most)
    if quality is not None:
        panels.append(quality)
        top = quality.axis.start + _GAP
    rate = _rate(series, frames, frame_rate, time, top, 150 if narrow else 190, most)
    if rate is not None:
        panels.append(rate)
        top = rate.axis.start + _GAP
    strip_top = top - (14 if panels else 0)
    strip, bottom = _strip(shots, frames, time, strip_top, frame_rate)
    top_of_marks = panels[0].axis.end if panels else strip_top
    return element(
        "svg",
        *(_grid(panel, time, narrow) for panel in panels),
        _shot_marks(shots, frames, time, top_of_marks, strip_top),
        *(
            element(
                "g",
                *panel.lines,
                class_="panel",
                data_kind=panel.kind,
                data_low=repr(panel.axis.low),
                data_high=repr(panel.axis.high),
                data_start=repr(panel.axis.start),
                data_end=repr(panel.axis.end),
                data_log="1" if panel.axis.log else "0",
            )
            for panel in panels
        ),
        strip,
        _times(seconds, time, bottom + 18, narrow),
        straight(0, top_of_marks, 0, bottom, "cursor"),
        viewBox=f"0 0 {width} {bottom + 26:.0f}",
        class_="timeline narrow" if narrow else "timeline wide",
        role="img",
        aria_label="Quality and bitrate of every rendition over time, with the shots",
        data_left=repr(time.start),
        data_right=repr(time.end),
        data_frames=str(frames),
        data_rate=str(float(frame_rate)),
        data_shots=" ".join(str(shot.frames.start) for shot in shots),
    )


def _quality(
    series: Sequence[Series],
    frame_rate: Fraction,
    time: Axis,
    top: float,
    height: float,
    most: tuple[int, int],
) -> _Panel | None:
    values = {i: s.vmaf for i, s in enumerate(series) if s.vmaf is not None and len(s.vmaf)}
    if not values:
        return None
    axis = Axis(*vmaf_range([float(np.nanmin(v)) for v in values.values()]), top + height, top)
    lines = []
    for index, vmaf in reversed(values.items()):
        numbers = np.arange(len(vmaf)) * series[index].every
        drawn = bands(numbers / float(frame_rate), vmaf, *most)
        xs = [time.at(v) for v in drawn.x]
        parts = []
        if not drawn.exact:
            outline = points(
                [*xs, *reversed(xs)],
                [axis.at(v) for v in (*drawn.high, *reversed(drawn.low))],
            )
            parts.append(element("polygon", points=outline, class_="band"))
        middle = list(zip(xs, (axis.at(v) for v in drawn.mean), strict=True))
        parts.append(polyline(middle, "line"))
        lines.append(element("g", *parts, class_=f"series r{index}", data_series=str(index)))
    return _Panel("vmaf", "VMAF", axis, tuple(lines))


def _rate(
    series: Sequence[Series],
    frames: int,
    frame_rate: Fraction,
    time: Axis,
    top: float,
    height: float,
    most: tuple[int, int],
) -> _Panel | None:
    stairs = {}
    for index, one in enumerate(series):
        if one.frame_bytes is not None and len(one.frame_bytes):
            edges = stretches(one.keyframes, min(frames, len(one.frame_bytes)), frame_rate)
            stairs[index] = (edges, bitrates(one.frame_bytes, edges, frame_rate))
    if not stairs:
        return None
    high = max(float(levels.max()) for _, levels in stairs.values())
    # Black frames cost next to nothing; three decades hold what matters.
    low = min(max(float(levels.min()), high / 1000) for _, levels in stairs.values())
    axis = Axis(*log_range([low, high]), top + height, top, log=True)
    lines = []
    for index, (edges, levels) in reversed(stairs.items()):
        xs = np.array([time.at(float(e / frame_rate)) for e in edges])
        parts = []
        if len(levels) <= most[0]:
            drawn = steps(xs, np.array([axis.at(v) for v in levels]))
        else:
            stretch = bands((xs[:-1] + xs[1:]) / 2, levels, *most)
            outline = points(
                [*stretch.x, *reversed(stretch.x)],
                [axis.at(v) for v in (*stretch.high, *reversed(stretch.low))],
            )
            parts.append(element("polygon", points=outline, class_="band"))
            drawn = list(zip(stretch.x, (axis.at(v) for v in stretch.mean), strict=True))
        parts.append(polyline(drawn, "line"))
        lines.append(element("g", *parts, class_=f"series r{index}", data_series=str(index)))
    return _Panel("bitrate", "bitrate", axis, tuple(lines))


def _grid(panel: _Panel, time: Axis, narrow: bool) -> str:
    axis = panel.axis
    if axis.log:
        ticks = log_ticks(axis.low, axis.high, 5 if narrow else 6)
        names = [text.round_bitrate(tick) for tick in ticks]
    else:
        ticks = linear_ticks(axis.low, axis.high, 5 if narrow else 8)
        names = [f"{tick:g}" for tick in ticks]
    parts = [words(panel.title, 0, axis.end - 16, "name")]
    for tick, name in zip(ticks, names, strict=True):
        at = axis.at(tick)
        parts.append(straight(time.start, at, time.end, at, "grid"))
        parts.append(words(name, time.start - 8, at + 4, "tick end"))
    return element("g", *parts)


def marks_cuts(shots: int, width: float) -> bool:
    """Whether lines at so many cuts can be told apart on so many pixels."""
    return shots > 1 and width / shots >= 5


def _shot_marks(shots: Sequence[Shot], frames: int, time: Axis, top: float, bottom: float) -> str:
    """A line at every cut; none where they would be closer than lines can be told apart."""
    if not marks_cuts(len(shots), time.end - time.start):
        return ""
    lines = []
    for shot in shots[1:]:
        at = time.start + (time.end - time.start) * shot.frames.start / frames
        lines.append(straight(at, top, at, bottom, "cut" if shot.cut else "split"))
    return element("g", *lines)


def _strip(
    shots: Sequence[Shot], frames: int, time: Axis, top: float, frame_rate: Fraction
) -> tuple[str, float]:
    """Rows of the shots, fuller coloured the more there is to code; and where they end."""
    parts = []
    per_frame = (time.end - time.start) / frames
    groups = _groups(shots, max(1.0, 2 / per_frame))
    for row, (name, field) in enumerate(_ROWS):
        y = top + row * (_ROW + 3)
        parts.append(words(name, time.start - 8, y + 12, "tick end"))
        values = [
            sum(getattr(shots[i].complexity, field) * len(shots[i].frames) for i in group)
            / sum(len(shots[i].frames) for i in group)
            for group in groups
        ]
        greatest = max(values, default=0.0) or 1.0
        for group, value in zip(groups, values, strict=True):
            first, last = shots[group[0]].frames.start, shots[group[-1]].frames.end
            number = f"{group[0] + 1}" if len(group) == 1 else f"{group[0] + 1} to {group[-1] + 1}"
            parts.append(
                element(
                    "rect",
                    tip(
                        f"shot {number}, from {text.clock(first / frame_rate)}, "
                        f"{last - first} frames: {name} {value:.1f}"
                    ),
                    x=time.start + first * per_frame,
                    y=y,
                    width=f"{max(0.4, (last - first) * per_frame - 1):.2f}",
                    height=_ROW,
                    fill_opacity=f"{0.1 + 0.9 * value / greatest:.2f}",
                )
            )
    return element("g", *parts, class_="strip"), top + len(_ROWS) * (_ROW + 3)


def _groups(shots: Sequence[Shot], least: float) -> list[range]:
    """Runs of shots that are at least so many frames long together, so that each can be seen."""
    groups: list[range] = []
    start, length = 0, 0
    for index, shot in enumerate(shots):
        length += len(shot.frames)
        if length >= least:
            groups.append(range(start, index + 1))
            start, length = index + 1, 0
    if start < len(shots):
        first = groups.pop().start if groups else 0
        groups.append(range(first, len(shots)))
    return groups


def _times(seconds: float, time: Axis, y: float, narrow: bool) -> str:
    parts = []
    for tick in time_ticks(seconds, 5 if narrow else 12):
        at = time.at(tick)
        last = at > time.end - 16
        parts.append(
            words(text.round_time(tick, seconds), time.end if last else at, y,
                  "tick end" if last else "tick mid")
        )  # fmt: skip
    return element("g", *parts)
