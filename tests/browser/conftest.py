"""A package to play, and the players to play it with.

The packages are those that `encoder ingest` makes of two sample masters; the environment variable
ENCODER_BROWSER_PACKAGE (folders, separated as in PATH) names others to play instead. What is broken
on purpose is a small package made by FFmpeg alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from samples.generate import generate

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GIVEN = tuple(p for p in os.environ.get("ENCODER_BROWSER_PACKAGE", "").split(os.pathsep) if p)

# Short shots with one audio track; 29.97 frames a second with surround sound.
INGESTED = ("cartoon", "dissolves")

SECONDS = 6
SHORT_SECONDS = 1.5
FRAME_RATE = 30
GOP = 2 * FRAME_RATE


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Parallel test workers share one node_modules; only one of them may fill it."""
    import fcntl

    with (HERE / "package.json").open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _locked_versions(lock: Path) -> dict[str, str]:
    if not lock.exists():
        return {}
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    return {name: entry["version"] for name, entry in packages.items() if name}


def _install_players() -> str:
    """Install the locked players unless they are there; the reason why not, or an empty string."""
    with _one_at_a_time():
        wanted = _locked_versions(HERE / "package-lock.json")
        if wanted == _locked_versions(HERE / "node_modules" / ".package-lock.json"):
            return ""
        npm = shutil.which("npm")
        if npm is None:
            return "npm is not installed"
        done = subprocess.run(
            [npm, "ci"],
            cwd=HERE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return f"npm ci failed: {done.stderr.strip()[-500:]}" if done.returncode else ""


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, once all that ``play.mjs`` needs is there; else the test is skipped."""
    chosen = os.environ.get("ENCODER_CHROMIUM")
    if not any(shutil.which(name) for name in ((chosen,) if chosen else BROWSERS)):
        pytest.skip("Chromium is not installed")
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed")
    reason = _install_players()
    if reason:
        pytest.skip(reason)
    return program


def _make_package(folder: Path, seconds: float) -> Path:
    """Two rungs and stereo audio in one file each, with both manifests, made by FFmpeg alone."""
    folder.mkdir()
    picture = f"testsrc2=s=640x360:r={FRAME_RATE}:d={seconds}"
    sound = f"sine=f=440:r=48000:d={seconds}"
    arguments = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    arguments += ["-map", "0:v", "-map", "0:v", "-map", "1:a"]
    arguments += ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
    arguments += ["-g", str(GOP), "-keyint_min", str(GOP), "-sc_threshold", "0"]
    arguments += ["-b:v:0", "800k", "-b:v:1", "300k", "-filter:v:1", "scale=320:180"]
    arguments += ["-c:a", "aac", "-ac", "2", "-b:a", "96k"]
    arguments += ["-f", "dash", "-seg_duration", "2", "-single_file", "1", "-hls_playlist", "1"]
    arguments += ["-use_template", "0", "-use_timeline", "0"]
    arguments += ["-adaptation_sets", "id=0,streams=v id=1,streams=a", "manifest.mpd"]
    run(locate(), arguments, folder=folder, log_level="level+error")
    for path in folder.glob("*.m3u8"):
        # The dates that FFmpeg gives may differ by decades between playlists of one package: a gap
        # at the start, to Shaka Player.
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith("#EXT-X-PROGRAM-DATE-TIME")]
        path.write_text("".join(kept), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def small_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of some segments, made by FFmpeg alone."""
    return _make_package(tmp_path_factory.mktemp("browser") / "package", SECONDS)


@pytest.fixture(scope="session")
def short_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a single segment, made by FFmpeg alone."""
    return _make_package(tmp_path_factory.mktemp("browser") / "package", SHORT_SECONDS)


@pytest.fixture(scope="session", params=GIVEN or INGESTED)
def package_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each package that must play without a fault: given ones, or those of sample masters."""
    if GIVEN:
        return Path(str(request.param)).resolve(strict=True)
    name = str(request.param)
    folder = tmp_path_factory.mktemp(name)
    argv = ["ingest", str(generate([name])[name]), "-o", str(folder / "out")]
    subprocess.run(
        [sys.executable, "-m", "encoder", *argv, "--effort", "quick", "--score", "sampled"],
        stdin=subprocess.DEVNULL,
        check=True,
        env={**os.environ, "ENCODER_CACHE": str(folder / "cache")},
    )
    return folder / "out"
