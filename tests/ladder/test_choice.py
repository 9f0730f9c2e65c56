"""Surface, hull and choice of rungs: what must hold for every title."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.codecs import codec_named
from encoder.ladder.choose import choose_rungs
from encoder.ladder.decide import refinement, spread
from encoder.ladder.policy import load_policy
from encoder.ladder.surface import candidates, fit, near_hull, upper_hull
from encoder.media.ladder import RateQualityPoint

POLICY = load_policy("per-title")
CRFS = (18.0, 24.0, 30.0, 36.0)


def point(rate: int, vmaf: float, height: int = 720, crf: float = 23.0) -> RateQualityPoint:
    return RateQualityPoint(height * 16 // 9, height, crf, rate, vmaf)


def title(hardness: float) -> list[RateQualityPoint]:
    """Trials of a made-up title: rate halves every six CRF, quality falls with size and CRF."""
    points = []
    for height in (720, 540, 360, 234):
        share = (height / 720) ** 1.5
        for crf in CRFS:
            rate = hardness * 4e6 * share * 2 ** (-(crf - 18) / 6)
            vmaf = 100 / (1 + math.exp((crf - 44) / 6)) * (1 - 0.35 * (1 - share))
            points.append(RateQualityPoint(height * 16 // 9, height, crf, round(rate), vmaf))
    return points


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
    if any(p.bitrate <= POLICY.max_bitrate for p in upper_hull(found)):
        assert chosen[0].bitrate <= POLICY.max_bitrate


def test_trials_are_met_exactly_by_their_curves() -> None:
    trials = title(1.0)
    curves = {(c.width, c.height): c for c in fit(trials)}
    for trial in trials:
        again = curves[trial.width, trial.height].at(trial.crf)
        assert again.bitrate == pytest.approx(trial.bitrate, rel=1e-6)
        assert again.vmaf == pytest.approx(trial.vmaf, abs=1e-6)


@given(st.lists(st.tuples(st.integers(1, 10**7), st.floats(0, 100)), min_size=4, max_size=4))
def test_curves_never_rise_with_crf(values: list[tuple[int, float]]) -> None:
    trials = [point(rate, vmaf, 720, crf) for crf, (rate, vmaf) in zip(CRFS, values, strict=True)]
    (curve,) = fit(trials)
    found = [curve.at(crf) for crf in np.arange(14, 44.5, 0.5)]
    assert all(math.isfinite(p.vmaf) and 0 <= p.vmaf <= 100 and p.bitrate >= 1 for p in found)
    for one, other in itertools.pairwise(found):
        assert other.bitrate <= one.bitrate
        assert other.vmaf <= one.vmaf + 1e-9


def test_a_title_gets_its_top_quality_and_no_more() -> None:
    hull = upper_hull(candidates(fit(title(1.0)), (14.0, 44.0), 0.5))
    chosen = choose_rungs(hull, POLICY)
    assert POLICY.top_vmaf <= chosen[0].point.vmaf < POLICY.top_vmaf + 1.5
    cheaper = [p for p in hull if p.bitrate < chosen[0].point.bitrate]
    assert all(p.vmaf < POLICY.top_vmaf for p in cheaper)


def test_easy_titles_get_fewer_rungs() -> None:
    counts = [
        len(choose_rungs(upper_hull(candidates(fit(title(h)), (14.0, 44.0), 0.5)), POLICY))
        for h in (2.0, 0.3, 0.03)
    ]
    assert counts[0] > counts[1] > counts[2]


def test_a_cap_below_the_hull_gives_one_rung() -> None:
    strict = replace(POLICY, max_bitrate=1000, min_bitrate=500)
    (only,) = choose_rungs((point(50_000, 80.0),), strict)
    assert only.point.bitrate == 50_000
    assert "above" in only.why


def test_crf_for_rate_inverts_the_curve() -> None:
    curve = fit(title(1.0))[0]
    for wanted in (300_000, 1_000_000, 3_000_000):
        crf = curve.crf_for_rate(wanted, 14.0, 44.0)
        assert curve.at(crf).bitrate == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(("count", "expected"), [(2, (19, 37)), (3, (19, 28, 37))])
def test_trials_are_spread_over_their_span(count: int, expected: tuple[float, ...]) -> None:
    assert spread((19.0, 37.0), count) == expected


def saturated(crf: float) -> float:
    """VMAF of a title that is flawless down to a CRF and then falls: what fools interpolation."""
    return min(100.0, 100.0 - 2.3 * (crf - 28.0))


def test_refinement_tries_the_rungs_that_interpolation_only_guesses() -> None:
    def trial(crf: float) -> RateQualityPoint:
        return RateQualityPoint(1280, 720, crf, round(8e6 * 2 ** (-(crf - 19) / 5)), saturated(crf))

    codec = codec_named("h264")
    trials = [trial(crf) for crf in (19.0, 28.0, 37.0)]

    def error() -> float:
        top = choose_rungs(upper_hull(candidates(fit(trials), (14.0, 44.0), 0.5)), POLICY)[0].point
        return abs(top.vmaf - saturated(top.crf))

    assert error() > 3
    for _ in range(2):
        ((width, height, crfs),) = refinement(trials, POLICY, codec, 1)
        assert (width, height) == (1280, 720)
        trials += [trial(crf) for crf in crfs]
    assert error() < 1


def test_what_was_tried_is_not_tried_again() -> None:
    codec = codec_named("h264")
    trials = title(1.0)
    for _ in range(30):
        plan = refinement(trials, POLICY, codec, 20)
        for width, height, crfs in plan:
            curve = next(c for c in fit(trials) if c.height == height)
            trials += [curve.at(crf) for crf in crfs]
            assert width == curve.width
        if not plan:
            break
    assert refinement(trials, POLICY, codec, 20) == []
