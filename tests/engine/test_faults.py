"""However often and whenever it is killed, the same command again ends in the same package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.encode.titles import generate
from tests.engine.small import small_master

KILLS = 30
ROOT = Path(__file__).parents[2]
# A file system of its own, without being root.
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
# Room for the analysis and about half of the chunks.
SMALL_DISK = "1000k"


def package(folder: Path) -> dict[str, bytes]:
    """The files of a package, without those that tell of how long it took."""
    told = {"report.json", "report.html", "package.json"}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in told
    }


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    one = "testsrc2=s=96x64:r=24:d=6,noise=alls=20:allf=t:all_seed=9"
    master = generate(
        tmp_path / "master.mp4",
        f"{one},format=yuv420p",
        *("-f", "lavfi", "-i", "sine=d=6", "-c:v", "libx264", "-qp", 10, "-preset", "ultrafast"),
    )
    # Short GOPs and a fast preset; one resolution.
    policy = tmp_path / "fast.yaml"
    text = (ROOT / "ladders" / "per-title.yaml").read_text("utf-8")
    policy.write_text(text)
    options = ["--policy", str(policy), "--preset", "ultrafast", "--effort", "quick", "--jobs", "2"]
    plain = tmp_path / "plain"
    environment = {**os.environ, "ENCODER_CACHE": str(tmp_path / "cache-plain")}
    subprocess.run(
        [sys.executable, "-m", "encoder", "ingest", str(master), "-o", str(plain), *options, "-q"],
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    output = tmp_path / "out"
    environment["ENCODER_CACHE"] = str(tmp_path / "cache")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.engine.faults", str(master), str(output)),
            *("20", str(KILLS), *options),
        ],
        env=environment,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = [int(count) for count in re.findall(r"=(\d+)", done.stdout)]
    assert sum(counts) == KILLS
    assert all(counts)
    assert package(output) == package(plain)
    assert {p.name for p in tmp_path.iterdir()} == {
        *("master.mp4", "fast.yaml", "plain", "out", "cache", "cache-plain")
    }
    assert not list((tmp_path / "cache" / "tmp").iterdir())


def can_mount(folder: Path) -> bool:
    if shutil.which(UNSHARE[0]) is None:
        return False
    tried = [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


def test_a_disk_that_fills_up_costs_the_chunks_under_way(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not can_mount(disk):
        pytest.skip("no file system can be mounted here")
    master = small_master(tmp_path)
    found = {}
    for name, size in (("full", SMALL_DISK), ("roomy", "64m")):
        done = subprocess.run(
            [*UNSHARE, sys.executable, "-m", "tests.engine.full_disk", master, disk, size],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found[name] = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    full, roomy = found["full"], found["roomy"]
    assert full.pop("failed").startswith("The disk is full")
    assert 0 < int(full.pop("kept")) < int(roomy.pop("kept"))
    assert full == roomy
    assert full["left"] == "0"
