"""Axes of the charts: which range, which ticks, and where labels go so that none cover another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Axis:
    """A quantity laid along pixels, linear or logarithmic.

    ``start`` and ``end`` are the pixels of ``low`` and ``high``; vertical axes have start > end.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value; beyond the range, the axis's end."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def log_range(values: Sequence[float], margin: float = 1.12) -> tuple[float, float]:
    """A range for a logarithmic axis, a little wider than the values; at least a factor of 2."""
    positive = [v for v in values if v > 0 and math.isfinite(v)]
    if not positive:
        return 1e5, 1e7
    low, high = min(positive) / margin, max(positive) * margin
    if high / low < 2:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(2), middle * math.sqrt(2)
    return low, high


def log_ticks(low: float, high: float, most: int = 9) -> list[float]:
    """Round values within a range: 1, 2, 5 of each decade, or fewer, or more, to fit ``most``."""
    ladders = ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
    ticks: list[float] = []
    for steps in ladders:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(ticks) <= most:
            break
    return ticks


def linear_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round values within a range, in steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    step = 10.0 ** math.floor(math.log10(span / most))
    for factor in (1, 2, 5, 10):
        if span / (step * factor) <= most:
            step *= factor
            break
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


_TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


def time_ticks(seconds: float, most: int = 12) -> list[float]:
    """Round times from 0 to a duration."""
    step = next((s for s in _TIME_STEPS if seconds / s <= most), math.ceil(seconds / most))
    return [round(i * step, 6) for i in range(int(seconds / step + 1e-9) + 1)]


def vmaf_range(values: Sequence[float]) -> tuple[float, float]:
    """From a round value below the least up to 100."""
    finite = [v for v in values if math.isfinite(v)]
    least = min(finite, default=0.0)
    return max(0.0, min(90.0, 10.0 * math.floor((least - 1.0) / 10.0))), 100.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def covers(self, other: Box) -> float:
        """The area it shares with another."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def holds(self, point: tuple[float, float]) -> bool:
        """Whether a point lies within."""
        return self.left <= point[0] <= self.right and self.top <= point[1] <= self.bottom

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """Its point nearest to another."""
        return min(max(x, self.left), self.right), min(max(y, self.top), self.bottom)

    def inside(self, other: Box) -> bool:
        """Whether it lies wholly within another."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


def place_labels(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    obstacles: Sequence[Box],
    bounds: Box,
    *,
    gap: float = 9.0,
) -> list[Box]:
    """A place for the label of each anchor, in pixels with y downwards.

    Above and left of its anchor first, since nothing lies on that side of an upper hull; then
    further out and around. Labels never overlap while there is room; where none is left, the place
    that covers least is taken.

    Args:
        anchors: the points labelled.
        sizes: width and height of each label.
        obstacles: what labels should not cover.
        bounds: where labels must stay.
        gap: the distance to the anchor.
    """
    placed: list[Box] = []
    leaders: list[tuple[float, float]] = []
    for (x, y), (width, height) in zip(anchors, sizes, strict=True):
        best = Box(x, y, x + width, y + height)
        least = math.inf
        for reach, (dx, dy) in _directions(gap):
            left = x + dx * reach - (width if dx < -0.3 else 0 if dx > 0.3 else width / 2)
            top = y + dy * reach - (height if dy < -0.3 else 0 if dy > 0.3 else height / 2)
            box = Box(left, top, left + width, top + height)
            if not box.inside(bounds):
                continue
            # Covering another label, or its leader, makes both unreadable; covering a line of
            # the chart does not.
            cost = (
                20.0 * sum(box.covers(other) for other in placed)
                + 60.0 * sum(box.holds(point) for point in leaders)
                + 60.0 * sum(o.holds(p) for p in _leader(x, y, box) for o in placed)
                + sum(box.covers(other) for other in obstacles)
                + 0.4 * (reach - gap)
            )
            if cost < least - 1e-6:
                best, least = box, cost
            if cost <= 0:
                break
        placed.append(best)
        leaders += _leader(x, y, best)
    return placed


def _leader(x: float, y: float, box: Box) -> list[tuple[float, float]]:
    """Points along the line from an anchor to the nearest point of its label."""
    near_x, near_y = box.nearest(x, y)
    steps = max(1, int(math.dist((x, y), (near_x, near_y)) / 4))
    return [(x + (near_x - x) * i / steps, y + (near_y - y) * i / steps) for i in range(steps + 1)]


def _directions(gap: float) -> list[tuple[float, tuple[float, float]]]:
    near = (
        (-0.7, -0.7),
        (0.0, -1.0),
        (-1.0, 0.0),
        (-0.95, -0.35),
        (0.7, -0.7),
        (0.7, 0.7),
        (1.0, 0.0),
        (0.0, 1.0),
        (-0.7, 0.7),
    )
    angles = [math.radians(a) for a in (200, 215, 235, 255, 270, 290, 315, 345, 15, 45, 75, 105)]
    far = tuple((math.cos(a), math.sin(a)) for a in angles)
    return [(gap * k, d) for k in (1.0, 1.7) for d in near] + [
        (gap * k, d) for k in (2.5, 3.5, 4.7, 6.0, 7.5, 9.0, 11.0, 13.0) for d in far
    ]
