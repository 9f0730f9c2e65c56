"""Nominal rates and cadence from presentation times."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.probe.cadence import WELL_KNOWN, Measured, measure, snap

NTSC_FILM = Fraction(24000, 1001)
NTSC = Fraction(30000, 1001)
MILLISECONDS = Fraction(1, 1000)
VIDEO_CLOCK = Fraction(1, 90000)


def ticks(rate: Fraction, count: int, time_base: Fraction, start: int = 0) -> list[int]:
    return [start + round(n / rate / time_base) for n in range(count)]


def verdict(found: Measured) -> tuple[object, ...]:
    return found.nominal, found.cadence, found.timed


@pytest.mark.parametrize("rate", WELL_KNOWN, ids=str)
@pytest.mark.parametrize("time_base", [VIDEO_CLOCK, MILLISECONDS, Fraction(1, 600)], ids=str)
def test_well_known_rates_survive_rounding_to_ticks(rate: Fraction, time_base: Fraction) -> None:
    # Long enough to tell NTSC rates from their neighbours in milliseconds.
    times = ticks(rate, 2000, time_base, start=12345)
    found = measure(times, time_base, [])
    assert verdict(found) == (rate, "constant", True)


@given(
    st.sampled_from([r for r in WELL_KNOWN if r <= 120]),
    st.lists(st.floats(-0.2, 0.2), min_size=50, max_size=300),
)
def test_jitter_below_half_a_frame_is_constant(rate: Fraction, jitter: list[float]) -> None:
    times = [round((n + off) / float(rate) * 90000) for n, off in enumerate(jitter)]
    found = measure(times, VIDEO_CLOCK, [rate])
    assert verdict(found) == (rate, "constant", True)


def test_much_jitter_is_constant_but_not_timed() -> None:
    # The first picture is early, the rest late: none may be lost by rounding from the first.
    offsets = [-0.4, *[0.4] * 99]
    times = [round((n + off) / 25 * 90000) for n, off in enumerate(offsets)]
    found = measure(times, VIDEO_CLOCK, [Fraction(25)])
    assert verdict(found) == (25, "constant", False)


@pytest.mark.parametrize(
    ("claim", "expected"), [(Fraction(24), 24), (NTSC_FILM, NTSC_FILM)], ids=["24", "23.976"]
)
def test_a_claim_decides_what_short_clips_cannot(claim: Fraction, expected: Fraction) -> None:
    times = ticks(claim, 24, MILLISECONDS)
    assert measure(times, MILLISECONDS, [claim]).nominal == expected


@pytest.mark.parametrize("claim", [Fraction(90000), Fraction(1000), Fraction(51600, 1841)])
def test_nonsense_claims_are_not_believed(claim: Fraction) -> None:
    times = ticks(NTSC, 200, VIDEO_CLOCK)
    assert measure(times, VIDEO_CLOCK, [claim]).nominal == NTSC


@pytest.mark.parametrize("time_base", [VIDEO_CLOCK, MILLISECONDS], ids=["90 kHz", "1 kHz"])
def test_odd_rates_stay(time_base: Fraction) -> None:
    times = ticks(Fraction(35), 105, time_base)
    found = measure(times, time_base, [Fraction(35)])
    assert verdict(found)[:2] == (35, "constant")
    assert measure(times, time_base, []).nominal == 35


def test_a_clock_slightly_off_means_the_well_known_rate() -> None:
    times = ticks(Fraction(2999, 100), 300, VIDEO_CLOCK)
    found = measure(times, VIDEO_CLOCK, [])
    assert verdict(found)[:2] == (30, "constant")
    assert abs(found.average - Fraction(2999, 100)) < Fraction(1, 1000)


def test_missing_pictures_are_variable_at_the_rate_of_the_others() -> None:
    times = [t for n, t in enumerate(ticks(Fraction(30), 180, VIDEO_CLOCK)) if n % 7 not in (3, 4)]
    found = measure(times, VIDEO_CLOCK, [Fraction(43, 2), Fraction(30)])
    assert verdict(found)[:2] == (30, "variable")


def test_a_camera_that_slows_down_keeps_the_rate_of_its_fast_part() -> None:
    slow = ticks(Fraction(15), 120, VIDEO_CLOCK)
    fast = ticks(Fraction(30), 60, VIDEO_CLOCK, start=slow[-1] + 3000)
    found = measure([*slow, *fast], VIDEO_CLOCK, [])
    assert verdict(found)[:2] == (30, "variable")


def test_irregular_times_get_a_rate_that_players_know() -> None:
    times = [0, 5000, 7000, 19000, 23000, 50000]
    found = measure(times, VIDEO_CLOCK, [])
    assert found.cadence == "variable"
    assert found.nominal in WELL_KNOWN
    assert found.nominal <= 60


def test_a_clock_that_jumps_is_no_guide() -> None:
    before = ticks(Fraction(25), 50, VIDEO_CLOCK)
    after = ticks(Fraction(25), 50, VIDEO_CLOCK, start=90000 * 5000)
    found = measure([*before, *after], VIDEO_CLOCK, [Fraction(1, 5)])
    assert verdict(found) == (25, "constant", False)


@pytest.mark.parametrize(
    ("claims", "expected"), [([Fraction(50)], 50), ([None], 25), ([Fraction(90000)], 25)]
)
def test_without_times_the_claim_is_all_there_is(
    claims: list[Fraction | None], expected: int
) -> None:
    found = measure([], VIDEO_CLOCK, claims)
    assert verdict(found) == (expected, "constant", False)


def test_a_single_picture() -> None:
    found = measure([500], VIDEO_CLOCK, [Fraction(30)])
    assert verdict(found) == (30, "constant", True)


@given(st.sampled_from(WELL_KNOWN))
def test_snapping_is_idempotent(rate: Fraction) -> None:
    assert snap(rate) == rate


@pytest.mark.parametrize("rate", [Fraction(35), Fraction(27), Fraction(45), Fraction(66)], ids=str)
def test_rates_far_from_known_ones_do_not_snap(rate: Fraction) -> None:
    assert snap(rate) == rate
