"""Audiences: read strictly, integrated exactly, and rungs placed where they are."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.errors import ExitCode, UsageError
from encoder.ladder.audience import bandwidth_below, expected_delivery, share_below
from encoder.ladder.choose import choose_rungs
from encoder.ladder.placement import LEAST_GAIN, SPARED, place_rungs
from encoder.ladder.policy import load_policy, parse_policy
from encoder.ladder.read_audience import DEFAULT_AUDIENCE, load_audience, shipped_audiences
from encoder.ladder.strict_yaml import Source
from encoder.media.audience import Audience
from encoder.media.ladder import RateQualityPoint
from encoder.media.policy import Policy

GOOD = "description: d\nkind: per-title\nheights: [720, 360]\n"
POLICY = load_policy("per-title")
WORLD = load_audience(DEFAULT_AUDIENCE)


def point(bitrate: int, vmaf: float) -> RateQualityPoint:
    return RateQualityPoint(1280, 720, 23.0, bitrate, vmaf)


def policy_of(text: str, name: str = "p.yaml") -> Policy:
    return parse_policy(Source(name, GOOD + text), "p")


@st.composite
def audiences(draw: st.DrawFn) -> Audience:
    bandwidth = st.integers(50_000, 100_000_000)
    if draw(st.booleans()):
        bins = draw(st.lists(st.tuples(bandwidth, st.floats(0.01, 10)), min_size=1, max_size=8))
        return Audience.of_histogram(bins)
    count = draw(st.integers(2, 7))
    percent = draw(st.lists(st.integers(0, 100), min_size=count, max_size=count, unique=True))
    speeds = draw(st.lists(bandwidth, min_size=count, max_size=count, unique=True))
    return Audience.of_percentiles(dict(zip(sorted(percent), sorted(speeds), strict=True)))


@st.composite
def curves(draw: st.DrawFn) -> tuple[RateQualityPoint, ...]:
    """Points dearer and better from one to the next, up to 40 of them."""
    rate, vmaf = draw(st.integers(20_000, 500_000)), draw(st.floats(1, 60))
    found = []
    for ratio, share in draw(
        st.lists(st.tuples(st.floats(1.02, 1.6), st.floats(0.01, 0.2)), max_size=40)
    ):
        found.append(point(rate, vmaf))
        rate = max(rate + 1, round(rate * ratio))
        vmaf += (100 - vmaf) * share
    return (*found, point(rate, vmaf))


@st.composite
def wishes(draw: st.DrawFn) -> Policy:
    return replace(
        POLICY,
        max_rungs=draw(st.integers(1, 8)),
        top_vmaf=draw(st.sampled_from([60.0, 88.0, 95.0])),
        max_bitrate=draw(st.sampled_from([600_000, 4_000_000, 20_000_000])),
        min_bitrate=draw(st.sampled_from([40_000, 100_000, 400_000])),
        spacing=replace(POLICY.spacing, min_ratio=draw(st.sampled_from([1.1, 1.5]))),
    )


# Reading


def test_the_shipped_audiences_are_valid_and_say_where_they_come_from() -> None:
    assert DEFAULT_AUDIENCE in shipped_audiences()
    for name in shipped_audiences():
        audience = load_audience(name)
        assert audience.name == name
        assert len(audience.source) > 40


def test_the_default_has_the_published_shares() -> None:
    at_least = 1 - share_below(WORLD, np.array([4e6, 10e6, 15e6, 25e6]))
    assert at_least == pytest.approx([0.82, 0.45, 0.28, 0.12])


def test_the_tails_of_the_default_lie_on_the_distribution_that_they_are_said_to() -> None:
    normal = NormalDist(math.log(8.95e6), 0.877)
    for bandwidth in (600_000, 1_160_000, 2_120_000, 4e6, 10e6, 15e6, 25e6, 68.9e6):
        share = float(share_below(WORLD, np.array([bandwidth * 1.000001]))[0])
        assert share == pytest.approx(normal.cdf(math.log(bandwidth)), abs=0.012)


def test_a_policy_has_no_audience_unless_it_says_so() -> None:
    assert load_policy("per-title").audience is None
    assert policy_of("audience: none\n").audience is None
    named = policy_of(f"audience: {DEFAULT_AUDIENCE}\n").audience
    assert named == WORLD


def test_percentiles_and_histograms_in_a_policy(tmp_path: Path) -> None:
    given_ = policy_of("audience:\n  percentiles: {5: 900_000, 50: 8_000_000}\n").audience
    assert given_ is not None
    assert given_.bandwidths == (9e5, 9e5, 8e6, 8e6)
    assert given_.below == (0.0, 0.05, 0.5, 1.0)
    (tmp_path / "h.csv").write_text("\ufeff# ours\nbandwidth, weight\n1000000,1\n\n4e6, 3\n")
    (tmp_path / "h.yaml").write_text(
        "- {bandwidth: 4_000_000, weight: 0.75}\n- {bandwidth: 1_000_000, weight: 0.25}\n"
    )
    for name in ("h.csv", "h.yaml"):
        policy = policy_of(f"audience: {{histogram: {name}}}\n", str(tmp_path / "p.yaml"))
        found = policy.audience
        assert found is not None
        assert found.name == "h"
        assert found.bandwidths == (1e6, 1e6, 4e6, 4e6)
        assert found.below == (0.0, 0.25, 0.25, 1.0)
        assert load_audience(str(tmp_path / name)) == found


def test_an_audience_changes_the_digest_and_its_name_does_not(tmp_path: Path) -> None:
    digests = []
    for line in ("", "audience: {percentiles: {5: 900_000, 50: 8_000_000}}\n"):
        (tmp_path / "p.yaml").write_text(GOOD + line)
        digests.append(load_policy(str(tmp_path / "p.yaml")).digest)
    (tmp_path / "p.yaml").write_text(
        GOOD + "audience: {source: guess, percentiles: {5: 900_000, 50: 8_000_000}}\n"
    )
    digests.append(load_policy(str(tmp_path / "p.yaml")).digest)
    assert digests[0] != digests[1] == digests[2]


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("audience: nobody\n", "p.yaml:4:11", "no audience"),
        ("audience: [1]\n", "p.yaml:4:11", "mapping"),
        ("audience: {}\n", "p.yaml:4:11", "either"),
        ("audience: {centiles: {}}\n", "p.yaml:4:12", "unknown field"),
        ("audience: {percentiles: 5}\n", "p.yaml:4:25", "mapping"),
        ("audience: {percentiles: {5: 900_000}}\n", "p.yaml:4:25", "at least two"),
        ("audience: {percentiles: {5: 2M, 50: 4M}}\n", "p.yaml:4:29", "whole number"),
        ("audience: {percentiles: {50: 2000, 5: 4000}}\n", "p.yaml:4:36", "rise"),
        ("audience: {percentiles: {5: 2000, 5.0: 4000}}\n", "p.yaml:4:35", "rise"),
        ("audience: {percentiles: {5: 4000, 50: 4000}}\n", "p.yaml:4:39", "rise"),
        ("audience: {percentiles: {5: 4000, 101: 5000}}\n", "p.yaml:4:35", "between"),
        ("audience: {percentiles: {nan: 4000, 50: 5000}}\n", "p.yaml:4:26", "between"),
        ("audience: {histogram: no.csv}\n", "p.yaml:4:23", "no file"),
        ("audience: {histogram: [{bandwidth: 4000}]}\n", "p.yaml:4:24", "lacks `weight`"),
        ("audience: {histogram: [{bandwidth: 4000, weight: 0}]}\n", "p.yaml", "nothing"),
        ("audience: {histogram: [{bandwidth: 4000, weight: -1}]}\n", "p.yaml:4:50", "between"),
        (
            "audience:\n  percentiles: {5: 4000, 9: 5000}\n"
            "  histogram: [{bandwidth: 9000, weight: 1}]\n",
            "p.yaml:5:3",
            "either",
        ),
    ],
)
def test_mistakes_in_a_policy_are_named(text: str, place: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        policy_of(text)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.where.startswith(place)
    assert why in caught.value.why


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("bandwidth,weight\n1000000\n", ":2:1", "comma"),
        ("1000000,1\n2M,  3\n", ":2:1", "must be a number, not `2M`"),
        ("1000000,1\n2000000,  x\n", ":2:11", "must be a number, not `x`"),
        ("1000000,-1\n", ":1:9", "0 or more"),
        ("4,1\n", ":1:1", "at least 1000"),
        ("nan,1\n", ":1:1", "at least 1000"),
        ("1000000,1\nbandwidth,weight\n", ":2:1", "must be a number"),
        ("1000000,0\n", "", "nothing"),
        ("", "", "nothing"),
    ],
)
def test_mistakes_in_a_histogram_are_named(tmp_path: Path, text: str, place: str, why: str) -> None:
    path = tmp_path / "h.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_audience(str(path))
    assert caught.value.where == f"{path}{place}"
    assert why in caught.value.why


def test_no_such_audience_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=DEFAULT_AUDIENCE):
        load_audience("no-such")


@pytest.mark.parametrize(
    ("bandwidths", "below"),
    [
        ((1e6,), (0.0,)),
        ((2e6, 1e6), (0.0, 1.0)),
        ((1e6, 2e6), (0.0, 0.9)),
        ((1e6, 2e6, 3e6), (0.0, math.nan, 1.0)),
        ((0.0, 2e6), (0.0, 1.0)),
        ((1e6, math.inf), (0.0, 1.0)),
    ],
)
def test_what_is_no_distribution_is_refused(
    bandwidths: tuple[float, ...], below: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match=r"bandwidth|shares"):
        Audience("", "", bandwidths, below)


# What an audience receives


def test_half_the_logarithm_is_half_the_viewers() -> None:
    audience = Audience.of_percentiles({0: 1e6, 100: 4e6})
    assert share_below(audience, np.array([5e5, 1e6, 2e6, 4e6, 5e6])) == pytest.approx(
        [0, 0, 0.5, 1, 1]
    )


def test_those_at_a_bandwidth_are_not_below_it() -> None:
    audience = Audience.of_histogram([(1e6, 1), (4e6, 3)])
    at = np.array([1e6, 1.0001e6, 4e6, 4.0001e6])
    assert share_below(audience, at) == pytest.approx([0, 0.25, 0.25, 1])
    assert bandwidth_below(audience, at) == pytest.approx([0, 0.25e6, 0.25e6, 3.25e6])


@given(audiences(), st.floats(4, 9))
def test_integrals_are_those_of_the_distribution(audience: Audience, exponent: float) -> None:
    """Against its inverse, taken at the middles of many equal shares of the viewers."""
    bandwidth = 10**exponent
    share = (np.arange(50_000) + 0.5) / 50_000
    speeds = np.exp(np.interp(share, audience.below, np.log(audience.bandwidths)))
    less = speeds < bandwidth
    at = np.array([bandwidth])
    assert share_below(audience, at)[0] == pytest.approx(less.mean(), abs=1e-4)
    found = bandwidth_below(audience, at)[0]
    assert found == pytest.approx((speeds * less).mean(), rel=2e-3, abs=2e-4 * bandwidth)


def test_delivery_of_a_ladder_by_hand() -> None:
    audience = Audience.of_histogram([(5e5, 1), (2e6, 2), (3e6, 3), (9e6, 4)])
    rungs = (point(4_000_000, 97.0), point(1_500_000, 80.0), point(700_000, 60.0))
    # With 100 kb/s of sound and 0.8 usable they need 5.125, 2 and 1 Mb/s.
    found = expected_delivery(rungs, audience, 95.0, 100_000)
    assert found.shares == pytest.approx((0.4, 0.5, 0.0))
    assert found.below_lowest == pytest.approx(0.1)
    assert found.vmaf == pytest.approx(0.4 * 95 + 0.5 * 80)
    assert found.bitrate == pytest.approx(0.4 * 4e6 + 0.5 * 1.5e6 + 0.1 * 0.5 * 700_000)


@given(audiences(), curves(), st.integers(0, 400_000))
def test_every_viewer_counts_once(
    audience: Audience, rungs: tuple[RateQualityPoint, ...], audio: int
) -> None:
    found = expected_delivery(rungs, audience, 95.0, audio)
    assert sum(found.shares) + found.below_lowest == pytest.approx(1)
    assert min(found.shares) >= 0
    assert 0 <= found.vmaf <= 95
    assert 0 <= found.bitrate <= rungs[-1].bitrate
    backwards = expected_delivery(rungs[::-1], audience, 95.0, audio)
    assert backwards.shares == pytest.approx(found.shares[::-1])
    assert backwards.vmaf == pytest.approx(found.vmaf)


def test_of_two_rungs_that_cost_the_same_the_better_is_played() -> None:
    one, other = point(500_000, 60.0), point(500_000, 50.0)
    for rungs in ((one, other), (other, one)):
        found = expected_delivery(rungs, Audience.of_histogram([(1e7, 1)]), 95.0, 0)
        assert found.shares[rungs.index(one)] == 1
        assert found.vmaf == 60


def test_bits_above_visible_quality_are_seen_as_waste() -> None:
    plain = (point(2_000_000, 95.0), point(500_000, 70.0))
    wasteful = (point(6_000_000, 99.0), *plain)
    less, more = (expected_delivery(r, WORLD, 95.0, 128_000) for r in (plain, wasteful))
    assert more.vmaf == pytest.approx(less.vmaf)
    assert more.bitrate > 1.5 * less.bitrate


@pytest.mark.parametrize(
    "rungs",
    [
        (),
        (point(0, 50.0),),
        (point(1000, math.nan),),
    ],
)
def test_no_delivery_of_what_is_no_ladder(rungs: tuple[RateQualityPoint, ...]) -> None:
    with pytest.raises(ValueError, match=r"ladder|rung"):
        expected_delivery(rungs, WORLD, 95.0, 128_000)


# Placement


def quality(rungs: tuple[RateQualityPoint, ...], audience: Audience, policy: Policy) -> float:
    audio = policy.audio.stereo_bitrate
    return expected_delivery(rungs, audience, policy.top_vmaf, audio).vmaf


@given(curves(), audiences(), wishes())
def test_placed_rungs_keep_what_the_policy_says(
    found: tuple[RateQualityPoint, ...], audience: Audience, policy: Policy
) -> None:
    choices = place_rungs(found, audience, policy)
    rungs = [c.point for c in choices]
    assert 1 <= len(rungs) <= policy.max_rungs
    assert all(c.why for c in choices)
    assert rungs[0] == choose_rungs(found, policy)[0].point
    for better, worse in itertools.pairwise(rungs):
        assert worse.bitrate <= better.bitrate / policy.spacing.min_ratio
        assert worse.vmaf <= better.vmaf - policy.spacing.min_vmaf
        assert worse.bitrate >= policy.min_bitrate
        assert worse.vmaf >= policy.floor_vmaf or better.bitrate > policy.comfort_bitrate
    assert place_rungs(found, audience, policy) == choices


@given(curves(), audiences(), wishes())
def test_never_less_quality_than_the_plain_choice_of_as_many(
    found: tuple[RateQualityPoint, ...], audience: Audience, policy: Policy
) -> None:
    plain = tuple(c.point for c in choose_rungs(found, policy))
    same = replace(policy, max_rungs=len(plain))
    free = tuple(c.point for c in place_rungs(found, audience, same, least_gain=0))
    assert len(free) <= len(plain)
    assert quality(free, audience, policy) >= quality(plain, audience, policy) - 1e-6
    placed = tuple(c.point for c in place_rungs(found, audience, same))
    lost = LEAST_GAIN * (len(plain) - len(placed))
    assert quality(placed, audience, policy) >= quality(plain, audience, policy) - lost - 1e-6


@given(curves(), audiences(), wishes())
def test_every_placed_rung_is_worth_it(
    found: tuple[RateQualityPoint, ...], audience: Audience, policy: Policy
) -> None:
    rungs = tuple(c.point for c in place_rungs(found, audience, policy))
    whole = quality(rungs, audience, policy)
    for one in rungs[1:]:
        without = tuple(rung for rung in rungs if rung != one)
        assert whole - quality(without, audience, policy) >= LEAST_GAIN - 1e-6


@settings(max_examples=40)
@given(curves(), audiences(), wishes())
def test_no_set_is_better(
    found: tuple[RateQualityPoint, ...], audience: Audience, policy: Policy
) -> None:
    """Against every set of up to three rungs out of a few points."""
    few = found[-9:]
    policy = replace(policy, max_rungs=min(3, policy.max_rungs))
    top = choose_rungs(few, policy)[0].point

    def allowed(rungs: tuple[RateQualityPoint, ...]) -> bool:
        return all(
            worse.bitrate <= better.bitrate / policy.spacing.min_ratio
            and worse.vmaf <= better.vmaf - policy.spacing.min_vmaf
            and worse.bitrate >= policy.min_bitrate
            and (worse.vmaf >= policy.floor_vmaf or better.bitrate > policy.comfort_bitrate)
            for better, worse in itertools.pairwise(rungs)
        )

    def worth(rungs: tuple[RateQualityPoint, ...]) -> float:
        return quality(rungs, audience, policy) - LEAST_GAIN * len(rungs)

    lower = [p for p in few if p.bitrate < top.bitrate][::-1]
    sets = [
        (top, *rest)
        for count in range(policy.max_rungs)
        for rest in itertools.combinations(lower, count)
    ]
    best = max(worth(rungs) for rungs in sets if allowed(rungs))
    placed = tuple(c.point for c in place_rungs(few, audience, policy))
    assert worth(placed) == pytest.approx(best, abs=1e-6)


def smooth(count: int) -> tuple[RateQualityPoint, ...]:
    rates = np.geomspace(60_000, 12_000_000, count)
    return tuple(point(round(r), float(100 - 97 * np.exp(-((r / 1e6) ** 0.6)))) for r in rates)


def test_rungs_go_where_viewers_are() -> None:
    found = smooth(500)
    slow = Audience.of_percentiles({1: 300_000, 99: 1_500_000})
    fast = Audience.of_percentiles({1: 4_000_000, 99: 50_000_000})
    placed = {}
    for name, audience in (("slow", slow), ("fast", fast)):
        placed[name] = place_rungs(found, audience, replace(POLICY, max_rungs=5))
        below = [c for c in placed[name][1:] if c.point.bitrate < 1_000_000]
        assert (len(below) >= 3) == (name == "slow")
    assert len(placed["slow"]) > len(placed["fast"])
    assert placed["slow"][0].point == placed["fast"][0].point
    assert "of the audience play it" in placed["slow"][1].why
    assert "to the mean VMAF that is received" in placed["slow"][1].why


def test_viewers_who_all_have_more_than_enough_need_one_rung() -> None:
    (only,) = place_rungs(smooth(100), Audience.of_histogram([(1e9, 1)]), POLICY)
    assert only.point.vmaf >= POLICY.top_vmaf
    assert only.why == "the cheapest point that reaches VMAF 95; 100% of the audience play it"


def test_a_policy_with_an_audience_places_rungs_for_it() -> None:
    found = smooth(100)
    audience = load_audience("mobile-2020")
    for_them = replace(POLICY, audience=audience)
    assert choose_rungs(found, for_them) == place_rungs(found, audience, POLICY)
    assert choose_rungs(found, for_them) == place_rungs(found, audience, for_them)
    assert choose_rungs(found, for_them) != choose_rungs(found, POLICY)


def test_what_is_made_is_placed_where_it_is_nearly_as_good() -> None:
    found = smooth(300)
    audience = Audience.of_percentiles({10: 800_000, 50: 3_000_000, 90: 12_000_000})
    free = [c.point for c in place_rungs(found, audience, POLICY)]
    assert place_rungs(found, audience, POLICY, made=()) == place_rungs(found, audience, POLICY)
    second = found.index(free[2])
    near, far = found[second - 1], found[found.index(free[-1]) - 1]
    placed = [c.point for c in place_rungs(found, audience, POLICY, made=[near, far])]
    assert near in placed
    assert far in placed
    lost = quality(tuple(free), audience, POLICY) - quality(tuple(placed), audience, POLICY)
    assert lost <= (LEAST_GAIN + SPARED) * 2
    # What does not do its part is no rung because it is there.
    beside = place_rungs(found, audience, POLICY, made=found[second - 3 : second + 3])
    assert sum(any(c.point is p for p in found[second - 3 : second + 3]) for c in beside) == 1
