"""Which frame each frame shows, of signatures that are made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from encoder.score.reading import read_alignment
from encoder.score.signatures import CELLS, CHROMA, STEP, Signatures

FRAMES = 60


@pytest.fixture(scope="module")
def moving() -> Signatures:
    """Pictures that all move on, each a little unlike the others."""
    random = np.random.default_rng(1)
    walk = 128 + np.cumsum(random.normal(0, 2, (FRAMES, CELLS + 2 * CHROMA)), axis=0)
    return np.asarray(np.clip(walk, 0, 255) * STEP, np.uint16)


def coded(values: Signatures, noise: float = 0.5) -> Signatures:
    """With an error that is the same for all frames, and a little of its own."""
    random = np.random.default_rng(2)
    error = random.normal(0, noise, values.shape[1]) + random.normal(0, noise / 5, values.shape)
    return np.asarray(np.clip(values + error * STEP, 0, 255 * STEP), np.uint16)


def test_what_is_as_it_should_be_has_no_jumps(moving: Signatures) -> None:
    reading = read_alignment(moving, coded(moving))
    assert (reading.offset, reading.jumps) == (0, ())
    assert reading.likeness is not None
    assert reading.likeness > 0.99


@pytest.mark.parametrize(
    ("frames", "jumps"),
    [
        ([*range(30), *range(31, 60)], [(30, 0, 1)]),
        ([*range(30), *range(33, 60)], [(30, 0, 3)]),
        ([*range(30), *range(29, 60)], [(30, 0, -1)]),
        ([*range(30), 29, *range(31, 60)], [(30, 0, -1), (31, -1, 0)]),
        # Three pictures that are like much older ones are an encoder's lag.
        ([*range(30), 22, 23, 24, *range(33, 60)], []),
        # The first and the last frame begin and end it.
        ([0, *range(59)], []),
        ([*range(1, 60), 59], []),
    ],
)
def test_jumps_are_found_where_they_are(
    moving: Signatures, frames: list[int], jumps: list[tuple[int, int, int]]
) -> None:
    reading = read_alignment(moving, coded(moving[frames]))
    found = [(jump.frame, jump.before, jump.after) for jump in reading.jumps]
    assert found == jumps
    assert reading.offset == frames[10] - 10
