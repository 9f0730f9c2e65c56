"""One sweep spends a title's bits at one slope, within limits."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from encoder.ladder.forecast import forecast
from encoder.ladder.surface import Surfaces, upper_hull
from encoder.ladder.sweep import Limits, TitlePoint, concave_majorants, sweep
from encoder.media.ladder import RateQualityPoint

FREE = Limits(1e9, 100.0)
CRFS = np.arange(14.0, 44.5, 1.0)


def surfaces(rates: NDArray[np.float64], vmafs: NDArray[np.float64], frames: list[int]) -> Surfaces:
    """Surfaces of one size from arrays (shots, CRFs)."""
    shape = (rates.shape[0], 1, rates.shape[1])
    nothing = np.zeros(shape, np.float32)
    return Surfaces(
        ((1280, 720),),
        CRFS,
        np.array(frames, dtype=np.float64),
        rates.reshape(shape).astype(np.float32),
        vmafs.reshape(shape).astype(np.float32),
        nothing,
        nothing,
    )


shots = st.lists(
    st.tuples(
        st.floats(1e4, 1e7),  # rate at the lowest CRF
        st.floats(4.0, 8.0),  # CRF steps that halve it
        st.floats(28.0, 50.0),  # CRF where VMAF is halved
        st.floats(3.0, 9.0),
        st.integers(1, 200),
    ),
    min_size=1,
    max_size=12,
)


def made(found: list[tuple[float, float, float, float, int]]) -> Surfaces:
    rates = np.array([r * 2 ** (-(CRFS - 14) / h) for r, h, _, _, _ in found])
    vmafs = np.array([100 / (1 + np.exp((CRFS - m) / w)) for _, _, m, w, _ in found])
    return surfaces(rates, vmafs, [n for *_, n in found])


@given(shots)
@settings(max_examples=50, deadline=None)
def test_points_rise_and_say_what_their_choice_gives(
    found: list[tuple[float, float, float, float, int]],
) -> None:
    title = made(found)
    (points,) = sweep(title, FREE)
    assert points
    rows = np.arange(len(found))
    for one, other in itertools.pairwise(points):
        assert other.bitrate > one.bitrate
        assert other.vmaf > one.vmaf
    for point in points:
        rate = title.weights @ title.rates[rows, 0, point.choice]
        assert point.bitrate == max(1, round(float(rate)))
        assert point.vmaf == pytest.approx(title.weights @ title.vmafs[rows, 0, point.choice])
        assert point.crf == pytest.approx(title.weights @ CRFS[point.choice])


def test_no_other_choice_of_crfs_is_better() -> None:
    """Against every combination of four CRFs for three shots."""
    title = made([(4e6, 6.0, 40.0, 6.0, 50), (6e5, 5.0, 34.0, 5.0, 80), (2e6, 7.0, 45.0, 8.0, 20)])
    columns = [0, 8, 17, 30]
    few = Surfaces(
        title.sizes,
        CRFS[columns],
        title.frames,
        title.rates[:, :, columns],
        title.vmafs[:, :, columns],
        title.rate_errors[:, :, columns],
        title.vmaf_errors[:, :, columns],
    )
    (points,) = sweep(few, FREE)
    every = []
    for choice in itertools.product(range(4), repeat=3):
        rows = np.arange(3)
        rate = float(few.weights @ few.rates[rows, 0, list(choice)])
        vmaf = float(few.weights @ few.vmafs[rows, 0, list(choice)])
        every.append(RateQualityPoint(1280, 720, 0.0, round(rate), vmaf))
    best, found = upper_hull(every), upper_hull(points)
    assert [p.bitrate for p in found] == [p.bitrate for p in best]
    assert [p.vmaf for p in found] == pytest.approx([p.vmaf for p in best], abs=1e-3)


def test_majorants_leave_out_what_lies_below() -> None:
    rates = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 3.0]])
    vmafs = np.array([[0.0, 1.0, 8.0, 9.0], [5.0, 5.0, 6.0, 7.0]])
    corners, counts = concave_majorants(rates, vmafs)
    assert [list(row[:n]) for row, n in zip(corners, counts, strict=True)] == [[0, 2, 3], [0, 2]]


def test_a_hard_shot_is_not_starved() -> None:
    hard, easy = (8e6, 6.0, 30.0, 6.0, 50), (4e5, 6.0, 46.0, 6.0, 50)
    title = made([hard, easy])
    (free,) = sweep(title, FREE)
    (held,) = sweep(title, Limits(1e9, 15.0))

    def spreads(points: tuple[TitlePoint, ...]) -> list[float]:
        chosen = [title.vmafs[np.arange(2), 0, p.choice] for p in points if p.vmaf < 90]
        return [float(v.mean() - v.min()) for v in chosen]

    assert max(spreads(free)) > 20
    # A step of CRF is as fine as it gets.
    assert max(spreads(held)) < 15 + 2.5


def test_no_shot_costs_more_than_its_share() -> None:
    title = made([(9e6, 6.0, 44.0, 6.0, 50), (3e5, 6.0, 44.0, 6.0, 200)])
    (points,) = sweep(title, Limits(1.7, 100.0))
    rows = np.arange(2)
    for point in points:
        rates = title.rates[rows, 0, point.choice]
        cheapest = point.choice[0] == len(CRFS) - 1
        assert rates[0] <= 1.7 * float(title.weights @ rates) * 1.15 or cheapest


def test_ten_thousand_shots_are_no_trouble() -> None:
    random = np.random.default_rng(3)
    found = [
        (float(r), 6.0, float(m), 6.0, int(n))
        for r, m, n in zip(
            random.uniform(1e5, 5e6, 10_000),
            random.uniform(30, 48, 10_000),
            random.integers(1, 300, 10_000),
            strict=True,
        )
    ]
    (points,) = sweep(made(found), Limits(1.7, 20.0))
    assert len(points) > 50
    assert len(points[0].choice) == 10_000


def test_a_forecast_knows_errors_and_the_hardest_segment() -> None:
    title = made([(4e6, 6.0, 40.0, 6.0, 250), (1e6, 6.0, 40.0, 6.0, 250)])
    doubt = np.full(title.rates.shape, 0.1, np.float32)
    title = replace(title, rate_errors=doubt, vmaf_errors=10 * doubt)
    (points,) = sweep(title, FREE)
    found = forecast(title, points[-1], 25.0, 6.0)
    assert 1.05 < found.rate_factor < 1.14
    assert 0.6 < found.vmaf_margin < 1.3
    # The first ten seconds cost four times as much as the second.
    assert found.peak == pytest.approx(4e6, rel=0.01)
    sure = forecast(replace(title, rate_errors=0 * doubt, vmaf_errors=0 * doubt), points[-1], 25, 6)
    assert (sure.rate_factor, sure.vmaf_margin) == (1.0, 0.0)
