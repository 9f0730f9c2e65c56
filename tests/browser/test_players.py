"""Real players in a real browser play a package to its end, and notice one that is broken."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

pytestmark = pytest.mark.browser

PLAY = Path(__file__).parent / "play.mjs"
PLAYERS = ("hls", "dash", "shaka", "shaka-hls")
# A second of media in an eighth of one: every frame is decoded all the same.
RATE = "8"


@dataclass(frozen=True, slots=True)
class Media:
    """What the files themselves hold: seconds as fractions, frames per second."""

    frame_rate: Fraction
    frames: int
    duration: Fraction
    audio: bool


def measure(package: Path) -> Media:
    """Read every track file of ``package``, without any manifest."""
    rates: set[Fraction] = set()
    frames: set[int] = set()
    ends: list[Fraction] = []
    audio = False
    for path in sorted(p for p in package.rglob("*") if p.suffix in {".mp4", ".m4s", ".m4a"}):
        with av.open(str(path)) as container:
            stream = container.streams[0]
            packets = [p for p in container.demux(stream) if p.pts is not None]
            base = stream.time_base
            assert base is not None
            ends.append(max((p.pts or 0) + (p.duration or 0) for p in packets) * base)
            if stream.type == "audio":
                audio = True
            elif isinstance(stream, av.VideoStream):
                assert stream.average_rate is not None
                rates.add(stream.average_rate)
                frames.add(len(packets))
    assert len(frames) == 1, f"renditions of {sorted(frames)} frames"
    return Media(max(rates), frames.pop(), max(ends), audio)


def play(node: str, package: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and result of ``play.mjs`` with one player."""
    done = subprocess.run(
        [node, str(PLAY), str(package), "--json", "--rate", RATE, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "encoder.playback/1"
    (run,) = document["runs"]
    return done.returncode, run


@pytest.mark.parametrize("player", PLAYERS)
def test_plays_to_the_end_on_every_rung(node: str, package_dir: Path, player: str) -> None:
    media = measure(package_dir)
    rate = f"{media.frame_rate.numerator}/{media.frame_rate.denominator}"
    options = ["--player", player, "--rungs", "--seek", "--through"]
    options += ["--frames", str(media.frames), "--frame-rate", rate]
    code, run = play(node, package_dir, *options)

    assert (run["problems"], run["errors"]) == ([], [])
    assert run["ok"]
    assert code == 0

    # The manifest declares what is there, and the player ended where it does.
    frame = 1 / media.frame_rate
    longest_aac_frame = Fraction(1024, 44100)
    assert abs(run["expected"]["duration"] - media.duration) <= frame + longest_aac_frame
    assert run["playback"]["ended"]
    assert abs(run["playback"]["duration"] - run["expected"]["duration"]) <= frame + 1e-6

    rungs = {rung["id"]: rung for rung in run["declared"]["rungs"] if rung["supported"]}
    assert rungs
    assert {variant["id"] for variant in run["variants"]} == set(rungs)
    assert {switch["id"] for switch in run["rungs"]} == set(rungs)
    for switch in run["rungs"]:
        declared = rungs[switch["id"]]
        assert abs(switch["width"] - declared["width"]) <= 1
        assert abs(switch["height"] - declared["height"]) <= 1
    assert {alone["id"] for alone in run["through"]} == set(rungs)
    for alone in run["through"]:
        assert alone["ended"]
        assert alone["frames"]["decoded"] >= media.frames - 1

    assert len(run["seeks"]) == 4
    for seek in run["seeks"]:
        assert abs(seek["frame_time"] - seek["target"]) <= 1.5 * float(frame) + 1e-6

    assert run["declared"]["audio"] == media.audio
    assert bool(run["audio_tracks"]) == media.audio
    assert (run["playback"]["audio_bytes_decoded"] > 0) == media.audio


@pytest.mark.parametrize("player", PLAYERS)
def test_seeks_into_the_last_fifth_of_a_second(node: str, short_package: Path, player: str) -> None:
    # Less audio is left there than Chromium wants before it ends a seek, unless it is told that
    # the stream ends: what hls.js does not do while it begins.
    code, run = play(node, short_package, "--player", player, "--seek")

    assert (run["problems"], run["errors"]) == ([], [])
    assert code == 0
    assert max(seek["target"] for seek in run["seeks"]) > run["expected"]["duration"] - 0.2


def _largest_media(package: Path) -> Path:
    return max(package.glob("*.mp4"), key=lambda path: path.stat().st_size)


@pytest.fixture
def broken(small_package: Path, tmp_path: Path) -> Path:
    """A copy of the package, to be damaged."""
    return Path(shutil.copytree(small_package, tmp_path / "broken"))


@pytest.mark.parametrize("player", PLAYERS)
def test_zeroed_bytes_are_noticed(node: str, broken: Path, player: str) -> None:
    path = _largest_media(broken)
    content = bytearray(path.read_bytes())
    length = len(content) // 20
    start = len(content) // 2
    content[start : start + length] = bytes(length)
    path.write_bytes(content)

    code, run = play(node, broken, "--player", player, "--through")

    assert code == 1
    assert not run["ok"]
    assert {error["source"] for error in run["errors"]} & {"media", "player"}


@pytest.mark.parametrize("player", PLAYERS)
def test_a_missing_file_is_noticed(node: str, broken: Path, player: str) -> None:
    path = _largest_media(broken)
    path.unlink()

    code, run = play(node, broken, "--player", player, "--through")

    assert code == 1
    assert not run["ok"]
    missing = [error["message"] for error in run["errors"] if error["source"] == "http"]
    assert any(message.startswith(f"{path.name}: HTTP 404") for message in missing)


def test_a_file_cut_short_is_noticed(node: str, broken: Path) -> None:
    path = _largest_media(broken)
    path.write_bytes(path.read_bytes()[:-1000])

    code, run = play(node, broken, "--player", "shaka", "--through")

    assert code == 1
    faults = [error["message"] for error in run["errors"] if error["source"] == "http"]
    assert any("beyond" in message for message in faults)


def test_a_programme_of_another_length_is_noticed(node: str, small_package: Path) -> None:
    options = ("--player", "hls", "--duration", "6.1", "--frames", "200", "--frame-rate", "30")
    code, run = play(node, small_package, *options)

    assert code == 1
    assert run["errors"] == []
    assert any("duration" in problem for problem in run["problems"])
    assert any("180 frames decoded of 200" in problem for problem in run["problems"])


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("one", "two"),
        ("no such folder",),
        (".", "--player", "vlc"),
        (".", "--rate", "0"),
        (".", "--frames", "many"),
        (".", "--unknown"),
    ],
)
def test_wrong_usage_is_told_from_a_fault(node: str, argv: tuple[str, ...]) -> None:
    done = subprocess.run(
        [node, str(PLAY), *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("play.mjs: ")


def test_a_missing_browser_is_told_from_a_fault(node: str, small_package: Path) -> None:
    done = subprocess.run(
        [node, str(PLAY), str(small_package), "--chromium", "/nonexistent/chromium"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "Chromium" in done.stderr
