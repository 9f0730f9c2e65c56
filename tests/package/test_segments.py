"""Segment boundaries and bitrates, against slow and obvious ways to find the same."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.media.package import Fragment, Segment
from encoder.package.segments import (
    average_bitrate,
    buffer_time,
    group,
    nearest_samples,
    peak_bitrate,
    segment_boundaries,
    target_duration,
)

RATE = Fraction(24000, 1001)
lengths = st.lists(st.integers(1, 60), min_size=1, max_size=9)
sizes = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 200)), min_size=1, max_size=12)


def times(frames: list[int]) -> list[Fraction]:
    return [Fraction(n) / RATE for n in accumulate(frames, initial=0)]


def chain(pairs: list[tuple[int, int]]) -> list[Fragment]:
    """Fragments of (size, duration), one after the other."""
    found = []
    at = start = 0
    for size, duration in pairs:
        found.append(Fragment(at, size, start, duration, duration, independent=True))
        at += size
        start += duration
    return found


@settings(deadline=None)
@given(lengths)
def test_segments_tile_the_fragments_and_keep_the_limit(frames: list[int]) -> None:
    found = segment_boundaries(times(frames), Fraction(4))
    assert found[0] == 0
    assert found[-1] == len(frames)
    clock = times(frames)
    for first, stop in pairwise(found):
        assert first < stop
        assert clock[stop] - clock[first] <= 4 or stop == first + 1


@settings(deadline=None)
@given(lengths)
def test_segments_are_the_nearest_to_the_target(frames: list[int]) -> None:
    clock = times(frames)
    target = Fraction(4)

    def cost(bounds: tuple[int, ...]) -> Fraction:
        return sum(((clock[b] - clock[a] - target) ** 2 for a, b in pairwise(bounds)), Fraction(0))

    def allowed(bounds: tuple[int, ...]) -> bool:
        return all(clock[b] - clock[a] <= target or b == a + 1 for a, b in pairwise(bounds))

    count = len(frames)
    every = [(0, *inner, count) for n in range(count) for inner in combinations(range(1, count), n)]
    best = min(cost(bounds) for bounds in every if allowed(bounds))
    assert cost(segment_boundaries(clock, target)) == best


@settings(deadline=None)
@given(lengths, st.sets(st.integers(0, 9)))
def test_preferred_places_lengthen_no_segment(frames: list[int], shots: set[int]) -> None:
    clock = times(frames)
    preferred = [clock[n] for n in shots if n < len(clock)]
    found = segment_boundaries(clock, Fraction(4), Fraction(0), preferred)
    assert (found[0], found[-1]) == (0, len(frames))
    for first, stop in pairwise(found):
        assert clock[stop] - clock[first] <= 4 or stop == first + 1
    # Cut again with the boundaries and some others left, they are the same.
    kept = sorted({*found, *range(0, len(frames), 2), len(frames)})
    again = segment_boundaries([clock[n] for n in kept], Fraction(4), Fraction(0), preferred)
    assert [kept[n] for n in again] == list(found) or any(
        clock[b] - clock[a] > 4 for a, b in pairwise(kept)
    )


def test_segments_start_at_preferred_places_near_by() -> None:
    clock = [Fraction(n) for n in range(13)]
    assert segment_boundaries(clock, Fraction(6)) == (0, 6, 12)
    # It would take a segment more: that is not worth it.
    assert segment_boundaries(clock, Fraction(6), preferred=[Fraction(7)]) == (0, 6, 12)
    assert 5 in segment_boundaries(clock[:12], Fraction(6), preferred=[Fraction(5)])
    assert segment_boundaries(clock[:11], Fraction(6), preferred=[Fraction(4)]) == (0, 4, 10)
    assert segment_boundaries(clock[:11], Fraction(6)) == (0, 5, 10)


def test_a_short_rest_is_shared_out() -> None:
    # Greedily this would be 6, 6, 1 seconds.
    assert segment_boundaries([Fraction(n) for n in range(14)], Fraction(6)) in (
        (0, 4, 8, 13),
        (0, 4, 9, 13),
        (0, 5, 9, 13),
    )


def test_the_tolerance_lets_a_segment_exceed_the_target_by_rounding() -> None:
    clock = [Fraction(n * 1001, 1000) for n in range(7)]
    assert segment_boundaries(clock, Fraction(6)) != (0, 6)
    assert segment_boundaries(clock, Fraction(6), Fraction(1, 48)) == (0, 6)


@pytest.mark.parametrize("clock", [[0], [0, 0], [0, 2, 1]])
def test_boundaries_refuse_times_that_do_not_increase(clock: list[int]) -> None:
    with pytest.raises(ValueError, match="increasing time"):
        segment_boundaries([Fraction(n) for n in clock], Fraction(6))


def test_groups_are_runs_of_bytes_and_time() -> None:
    fragments = chain([(10, 2), (20, 3), (30, 4)])
    assert group(fragments, (0, 2, 3)) == (Segment(0, 30, 0, 5), Segment(30, 30, 5, 4))


@pytest.mark.parametrize(("ticks", "seconds"), [(100, 1), (149, 1), (150, 2), (600, 6), (30, 1)])
def test_target_duration_is_rounded_half_up(ticks: int, seconds: int) -> None:
    assert target_duration([Segment(0, 1, 0, ticks), Segment(1, 1, 0, 20)], 100) == seconds


def test_average_bitrate_is_all_bits_over_all_time_rounded_up() -> None:
    assert average_bitrate([Segment(0, 10, 0, 3), Segment(10, 20, 3, 4)], 7) == 240
    assert average_bitrate([Segment(0, 10, 0, 3)], 1) == 27


@settings(deadline=None)
@given(sizes, st.integers(1, 12))
def test_peak_bitrate_is_the_largest_of_all_runs_of_about_a_target(
    pairs: list[tuple[int, int]], target: int
) -> None:
    timescale = 30
    segments = group(chain(pairs), range(len(pairs) + 1))
    rates = []
    for first in range(len(segments)):
        for stop in range(first + 1, len(segments) + 1):
            run = segments[first:stop]
            seconds = Fraction(sum(s.duration for s in run), timescale)
            if Fraction(target, 2) <= seconds <= Fraction(3 * target, 2):
                rates.append(8 * sum(s.size for s in run) / seconds)
    expected = max(rates, default=None)
    if expected is None:
        assert peak_bitrate(segments, timescale, target) == average_bitrate(segments, timescale)
    else:
        assert 0 <= peak_bitrate(segments, timescale, target) - expected < 1


def simulate(fragments: list[Fragment], timescale: int, bitrate: int, buffer: Fraction) -> bool:
    """Whether playback from every fragment on never waits for data."""
    for first in range(len(fragments)):
        received = Fraction(0)
        for fragment in fragments[first:]:
            received += Fraction(8 * fragment.size, bitrate)
            if received > buffer + Fraction(fragment.start - fragments[first].start, timescale):
                return False
    return True


@settings(deadline=None)
@given(sizes, st.integers(100, 100_000))
def test_buffer_time_is_just_enough(pairs: list[tuple[int, int]], bitrate: int) -> None:
    fragments = chain(pairs)
    needed = buffer_time(fragments, 30, bitrate)
    assert simulate(fragments, 30, bitrate, needed)
    assert not simulate(fragments, 30, bitrate, needed - Fraction(1, 10**9))


def test_nearest_samples() -> None:
    starts = [0, 1024, 2048, 3072]
    seconds = [Fraction(n, 1000) for n in (0, 500, 512, 513, 1600, 9000)]
    assert nearest_samples(starts, 0, 1000, seconds) == (0, 0, 0, 1, 2, 3)
    assert nearest_samples(starts, 1024, 1000, seconds[:1]) == (1,)
