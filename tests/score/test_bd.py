"""BD-rate against the definition's own implementation and a published example."""

from __future__ import annotations

import math

import pytest
from bjontegaard import bd_rate as published_bd_rate  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from encoder.score.bd import bd_rate

# The worked example of the package bjontegaard: libx265 at two presets, kbit/s and dB.
ANCHOR = [(9487.76, 40.037), (4593.60, 38.615), (2486.44, 36.845), (1358.24, 34.851)]
TEST = [(9787.80, 40.121), (4469.00, 38.651), (2451.52, 36.970), (1356.24, 34.987)]


def test_published_example() -> None:
    assert bd_rate(ANCHOR, TEST) == pytest.approx(-4.4175, abs=5e-5)


def test_order_and_unit_of_rate_do_not_matter() -> None:
    in_bits = [(rate * 1000, quality) for rate, quality in TEST[::-1]]
    reference = [(rate * 1000, quality) for rate, quality in ANCHOR]
    assert bd_rate(reference, in_bits) == pytest.approx(bd_rate(ANCHOR, TEST))


@st.composite
def curves(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Two to eight points, dearer and better from one to the next, as encodes are."""
    count = draw(st.integers(2, 8))
    rate, quality = draw(st.floats(1e5, 1e6)), draw(st.floats(20, 50))
    points = []
    for _ in range(count):
        points.append((rate, quality))
        rate *= draw(st.floats(1.1, 4))
        quality += draw(st.floats(0.5, 15))
    return points


@given(curves(), curves())
def test_agrees_with_the_package(
    reference: list[tuple[float, float]], candidate: list[tuple[float, float]]
) -> None:
    ours = bd_rate(reference, candidate, min_overlap=0.3)
    low = max(reference[0][1], candidate[0][1])
    high = min(reference[-1][1], candidate[-1][1])
    whole = max(reference[-1][1], candidate[-1][1]) - min(reference[0][1], candidate[0][1])
    if (high - low) / whole < 0.3:
        assert ours is None
        return
    theirs = published_bd_rate(
        [rate for rate, _ in reference],
        [quality for _, quality in reference],
        [rate for rate, _ in candidate],
        [quality for _, quality in candidate],
        method="pchip",
        require_matching_points=False,
        min_overlap=0,
    )
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@given(curves(), st.floats(0.2, 5))
def test_a_constant_factor_is_that_factor(points: list[tuple[float, float]], factor: float) -> None:
    scaled = [(rate * factor, quality) for rate, quality in points]
    assert bd_rate(points, scaled) == pytest.approx((factor - 1) * 100, abs=1e-9)


@given(curves(), curves())
def test_swapping_inverts(
    reference: list[tuple[float, float]], candidate: list[tuple[float, float]]
) -> None:
    there, back = bd_rate(reference, candidate), bd_rate(candidate, reference)
    if there is None or back is None:
        assert there is back is None
    else:
        assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


def test_a_point_not_worth_its_bits_is_left_out() -> None:
    assert bd_rate([*ANCHOR, (12000.0, 39.0), (4593.60, 38.0)], TEST) == bd_rate(ANCHOR, TEST)


@pytest.mark.parametrize(
    "candidate",
    [
        [],
        [(1e6, 37.0)],
        [(1e5, 10.0), (2e5, 20.0)],
        [(1e5, 10.0), (2e5, 35.0)],
        [(1e6, 37.0), (2e6, 37.0)],
    ],
    ids=["no points", "one point", "no overlap", "hardly any overlap", "one quality"],
)
def test_no_figure_where_none_is_honest(candidate: list[tuple[float, float]]) -> None:
    assert bd_rate(ANCHOR, candidate) is None


@pytest.mark.parametrize("point", [(0.0, 40.0), (-1.0, 40.0), (math.nan, 40.0), (1.0, math.inf)])
def test_refuses_what_is_no_measurement(point: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="rate"):
        bd_rate(ANCHOR, [*TEST, point])
