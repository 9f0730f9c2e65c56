"""The prior's training set: one file a shot, measured once, and all of them merged."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.media.frames import FrameRange
from tests.analysis.masters import pan, write

SCRIPT = Path(__file__).parents[2] / "scripts" / "train" / "measure.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_measure", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


measure = load()


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_clip_of_each_origin_comes_first() -> None:
    names = ["b__2.mp4", "a__1.mp4", "alone.mkv", "b__1.mp4", "a__3.mp4", "a__2.mp4"]
    assert measure.in_turn(names) == [
        *("a__1.mp4", "alone.mkv", "b__1.mp4"),
        *("a__2.mp4", "b__2.mp4"),
        "a__3.mp4",
    ]
    assert measure.in_turn([]) == []


@given(st.integers(0, 500), st.integers(1, 400))
def test_a_piece_lies_in_the_middle_of_its_shot(start: int, length: int) -> None:
    shot = FrameRange(start, start + length)
    found = measure.piece(shot)
    assert len(found) == min(measure.MOST_FRAMES, length)
    before, after = found.start - shot.start, shot.end - found.end
    assert 0 <= after - before <= 1


def test_few_shots_are_spread_over_many() -> None:
    many = list(range(20))
    assert sorted(measure.pick(many, 4)) == [2, 7, 12, 17]
    assert measure.pick(many[:3], 4) == [1, 2, 0]
    assert measure.pick([], 4) == []


def test_large_pictures_are_scaled_to_their_short_side() -> None:
    assert measure.measured_size(1920, 1080, 720) == (1280, 720)
    assert measure.measured_size(1080, 1920, 720) == (720, 1280)
    assert measure.measured_size(640, 360, 720) == (640, 360)


@pytest.mark.slow
def test_shots_are_measured_once_and_merged(tmp_path: Path) -> None:
    clips, shots, merged = tmp_path / "clips", tmp_path / "shots", tmp_path / "merged.json"
    clips.mkdir()
    write(clips / "two.mkv", [*pan(1, 26, 3), *pan(7, 30, 1)])
    (clips / "none.txt").write_text("not a video")
    done = run(clips, "-o", shots)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 shots measured\n"
    assert "none.txt: left out" in done.stderr

    found = sorted(
        (json.loads(path.read_text()) for path in shots.iterdir()), key=lambda one: one["start"]
    )
    assert [(one["start"], one["frames"]) for one in found] == [(0, 26), (26, 30)]
    for one in found:
        assert one["clip"] == "two.mkv"
        assert one["frame_rate"] == [24, 1]
        assert one["sizes"][0] == [320, 192]
        assert one["sizes"][-1] == [64, 38]
        truth, short = one["truth"], one["short"]
        assert truth["frames"] == one["frames"]
        assert (short["start"], short["frames"]) == (one["frames"] // 3, 12)
        for grid in (truth, short):
            for idr, rest, vmaf in zip(grid["idr"], grid["rest"], grid["vmaf"], strict=True):
                assert len(idr) == len(one["crfs"])
                assert idr == sorted(idr, reverse=True)
                assert idr[-1] > 0
                # What an IDR saves at a higher CRF, the next packets may have to spend.
                assert rest[0] > rest[-1] > 0
                assert vmaf == sorted(vmaf, reverse=True)
            # Fewer pixels of the same CRF are fewer bits, and look worse.
            for better, worse in zip(grid["vmaf"], grid["vmaf"][1:], strict=False):
                assert better[0] > worse[0]
        # The same shot for longer: an IDR as large, more of what follows it.
        assert truth["rest"][0][0] > short["rest"][0][0]
        assert truth["idr"][0][0] == pytest.approx(short["idr"][0][0], rel=0.5)
    fast, slow = (one["complexity"]["temporal"] for one in found)
    assert fast > slow > 0

    again = run(clips, "-o", shots)
    assert again.stdout == "0 shots measured\n"
    done = run("--merge", shots, "-o", merged)
    assert done.returncode == 0, done.stderr
    document = json.loads(merged.read_text())
    assert document["schema"] == measure.MERGED_SCHEMA
    assert [one["start"] for one in document["shots"]] == [0, 26]
    for one, whole in zip(document["shots"], found, strict=True):
        assert one["truth"]["rest"] == whole["truth"]["rest"]
        assert one["short"]["vmaf"][2][3] == pytest.approx(whole["short"]["vmaf"][2][3], abs=0.006)


def test_a_folder_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere", "-o", tmp_path / "shots")
    assert done.returncode == 2
    assert "nowhere is not a folder" in done.stderr
