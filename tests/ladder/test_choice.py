"""Surface, hull and choice of rungs: what must hold for every title."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.ladder.choose import choose_rungs
from encoder.ladder.evidence import spread
from encoder.ladder.policy import load_policy
from encoder.ladder.surface import Surfaces, crf_grid, from_measurements, near_hull, upper_hull
from encoder.ladder.sweep import Limits, sweep
from encoder.media.ladder import RateQualityPoint, Trial

POLICY = load_policy("per-title")
CRFS = (18.0, 24.0, 30.0, 36.0)


def point(rate: int, vmaf: float, height: int = 720, crf: float = 23.0) -> RateQualityPoint:
    return RateQualityPoint(height * 16 // 9, height, crf, rate, vmaf)


def tried(shot: int, width: int, height: int, crf: float, rate: float, vmaf: float) -> Trial:
    """A trial of a shot of 50 frames at 25 a second."""
    return Trial(
        shot, 50 * shot, 50, width, height, crf, 1, round(rate / 2), round(rate * 1.5), vmaf
    )


def title(*hardness: float, grid: np.ndarray | None = None) -> Surfaces:
    """A made-up title: rate halves every six CRF, quality falls with size, CRF and hardness."""
    trials = []
    for shot, hard in enumerate(hardness):
        for height in (720, 540, 360, 234):
            share = (height / 720) ** 1.5
            for crf in CRFS:
                rate = hard * 4e6 * share * 2 ** (-(crf - 18) / 6)
                vmaf = 100 / (1 + math.exp((crf - 44 + hard) / 6)) * (1 - 0.35 * (1 - share))
                trials.append(tried(shot, height * 16 // 9, height, crf, rate, vmaf))
    crfs = crf_grid((14.0, 44.0), 0.5) if grid is None else grid
    return from_measurements(trials, crfs, [50] * len(hardness), 25.0)


def hull_of(surfaces: Surfaces) -> tuple[RateQualityPoint, ...]:
    return upper_hull([p for curve in sweep(surfaces, Limits(2.0, 20.0)) for p in curve])


points = st.lists(
    st.builds(
        point,
        st.integers(1, 10_000_000),
        st.floats(0, 100),
        st.sampled_from([234, 360, 540, 720]),
        st.floats(14, 44),
    ),
    min_size=1,
    max_size=60,
)


@given(points)
def test_hull_is_concave_and_strictly_rising(found: list[RateQualityPoint]) -> None:
    hull = upper_hull(found)
    assert hull
    rates = [p.bitrate for p in hull]
    quality = [p.vmaf for p in hull]
    assert rates == sorted(set(rates))
    assert quality == sorted(set(quality))
    slopes = [(b.vmaf - a.vmaf) / (b.bitrate - a.bitrate) for a, b in itertools.pairwise(hull)]
    assert all(b <= a * (1 + 1e-9) for a, b in itertools.pairwise(slopes))


@given(points)
def test_nothing_lies_above_the_hull(found: list[RateQualityPoint]) -> None:
    hull = upper_hull(found)
    rates, quality = [p.bitrate for p in hull], [p.vmaf for p in hull]
    for one in found:
        if one.bitrate >= rates[0]:
            assert one.vmaf <= np.interp(one.bitrate, rates, quality) + 1e-6


@given(points)
def test_hull_is_idempotent(found: list[RateQualityPoint]) -> None:
    hull = upper_hull(found)
    assert upper_hull(hull) == hull


@given(points, st.floats(0, 5))
def test_points_near_the_hull_rise_strictly_and_hold_its_corners(
    found: list[RateQualityPoint], within: float
) -> None:
    hull = upper_hull(found)
    near = near_hull(found, hull, within)
    rates, quality = [p.bitrate for p in near], [p.vmaf for p in near]
    assert rates == sorted(set(rates))
    assert quality == sorted(set(quality))
    assert {(p.bitrate, p.vmaf) for p in hull} <= {(p.bitrate, p.vmaf) for p in near}
    for one in near:
        line = np.interp(one.bitrate, [p.bitrate for p in hull], [p.vmaf for p in hull])
        assert one.vmaf >= line - within - 1e-9


@given(points)
def test_rungs_fall_strictly_and_keep_the_caps(found: list[RateQualityPoint]) -> None:
    chosen = [c.point for c in choose_rungs(upper_hull(found), POLICY)]
    assert 1 <= len(chosen) <= POLICY.max_rungs
    for better, worse in itertools.pairwise(chosen):
        assert worse.bitrate * POLICY.spacing.min_ratio <= better.bitrate * 1.000001
        assert worse.vmaf <= better.vmaf - POLICY.spacing.min_vmaf
        assert worse.bitrate >= POLICY.min_bitrate
        assert worse.width * worse.height <= better.width * better.height
    if any(p.bitrate <= POLICY.max_bitrate for p in upper_hull(found)):
        assert chosen[0].bitrate <= POLICY.max_bitrate


def test_a_title_gets_its_top_quality_and_no_more() -> None:
    hull = hull_of(title(1.0))
    chosen = choose_rungs(hull, POLICY)
    assert POLICY.top_vmaf <= chosen[0].point.vmaf < POLICY.top_vmaf + 1.5
    cheaper = [p for p in hull if p.bitrate < chosen[0].point.bitrate]
    assert all(p.vmaf < POLICY.top_vmaf for p in cheaper)


def test_easy_titles_get_fewer_rungs() -> None:
    counts = [len(choose_rungs(hull_of(title(h)), POLICY)) for h in (2.0, 0.3, 0.03)]
    assert counts[0] > counts[1] > counts[2]


def test_a_cap_below_the_hull_gives_one_rung() -> None:
    strict = replace(POLICY, max_bitrate=1000, min_bitrate=500)
    (only,) = choose_rungs((point(50_000, 80.0),), strict)
    assert only.point.bitrate == 50_000
    assert "above" in only.why


@pytest.mark.parametrize(("count", "expected"), [(2, (19, 37)), (3, (19, 28, 37))])
def test_crfs_are_spread_over_their_span(count: int, expected: tuple[float, ...]) -> None:
    assert spread((19.0, 37.0), count) == expected


def test_trials_are_met_exactly_by_their_surfaces() -> None:
    met = title(1.0, grid=np.array(CRFS))
    for column, crf in enumerate(CRFS):
        assert met.rates[0, 0, column] == pytest.approx(4e6 * 2 ** (-(crf - 18) / 6), rel=1e-4)
        assert met.vmafs[0, 0, column] == pytest.approx(
            100 / (1 + math.exp((crf - 43) / 6)), abs=1e-3
        )


@given(st.lists(st.tuples(st.integers(1, 10**7), st.floats(0, 100)), min_size=4, max_size=4))
def test_surfaces_never_rise_with_crf(values: list[tuple[int, float]]) -> None:
    trials = [
        tried(0, 1280, 720, crf, rate, vmaf) for crf, (rate, vmaf) in zip(CRFS, values, strict=True)
    ]
    found = from_measurements(trials, crf_grid((14.0, 44.0), 0.5), [50], 25.0)
    assert np.isfinite(found.rates).all()
    assert (found.rates > 0).all()
    assert ((found.vmafs >= 0) & (found.vmafs <= 100)).all()
    assert (np.diff(found.rates) <= 0).all()
    assert (np.diff(found.vmafs) <= 1e-4).all()


def test_a_shot_that_was_not_tried_everywhere_is_no_surface() -> None:
    trials = [tried(0, 1280, 720, 20.0, 1e6, 90.0), tried(1, 640, 360, 20.0, 1e6, 90.0)]
    with pytest.raises(ValueError, match="not tried"):
        from_measurements(trials, crf_grid((14.0, 44.0), 0.5), [50, 50], 25.0)


@given(points, st.data())
def test_rungs_about_those_that_are_made_keep_the_rules(
    found: list[RateQualityPoint], data: st.DataObject
) -> None:
    hull = upper_hull(found)
    made = data.draw(st.lists(st.sampled_from(hull), max_size=4, unique_by=id))
    chosen = [c.point for c in choose_rungs(hull, POLICY, made)]
    assert 1 <= len(chosen) <= POLICY.max_rungs
    for better, worse in itertools.pairwise(chosen):
        assert worse.bitrate * POLICY.spacing.min_ratio * 0.9 <= better.bitrate * 1.000001
        assert worse.bitrate >= POLICY.min_bitrate
        assert worse.vmaf >= POLICY.floor_vmaf or better.bitrate > POLICY.comfort_bitrate
        assert worse.vmaf <= better.vmaf - POLICY.spacing.min_vmaf
        assert worse.width * worse.height <= better.width * better.height
    free = choose_rungs(hull, POLICY)[0].point
    assert abs(chosen[0].vmaf - free.vmaf) <= 0.5
    assert choose_rungs(hull, POLICY, ()) == choose_rungs(hull, POLICY)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_what_is_made_is_a_rung_wherever_it_lies_between_two(share: float) -> None:
    surfaces = title(1.0, 0.6, 1.7)
    hull = near_hull(
        [p for curve in sweep(surfaces, Limits(2.0, 20.0)) for p in curve], hull_of(surfaces), 0.5
    )
    free = [c.point for c in choose_rungs(hull, POLICY)]
    steps = [a.bitrate / b.bitrate for a, b in itertools.pairwise(free)]
    greatest = max([POLICY.spacing.max_ratio, *steps]) / 0.9
    # Not below the last, where this hull has a gap: no steps lead over it to any place there.
    for above, below in itertools.pairwise(free[1:-1]):
        at = math.exp((1 - share) * math.log(above.bitrate) + share * math.log(below.bitrate))
        made = min(hull, key=lambda p: abs(p.bitrate - at))
        chosen = [c.point for c in choose_rungs(hull, POLICY, [made])]
        assert any(p is made for p in chosen)
        assert abs(len(chosen) - len(free)) <= 1
        steps = [a.bitrate / b.bitrate for a, b in itertools.pairwise(chosen)]
        assert min(steps) >= POLICY.spacing.min_ratio * 0.9
        assert max(steps) <= greatest


def test_the_best_rung_is_one_that_is_made_only_if_it_is_as_good() -> None:
    surfaces = title(1.0, 0.6, 1.7)
    points = [p for curve in sweep(surfaces, Limits(2.0, 20.0)) for p in curve]
    hull = near_hull(points, hull_of(surfaces), 0.5)
    top = choose_rungs(hull, POLICY)[0]
    for off, taken in ((0.35, True), (-0.35, True), (0.8, False), (-0.8, False)):
        near = min(hull, key=lambda p: abs(p.vmaf - top.point.vmaf - off))
        chosen = choose_rungs(hull, POLICY, [near])[0]
        assert (chosen.point is near) == taken
        assert chosen.why == top.why
