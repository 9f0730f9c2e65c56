"""Ticks, ranges, labels and shortened series."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.report.axes import (
    Axis,
    Box,
    linear_ticks,
    log_range,
    log_ticks,
    place_labels,
    time_ticks,
    vmaf_range,
)
from encoder.report.palette import resolution_colours, rung_colours
from encoder.report.series import bands
from encoder.report.sizes import bitrates, stretches


@given(st.lists(st.floats(1e4, 1e9), min_size=1, max_size=20))
def test_a_logarithmic_range_holds_its_values_and_has_ticks(values: list[float]) -> None:
    low, high = log_range(values)
    assert low < min(values)
    assert max(values) < high
    ticks = log_ticks(low, high)
    assert 1 <= len(ticks) <= 9
    assert all(low <= tick <= high for tick in ticks)
    assert ticks == sorted(ticks)


@pytest.mark.parametrize("values", [[], [0.0], [math.inf, math.nan]])
def test_a_logarithmic_range_of_nothing_is_still_a_range(values: list[float]) -> None:
    low, high = log_range(values)
    assert 0 < low < high


def test_linear_ticks_are_round() -> None:
    assert linear_ticks(20, 100) == [20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert linear_ticks(90, 100, 5) == [90, 92, 94, 96, 98, 100]


@given(st.floats(0.04, 40_000))
def test_time_ticks_begin_at_0_and_are_few(seconds: float) -> None:
    ticks = time_ticks(seconds)
    assert ticks[0] == 0
    assert len(ticks) <= 13
    assert ticks[-1] <= seconds + 1e-6


def test_the_range_of_vmaf_ends_at_100() -> None:
    assert vmaf_range([97.2, 93.0]) == (90.0, 100.0)
    assert vmaf_range([44.0, 93.0]) == (40.0, 100.0)
    assert vmaf_range([0.0]) == (0.0, 100.0)
    assert vmaf_range([]) == (0.0, 100.0)


@pytest.mark.parametrize("log", [False, True])
def test_an_axis_keeps_what_is_beyond_at_its_ends(log: bool) -> None:
    axis = Axis(10, 1000, 400, 0, log=log)
    assert axis.at(10) == 400
    assert axis.at(1000) == 0
    assert axis.at(1) == 400
    assert axis.at(5000) == 0
    assert axis.at(100) == pytest.approx(200 if log else 400 * (1 - 90 / 990))


AREA = Box(0, 0, 1000, 460)
on_the_hull = st.lists(st.integers(80, 980), min_size=1, max_size=12, unique=True).map(
    lambda xs: [(float(x), 440 - 400 * (x / 1000) ** 0.5) for x in sorted(xs, reverse=True)]
)


@given(on_the_hull)
def test_labels_stay_inside_and_apart(anchors: list[tuple[float, float]]) -> None:
    boxes = place_labels(anchors, [(86.0, 15.0)] * len(anchors), [], AREA)
    assert all(box.inside(AREA) for box in boxes)
    assert all(one.covers(other) == 0 for one, other in combinations(boxes, 2))


def test_a_label_keeps_off_an_obstacle() -> None:
    (free,) = place_labels([(500, 200)], [(80, 15)], [], AREA)
    (moved,) = place_labels([(500, 200)], [(80, 15)], [free], AREA)
    assert moved.covers(free) == 0


series = st.lists(st.floats(0, 100, width=32), min_size=1, max_size=400)


@given(series, st.integers(1, 50))
def test_short_series_keep_their_extremes(values: list[float], count: int) -> None:
    drawn = bands(np.arange(float(len(values))), np.array(values), count, count)
    assert len(drawn.x) == min(len(values), count)
    assert drawn.low.min() == min(values)
    assert drawn.high.max() == max(values)
    assert np.all(drawn.low <= drawn.mean + 1e-9)
    assert np.all(drawn.mean <= drawn.high + 1e-9)
    assert np.all(np.diff(drawn.x) > 0)
    assert drawn.exact == (len(values) <= count)


def test_values_that_are_not_finite_are_left_out() -> None:
    drawn = bands(np.arange(4.0), np.array([1.0, math.nan, 3.0, math.inf]), 10, 10)
    assert drawn.mean.tolist() == [1.0, 3.0]
    assert drawn.x.tolist() == [0.0, 2.0]


@given(
    st.lists(st.integers(1, 300), max_size=30),
    st.integers(1, 300),
    st.sampled_from([Fraction(25), Fraction(24000, 1001), Fraction(60)]),
)
def test_no_bit_is_lost_in_bitrates_over_time(
    keyframes: list[int], frames: int, rate: Fraction
) -> None:
    sizes = np.arange(frames) * 7 % 1000
    edges = stretches(keyframes, frames, rate)
    assert (edges[0], edges[-1]) == (0, frames)
    levels = bitrates(sizes, edges, rate)
    seconds = np.diff(edges) / float(rate)
    assert float(np.sum(levels * seconds)) == pytest.approx(8 * int(sizes.sum()))
    assert len(levels) == 1 or seconds.min() >= 1


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize("group", [1, 2, 4])
def test_every_line_stands_out_from_the_page_and_from_its_neighbours(
    count: int, group: int
) -> None:
    style = (files("encoder.report") / "report.css").read_text("utf-8")
    light_page, dark_page = re.findall(r"--page:(#[0-9a-f]{6})", style)
    sizes = [(1920 - 200 * i, 1080 - 112 * i) for i in range(count)]
    rungs = [size for size in sizes for _ in range(group)]
    colours = rung_colours(rungs, sizes)
    assert len({c.light for c in colours}) == len({c.dark for c in colours}) == len(rungs)
    for colour in (*colours, *resolution_colours(sizes).values()):
        assert contrast(colour.light, light_page) >= 3
        assert contrast(colour.dark, dark_page) >= 3
