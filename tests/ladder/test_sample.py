"""The sample stands for the whole title."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from encoder.encode.keyframes import force_key_frames, gop_frames, plan_gops
from encoder.ladder.sample import choose_windows
from encoder.media.frames import FrameRange
from encoder.media.shots import Complexity, Shot


def make_shots(lengths: list[int]) -> tuple[Shot, ...]:
    shots, start = [], 0
    for number, length in enumerate(lengths):
        hardness = Complexity(10.0, float(number % 5), float(number % 7), 0.0, 100.0)
        shots.append(Shot(FrameRange(start, start + length), True, hardness))
        start += length
    return tuple(shots)


lengths = st.lists(st.integers(1, 400), min_size=1, max_size=30)


@given(lengths, st.integers(1, 120))
def test_gops_tile_the_shots(found: list[int], longest: int) -> None:
    shots = make_shots(found)
    gops = plan_gops(shots, longest)
    assert [g.start for g in gops] == [0, *(g.end for g in gops[:-1])]
    assert gops[-1].end == shots[-1].frames.end
    assert max(map(len, gops)) <= longest
    assert {s.frames.start for s in shots} <= {g.start for g in gops}


@given(lengths, st.integers(1, 120), st.integers(1, 5000))
def test_windows_represent_every_frame_once(found: list[int], longest: int, budget: int) -> None:
    shots = make_shots(found)
    gops = plan_gops(shots, longest)
    windows = choose_windows(shots, gops, budget)
    assert sum(w.represents for w in windows) == sum(found)
    assert all(w.represents > 0 and w.frames in gops for w in windows)
    assert [w.frames.start for w in windows] == sorted({w.frames.start for w in windows})
    for window in windows:
        assert window.frames.start in shots[window.shot].frames


def test_a_full_budget_takes_everything() -> None:
    shots = make_shots([48, 48, 48])
    gops = plan_gops(shots, 48)
    windows = choose_windows(shots, gops, 144)
    assert [w.frames for w in windows] == list(gops)
    assert [w.represents for w in windows] == [48, 48, 48]


def test_forced_times_are_half_a_frame_early() -> None:
    assert force_key_frames((0, 24), Fraction(24)) == "0.000000,0.979167"
    assert gop_frames(Fraction(30000, 1001), Fraction(2)) == 59
    assert gop_frames(Fraction(1, 2), Fraction(1)) == 1
