"""Workers and processes keep to cores and memory."""

from __future__ import annotations

import pytest

from encoder.codecs import EncodeSettings
from encoder.encode.chunks import ChunkRung
from encoder.engine.resources import (
    PeakMemory,
    Resources,
    batches,
    cores,
    expected_memory,
    machine_memory,
    workers,
)
from encoder.ffmpeg.process import Usage
from tests.encode.test_chunks import CONFORM, RATE

GIB = 1 << 30


def asked(height: int, crf: float = 24) -> ChunkRung:
    settings = EncodeSettings(RATE, height * 16 // 9, height, "medium", 48, crf=crf)
    return ChunkRung("h264", settings)


def test_the_machine_has_cores_and_memory() -> None:
    assert cores() >= 1
    assert machine_memory() > 100_000_000
    assert Resources().memory_limit <= machine_memory() // 2
    assert Resources(jobs=1).memory_limit <= 3 * GIB // 2
    assert Resources(jobs=4096).memory_limit == machine_memory() // 2
    assert Resources(memory=5).memory_limit == 5


def test_workers_keep_to_what_was_asked_and_what_there_is() -> None:
    plenty = Resources(jobs=3, memory=64 * GIB)
    assert workers(plenty, GIB, 10, 1) == 3
    assert workers(plenty, GIB, 2, 5) == 2
    assert workers(Resources(jobs=8, memory=4 * GIB), GIB, 10, 5) == 3
    assert workers(Resources(jobs=8, memory=GIB), 2 * GIB, 10, 5) == 1
    assert workers(Resources(memory=64 * GIB), GIB, 100, 5) == -(-cores() // 4)


def test_a_lone_encode_leaves_cores_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("encoder.engine.resources.cores", lambda: 16)
    free = Resources(memory=64 * GIB)
    assert [workers(free, GIB, 100, encodes) for encodes in (1, 2, 3, 9)] == [10, 5, 4, 4]
    assert workers(free, GIB, 3, 1) == 3


@pytest.mark.parametrize("measured", [True, False])
def test_rungs_are_divided_among_processes_that_fit(measured: bool) -> None:
    rungs = tuple(asked(height) for height in (1080, 1080, 720, 540, 360, 240))
    every = Resources(memory=64 * GIB)
    assert batches(every, CONFORM, rungs, measured=measured) == (rungs,)
    some = Resources(memory=GIB)
    parts = batches(some, CONFORM, rungs, measured=measured)
    assert len(parts) > 1
    assert sorted(rung.settings.height for part in parts for rung in part) == sorted(
        rung.settings.height for rung in rungs
    )
    for part in parts:
        assert len(part) == 1 or expected_memory(CONFORM, part, measured=measured) < GIB
    none = batches(Resources(memory=1), CONFORM, rungs, measured=measured)
    assert [len(part) for part in none] == [1] * 6


def test_peak_memory_adds_up_what_ran_at_the_same_time() -> None:
    memory = PeakMemory()
    alone = memory.bytes
    memory.add(0.0, 2.0, Usage(1.0, 2.0, 300 * GIB))
    memory.add(1.0, 3.0, Usage(1.0, 2.0, 200 * GIB))
    memory.add(3.0, 4.0, Usage(1.0, 1.0, 400 * GIB))
    assert 500 * GIB < memory.bytes < 500 * GIB + 2 * alone
