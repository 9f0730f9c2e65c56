"""The benchmark runs, and reports what it ran."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.small import small_master

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "engine.py"


@pytest.mark.slow
def test_figures_come_as_a_table_and_as_json(tmp_path: Path) -> None:
    arguments = ["--runs", "1", "--effort", "quick", "--only", "sampled,lean,scored,again,memory"]
    arguments += ["--flat", "1,2"]
    done = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), str(small_master(tmp_path)), *arguments),
            *("--json", str(tmp_path / "figures.json")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "small.mp4: 160x96, 240 frames" in done.stdout
    assert "| sampled / lean, cpu |" in done.stdout
    assert "| the longest / the shortest |" in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["schema"] == "encoder.bench.engine/1"
    assert set(figures["ways"]) == {"sampled", "lean", "scored", "again"}
    assert all(len(way["cpu"]) == 1 and way["cpu"][0] > 0 for way in figures["ways"].values())
    ways = figures["ways"]
    assert figures["peak_memory"] > 50e6
    assert figures["memory"].keys() == {"1", "2"}
    assert min(figures["memory"].values()) > 50e6
    expected = ways["sampled"]["cpu"][0] / ways["lean"]["cpu"][0]
    assert figures["ratios"] == {"sampled/lean cpu": expected}
