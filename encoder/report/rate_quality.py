"""The rate-quality picture of a ladder: what is drawn, whatever draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from encoder.media.ladder import Ladder, RateQualityPoint
from encoder.report import text
from encoder.report.axes import log_range, vmaf_range
from encoder.report.palette import Colour, resolution_colours, rung_colours

# (rung id, average bitrate in bits per second, mean VMAF), as delivered
Measured = tuple[str, int, float]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """What the title costs and reaches at one resolution, from the cheapest up."""

    width: int
    height: int
    colour: Colour
    points: tuple[RateQualityPoint, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A rung: where it was expected and where it arrived, as (bits per second, VMAF)."""

    id: str
    width: int
    height: int
    colour: Colour
    expected: Point | None
    delivered: Point | None

    def label(self, *, short: bool = False) -> str:
        """Its name in the picture: resolution and, unless ``short``, bitrate."""
        name = text.short_resolution(self.width, self.height)
        return name if short or not self.point else f"{name}  {text.bitrate(self.point[0])}"

    @property
    def point(self) -> Point | None:
        """Where it is labelled."""
        return self.expected or self.delivered


@dataclass(frozen=True, slots=True)
class RateQuality:
    """Everything in the picture, and the ranges that hold it."""

    lines: tuple[Line, ...]
    hull: tuple[Point, ...]
    marks: tuple[Mark, ...]
    reference: tuple[RateQualityPoint, ...]
    reference_name: str
    model: str
    rates: tuple[float, float]
    qualities: tuple[float, float]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw: neither trials nor expectations nor measurements."""
        return not self.lines and not any(mark.point for mark in self.marks)


def rate_quality(ladder: Ladder, measured: Sequence[Measured] = ()) -> RateQuality:
    """The picture of a ladder, with delivered points where ``measured`` has them."""
    sizes = {(p.width, p.height) for p in ladder.curves} | {
        (r.width, r.height) for r in ladder.rungs
    }
    colours = resolution_colours(sizes)
    by_size: dict[tuple[int, int], list[RateQualityPoint]] = {}
    for point in ladder.curves:
        by_size.setdefault((point.width, point.height), []).append(point)
    lines = tuple(
        Line(*size, colours[size], tuple(sorted(by_size[size], key=lambda p: (p.bitrate, p.vmaf))))
        for size in colours
        if size in by_size
    )
    delivered = {name: (float(rate), vmaf) for name, rate, vmaf in measured}
    shades = rung_colours([(r.width, r.height) for r in ladder.rungs], sizes)
    marks = tuple(
        Mark(
            rung.id,
            rung.width,
            rung.height,
            shade,
            (float(rung.expected.average_bitrate), rung.expected.vmaf) if rung.expected else None,
            delivered.get(rung.id),
        )
        for rung, shade in zip(ladder.rungs, shades, strict=True)
    )
    reference = ladder.savings.reference_points if ladder.savings else ()
    every = [
        *((float(p.bitrate), p.vmaf) for p in (*ladder.curves, *reference)),
        *(at for mark in marks for at in (mark.expected, mark.delivered) if at),
    ]
    rates = log_range([rate for rate, _ in every])
    qualities = vmaf_range([vmaf for _, vmaf in every])
    return RateQuality(
        lines=lines,
        # The hull goes on where nothing was measured and nothing chosen; that is left out.
        hull=tuple(
            (float(p.bitrate), p.vmaf)
            for p in ladder.hull
            if rates[0] <= p.bitrate <= rates[1] and p.vmaf >= qualities[0]
        ),
        marks=marks,
        reference=tuple(sorted(reference, key=lambda p: p.bitrate)),
        reference_name=ladder.savings.reference_policy if ladder.savings else "",
        model=ladder.vmaf_model,
        rates=rates,
        qualities=qualities,
    )


def marker_obstacles(points: Sequence[Point]) -> list[Point]:
    """Points along the straight lines between pixels, so that labels can keep off a line."""
    dense: list[Point] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        steps = max(1, int(max(abs(x1 - x0), abs(y1 - y0)) / 6))
        dense += [(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps) for i in range(steps)]
    return [*dense, *points[-1:]]
