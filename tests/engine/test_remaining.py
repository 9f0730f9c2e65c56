"""What is left of an encode is told over all of its turns."""

from __future__ import annotations

from fractions import Fraction

import pytest

from encoder.codecs import EncodeSettings
from encoder.encode.chunk_command import Measuring
from encoder.encode.chunks import Chunk, ChunkRung
from encoder.engine.chunk_runner import Task
from encoder.engine.remaining import Remaining
from encoder.media.frames import FrameRange
from encoder.media.ladder import Rung
from tests.ladder.test_evidence import conform


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def rung(width: int, height: int) -> Rung:
    return Rung("r", "h264", width, height, "medium", (30.0,), None, 10**6, 10**6, None, "")


def tasks(frames: int, *sizes: tuple[int, int]) -> list[Task]:
    chunk = Chunk(0, FrameRange(0, frames), (0,))
    asked = (
        EncodeSettings(Fraction(24), width, height, "medium", 48, crf=30.0)
        for width, height in sizes
    )
    return [Task(chunk, tuple(ChunkRung("h264", one) for one in asked))]


@pytest.mark.parametrize("measuring", [None, Measuring("vmaf_v0.6.1", 1)])
def test_rungs_that_are_decided_later_count(measuring: Measuring | None) -> None:
    clock = Clock()
    left = Remaining(conform(), measuring, clock)
    assert left.seconds(0.5) is None  # Nothing has begun.
    left.expect(100, [rung(1280, 720), rung(1280, 720)])
    left.begin(tasks(100, (1280, 720)))
    assert left.seconds(0.0) is None
    clock.now += 10
    # Half of one in three.
    assert left.seconds(0.5) == pytest.approx(50)
    clock.now += 10
    left.expect(100, ())
    left.begin(tasks(100, (1280, 720), (1280, 720)))
    assert left.seconds(0.0) == pytest.approx(40)
    # The second turn turns out to be slower, which counts for as much as was done of it.
    clock.now += 30
    assert left.seconds(0.5) == pytest.approx(25)


def test_the_time_between_turns_and_what_is_cached_do_not_count() -> None:
    clock = Clock()
    left = Remaining(conform(), None, clock)
    # Of the first turn nothing was missing: it never began.
    left.expect(100, [rung(1280, 720)])
    clock.now += 5
    left.expect(100, ())
    left.begin(tasks(40, (1280, 720)))
    clock.now += 4
    assert left.seconds(0.5) == pytest.approx(4)
    left.end()
    assert left.seconds(1.0) is None
    clock.now += 100
    left.begin(tasks(40, (1280, 720)))
    assert left.seconds(0.0) == pytest.approx(4)


def test_what_is_measured_costs_too() -> None:
    shares = []
    for measuring in (None, Measuring("vmaf_v0.6.1", 5), Measuring("vmaf_v0.6.1", 1)):
        clock = Clock()
        left = Remaining(conform(), measuring, clock)
        # A small rung now, a large one later: measuring costs the same of both.
        left.expect(100, [rung(1280, 720)])
        left.begin(tasks(100, (640, 360)))
        clock.now += 10
        found = left.seconds(1.0)
        assert found is not None
        shares.append(found)
    assert shares[0] == pytest.approx(40)
    assert shares[0] > shares[1] > shares[2] > 10
