"""The sample stands for the whole title."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.encode.keyframes import force_key_frames, gop_frames, plan_gops
from encoder.ladder.sample import nearest, representatives, short_window, whole_windows
from encoder.media.frames import FrameRange
from encoder.media.shots import Complexity, Shot


def make_shots(lengths: list[int]) -> tuple[Shot, ...]:
    shots, start = [], 0
    for number, length in enumerate(lengths):
        hardness = Complexity(10.0, float(number % 5), float(number % 7), 0.0, 100.0, (9.0,) * 5)
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


@given(lengths, st.integers(1, 120))
def test_whole_windows_are_the_shots_with_their_idr_frames(found: list[int], longest: int) -> None:
    shots = make_shots(found)
    gops = plan_gops(shots, longest)
    windows = whole_windows(shots, gops)
    assert [w.frames for w in windows] == [s.frames for s in shots]
    assert [w.frames.start + key for w in windows for key in w.keys] == [g.start for g in gops]


@given(lengths, st.integers(1, 60))
def test_short_windows_lie_inside_their_shot(found: list[int], length: int) -> None:
    shots = make_shots(found)
    for index, shot in enumerate(shots):
        window = short_window(shots, index, length)
        assert window.shot == index
        assert shot.frames.start <= window.frames.start
        assert window.frames.end <= shot.frames.end
        assert len(window.frames) == min(length, len(shot.frames))


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=30),
    st.integers(1, 40),
)
def test_representatives_are_different_shots_and_stand_for_the_nearest(
    found: list[tuple[float, float]], most: int
) -> None:
    standard = np.array(found)
    frames = np.arange(1.0, len(found) + 1)
    chosen = representatives(standard, frames, most)
    assert len(set(chosen)) == len(chosen) == min(most, len(found))
    like = nearest(standard, chosen)
    for shot, position in enumerate(like):
        apart = np.sum((standard[chosen] - standard[shot]) ** 2, axis=1)
        assert apart[position] == pytest.approx(apart.min())
    assert [like[shot] for shot in chosen] == list(range(len(chosen)))


def test_the_first_representative_is_the_longest_and_the_next_unlike_it() -> None:
    standard = np.array([[0.0], [0.1], [3.0], [0.0]])
    assert list(representatives(standard, np.array([50.0, 60.0, 20.0, 10.0]), 2)) == [1, 2]


def test_forced_times_are_half_a_frame_early() -> None:
    assert force_key_frames((0, 24), Fraction(24)) == "0.000000,0.979167"
    assert gop_frames(Fraction(30000, 1001), Fraction(2)) == 59
    assert gop_frames(Fraction(1, 2), Fraction(1)) == 1
