"""Progress is told in plain lines: what, how far, how fast, how long."""

from __future__ import annotations

from pathlib import Path

import pytest

import encoder.cli.render as render
from encoder.engine.events import Event, StageFinished, StageProgress, StageStarted


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(render, "time", made)
    return made


def shown(
    events: list[tuple[float, Event]], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    with render.Renderer(quiet=False, events=None) as renderer:
        for seconds, event in events:
            clock.now = 100.0 + seconds
            renderer(event)
    return capsys.readouterr().err.splitlines()


def test_lines_come_at_doubling_times_with_speed_and_what_is_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    events: list[tuple[float, Event]] = [(0, StageStarted("encode", "", 1000, "frames"))]
    events += [
        (n, StageProgress("encode", "1 of 4 chunks, 3.0 Mbit", n * 20, 1000)) for n in range(1, 11)
    ]
    events.append((50, StageFinished("encode", False, "4 rungs", 90.0, 50.0)))
    assert shown(events, clock, capsys) == [
        "encode: 40/1000, 20 fps, 48.0 s left, 1 of 4 chunks, 3.0 Mbit",
        "encode: 80/1000, 20 fps, 46.0 s left, 1 of 4 chunks, 3.0 Mbit",
        "encode: 160/1000, 20 fps, 42.0 s left, 1 of 4 chunks, 3.0 Mbit",
        "encode: done (50.0 s, 4 rungs)",
    ]


def test_a_part_that_counts_anew_has_its_own_speed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    events: list[tuple[float, Event]] = [
        (0, StageStarted("ladder", "", 0, "")),
        (10, StageProgress("ladder", "taking the sample", 100, 100)),
        (10, StageProgress("ladder", "trial encodes", 0, 8)),
        (20, StageProgress("ladder", "trial encodes", 5, 8)),
    ]
    assert shown(events, clock, capsys) == [
        "ladder: 100/100, 10/s, 0.0 s left, taking the sample",
        "ladder: 5/8, 0.5/s, 6.0 s left, trial encodes",
    ]


def test_events_are_written_as_they_come(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    with render.Renderer(quiet=True, events=path) as renderer:
        renderer(StageProgress("encode", "", 12, 240))
        assert '"done":12' in path.read_text().replace(" ", "")
