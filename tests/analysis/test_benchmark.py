"""The benchmark runs, and reports what it ran."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.analysis.masters import pan, write

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "analyze.py"


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_figures_come_as_a_table_and_as_json(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.mkv", pan(1, 24, 3))
    done = bench(clip, "--runs", "1", "--json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    head, rule, row = done.stdout.splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    assert "| clip.mkv | 320x192 ffv1 | 24 |" in row
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["schema"] == "encoder.bench.analyze/1"
    (one,) = figures["clips"]
    assert one["frames"] == 24
    assert one["ratio"] == one["decode"]["wall"] / one["analysis"]["wall"] > 0
    assert one["cpu_ratio"] == one["decode"]["cpu"] / one["analysis"]["cpu"] > 0


@pytest.mark.slow
def test_a_clip_that_is_none_is_explained(tmp_path: Path) -> None:
    done = bench(tmp_path / "nothing.mkv")
    assert done.returncode == 4
    assert "nothing.mkv" in done.stderr
