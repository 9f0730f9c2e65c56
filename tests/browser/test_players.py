"""Real players in a real browser play a package to its end, and notice one that is broken."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from encoder.ffmpeg.locate import locate
from tests.package.media import output

from .conftest import CLEAR_KEYS, CUES

pytestmark = pytest.mark.browser

PLAY = Path(__file__).parent / "play.mjs"
PLAYERS = ("hls", "dash", "shaka", "shaka-hls")
# A second of media in an eighth of one: every frame is decoded all the same.
RATE = "8"
# Seconds that a player may take for everything, and that the program which drives it may take: it
# starts another browser where one is lost.
PLAYER_SECONDS = 300
PROGRAM_SECONDS = 1000
TRIES = 3


@dataclass(frozen=True, slots=True)
class Media:
    """What the files themselves hold: seconds as fractions, frames per second."""

    frame_rate: Fraction
    frames: int
    duration: Fraction
    audio: bool


def tracks(package: Path) -> list[list[Path]]:
    """The files of each track: one, or an initialisation and the segments beside it."""
    found = [[path] for path in package.rglob("*.mp4") if path.name != "init.mp4"]
    for path in package.rglob("init.mp4"):
        found.append([path, *sorted(path.parent.glob("*.m4s"))])
    return sorted(found)


def measure(package: Path) -> Media:
    """Read every track of ``package``, without any manifest."""
    rates: set[Fraction] = set()
    frames: set[int] = set()
    ends: list[Fraction] = []
    audio = False
    for track in tracks(package):
        data = io.BytesIO(b"".join(path.read_bytes() for path in track))
        with av.open(data, "r") as container:
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


def thumbnails_of(package: Path) -> dict[str, Any] | None:
    """What a package of ours says of its thumbnails; None for those of others."""
    path = package / "package.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    thumbnails: dict[str, Any] | None = found.get("thumbnails")
    return thumbnails


def play(node: str, package: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code and result of ``play.mjs`` with one player."""
    limits = ["--rate", RATE, "--timeout", str(PLAYER_SECONDS)]
    done = subprocess.run(
        [node, str(PLAY), str(package), "--json", *limits, *options],
        stdin=subprocess.DEVNULL,
        timeout=PROGRAM_SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "encoder.playback/1"
    (run,) = document["runs"]
    return done.returncode, run


def plays(node: str, package: Path, *options: str) -> dict[str, Any]:
    """The result of one player, which found no fault.

    A browser on a machine with other work may fail a player now and then; what the files lack, they
    lack each time.
    """
    for _ in range(TRIES):
        code, run = play(node, package, *options)
        if code == 0:
            break
        print(f"failed once: {run['problems']} {run['errors']} {run['warnings']}")
    assert (run["problems"], run["errors"]) == ([], [])
    assert run["ok"]
    assert code == 0
    return run


@pytest.mark.parametrize("player", PLAYERS)
def test_plays_to_the_end_on_every_rung(node: str, package_dir: Path, player: str) -> None:
    media = measure(package_dir)
    rate = f"{media.frame_rate.numerator}/{media.frame_rate.denominator}"
    options = ["--player", player, "--rungs", "--seek", "--through"]
    options += ["--frames", str(media.frames), "--frame-rate", rate]
    thumbnails = thumbnails_of(package_dir)
    if thumbnails and player == "hls":
        options += ["--sprite-map", thumbnails["sprite_map"]]
    run = plays(node, package_dir, *options)

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

    if thumbnails:
        # hls.js knows none: web pages have the sprite map for it.
        pictures = run["sprites" if player == "hls" else "pictures"]
        width, height = thumbnails["width"], thumbnails["height"]
        assert {(one["width"], one["height"]) for one in pictures} == {(width, height)}
        sheet = {"width": width * thumbnails["columns"], "height": height * thumbnails["rows"]}
        assert [one["sheet"] for one in pictures] == [sheet] * 4
        # The one of a moment, counted along the rows.
        for one in pictures:
            place = one["y"] // height * thumbnails["columns"] + one["x"] // width
            number = min(int(one["time"] / thumbnails["interval"]), thumbnails["count"] - 1)
            assert place == number % (thumbnails["columns"] * thumbnails["rows"])


@pytest.mark.parametrize("player", PLAYERS)
def test_plays_two_codecs_and_shows_subtitles(node: str, codecs_package: Path, player: str) -> None:
    options = ["--player", player, "--through", "--frames", "96", "--frame-rate", "24000/1001"]
    run = plays(node, codecs_package, *options)

    families = sorted(rung["codecs"][:4] for rung in run["declared"]["rungs"])
    assert families == ["av01", "av01", "avc1"]
    assert all(rung["supported"] for rung in run["declared"]["rungs"])
    assert len(run["through"]) == 3
    assert all(one["ended"] and one["frames"]["decoded"] >= 95 for one in run["through"])
    words = {text for _, _, text in CUES}
    assert run["declared"]["text"] == ["en"]
    # dash.js hands cues over as their time comes, which is short at this rate.
    assert set(run["cues"]) == words or (player == "dash" and set(run["cues"]) <= words)


def test_ffmpeg_gets_every_frame_of_two_codecs(codecs_package: Path) -> None:
    for name in ("master.m3u8", "manifest.mpd"):
        # What FFmpeg opens in DASH has no .vtt unless it is told so.
        more = ["-allowed_extensions", "ALL"] if name.endswith(".mpd") else []
        source = [*more, "-i", f"file:{codecs_package / name}", "-map", "0:v"]
        text = output(locate(), [*source, "-fps_mode", "passthrough", "-f", "framecrc", "pipe:1"])
        rows = [line for line in text.decode().splitlines() if not line.startswith("#")]
        counts = Counter(row.partition(",")[0] for row in rows)
        assert list(counts.values()) == [96, 96, 96]


@pytest.mark.parametrize("player", ["hls", "dash", "shaka"])
def test_plays_a_file_for_each_segment(node: str, files_package: Path, player: str) -> None:
    media = measure(files_package)
    options = ["--player", player, "--seek", "--through"]
    options += ["--frames", str(media.frames), "--frame-rate", "24000/1001"]
    run = plays(node, files_package, *options)

    assert abs(run["expected"]["duration"] - media.duration) <= 1 / media.frame_rate
    assert len(run["through"]) == 2
    assert all(one["ended"] and one["frames"]["decoded"] >= 199 for one in run["through"])
    assert run["playback"]["audio_bytes_decoded"] > 0


@pytest.mark.parametrize("player", PLAYERS)
def test_plays_what_is_encrypted(node: str, protected_package: Path, player: str) -> None:
    media = measure(protected_package)
    options = ["--player", player, "--frames", str(media.frames), "--frame-rate", "24000/1001"]
    options += ["--through"]
    for one in CLEAR_KEYS:
        options += ["--clear-key", f"{one.kid.hex()}:{one.key.hex()}"]
    run = plays(node, protected_package, *options)

    assert run["playback"]["ended"]
    assert run["playback"]["audio_bytes_decoded"] > 0
    # H.264 and AV1.
    assert len(run["through"]) == 2
    assert all(one["frames"]["decoded"] >= media.frames - 1 for one in run["through"])


@pytest.mark.parametrize("player", ["hls", "dash", "shaka"])
def test_plays_on_from_what_is_clear(node: str, lead_package: Path, player: str) -> None:
    playlist = (lead_package / "video" / "180p.m3u8").read_text(encoding="utf-8")
    assert 0 < playlist.index("#EXTINF:") < playlist.index("#EXT-X-KEY:")
    media = measure(lead_package)
    options = ["--player", player, "--seek", "--frames", str(media.frames)]
    options += ["--frame-rate", "24000/1001"]
    for one in CLEAR_KEYS:
        options += ["--clear-key", f"{one.kid.hex()}:{one.key.hex()}"]
    run = plays(node, lead_package, *options)

    assert run["playback"]["ended"]


@pytest.mark.parametrize("player", ["hls", "shaka-hls"])
def test_plays_what_is_encrypted_whole(node: str, whole_package: Path, player: str) -> None:
    options = ["--player", player, "--through", "--frames", "200", "--frame-rate", "24000/1001"]
    run = plays(node, whole_package, *options)

    assert run["playback"]["audio_bytes_decoded"] > 0
    assert [one["frames"]["decoded"] >= 199 for one in run["through"]] == [True, True]


def test_does_not_play_with_another_key(node: str, protected_package: Path) -> None:
    keys = [f"{one.kid.hex()}:{bytes(16).hex()}" for one in CLEAR_KEYS]
    options = [part for one in keys for part in ("--clear-key", one)]
    code, run = play(node, protected_package, "--player", "shaka", "--timeout", "20", *options)
    assert code == 1
    assert run["errors"] or run["problems"]


@pytest.mark.parametrize("player", PLAYERS)
def test_seeks_into_the_last_fifth_of_a_second(node: str, short_package: Path, player: str) -> None:
    # Less audio is left there than Chromium wants before it ends a seek, unless it is told that
    # the stream ends: what hls.js does not do while it begins.
    run = plays(node, short_package, "--player", player, "--seek")

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
