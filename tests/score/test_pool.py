"""Pooling: libvmaf's definitions, and what must hold of any values."""

from __future__ import annotations

import math
from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from encoder.media.frames import FrameRange
from encoder.media.shots import Complexity, Shot
from encoder.score.pool import pool, pool_shots

scores = st.lists(st.floats(0, 100), min_size=1, max_size=60)


def array(values: list[float]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def shot(start: int, end: int) -> Shot:
    return Shot(FrameRange(start, end), True, Complexity(0, 0, 0, 0, 0, ()))


def test_known_values() -> None:
    pooled = pool(array([50, 100, 0, 25]))
    assert pooled.mean == 43.75
    assert pooled.harmonic_mean == pytest.approx(4 / (1 / 51 + 1 / 101 + 1 + 1 / 26) - 1)
    assert pooled.p1 == pytest.approx(0.75)  # 3% of the way from the lowest frame to the next
    assert pooled.p5 == pytest.approx(3.75)
    assert pooled.min == 0


@given(scores)
def test_poolings_are_ordered(values: list[float]) -> None:
    pooled = pool(array(values))
    assert pooled.min == min(values)
    assert pooled.min <= pooled.p1 <= pooled.p5 <= max(values)
    assert pooled.min <= pooled.harmonic_mean <= max(values)
    assert pooled.harmonic_mean <= pooled.mean + 1e-9
    assert pooled.mean == pytest.approx(math.fsum(values) / len(values))


@given(scores)
def test_order_of_frames_does_not_matter(values: list[float]) -> None:
    ordered = sorted(values)
    assert astuple(pool(array(values))) == pytest.approx(astuple(pool(array(ordered))))


@given(st.floats(0, 100), st.integers(1, 50))
def test_equal_frames_pool_to_themselves(value: float, count: int) -> None:
    assert set(astuple(pool(array([value] * count)))) == {value}


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf], [-1.0]])
def test_refuses_what_cannot_be_pooled(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"pooled|number"):
        pool(array(values))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(1, 5))
def test_shots_pool_their_own_frames(lengths: list[int], every: int) -> None:
    bounds = np.cumsum([0, *lengths])
    frames = np.arange(0, bounds[-1], every, dtype=np.int32)
    values = (frames * 7 % 101).astype(np.float64)
    shots = [shot(int(a), int(b)) for a, b in pairwise(bounds)]
    pooled = pool_shots(values, frames, shots)
    for one, found in zip(shots, pooled, strict=True):
        own = [float(f * 7 % 101) for f in range(0, int(bounds[-1]), every) if f in one.frames]
        assert found == (pool(array(own)) if own else None)


def test_a_shot_between_scored_frames_has_no_score() -> None:
    frames = np.array([0, 5], dtype=np.int32)
    pooled = pool_shots(array([90, 80]), frames, [shot(0, 2), shot(2, 5), shot(5, 9)])
    assert pooled[1] is None
    assert [p.mean for p in pooled if p] == [90, 80]


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="values for"):
        pool_shots(array([1, 2]), np.array([0], dtype=np.int32), [shot(0, 2)])
