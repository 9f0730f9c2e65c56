"""Real players in a real browser play a package to its end, and notice one that is broken."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from encoder.ffmpeg.locate import locate
from encoder.media.protection import ContentKey
from tests.package.media import output

from .conftest import CLEAR_KEYS, CUES, Licences

# What had to be tried again is shown in pytest's summary, and fails nothing.
AGAIN = "tried again"
pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings(f"default:{AGAIN}:UserWarning")]

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

    Only what says nothing of the files is tried again, and told: a browser that was lost, or a
    machine too busy to be done in time. A fault that comes now and then is a fault.
    """
    for left in reversed(range(TRIES)):
        code, run = play(node, package, *options)
        for warning in run["warnings"]:
            if warning["source"] in ("browser", "session"):
                warnings.warn(f"{AGAIN}: {warning['message']}", stacklevel=2)
        if run["unfinished"] is None or left == 0:
            break
        warnings.warn(f"{AGAIN}: {'; '.join(run['problems'])}", stacklevel=2)
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


@pytest.mark.parametrize("player", ["dash", "shaka"])
def test_players_ask_for_keys_where_the_manifest_says(
    node: str, licensed_package: Path, licences: Licences, player: str
) -> None:
    options = ["--player", player, "--frames", "200", "--frame-rate", "24000/1001"]
    run = plays(node, licensed_package, *options)

    assert run["playback"]["ended"]
    assert run["playback"]["audio_bytes_decoded"] > 0
    # Base64 without what fills it up.
    assert licences.asked == {"AAECAwQFBgcICQoLDA0ODw", "ICEiIyQlJicoKSorLC0uLw"}


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


@pytest.mark.parametrize("wrong", CLEAR_KEYS, ids=lambda key: key.classes[0])
@pytest.mark.parametrize("player", ["dash", "shaka"])
def test_does_not_play_with_another_key(
    node: str, protected_package: Path, player: str, wrong: ContentKey
) -> None:
    options = ["--player", player]
    for one in CLEAR_KEYS:
        key = bytes(16) if one is wrong else one.key
        options += ["--clear-key", f"{one.kid.hex()}:{key.hex()}"]
    code, run = play(node, protected_package, *options)

    assert code == 1
    assert run["unfinished"] is None
    faults = [error["message"] for error in run["errors"] if error["source"] == "media"]
    assert any("DECODE" in fault for fault in faults), run["errors"]
    assert run["problems"] == []


def _run(unfinished: str | None = None, **found: Any) -> dict[str, Any]:
    """What ``play.mjs`` says of one player."""
    given: dict[str, Any] = {"errors": [], "problems": [], "warnings": [], **found}
    return {"ok": not (given["errors"] or given["problems"]), "unfinished": unfinished, **given}


def _answers(monkeypatch: pytest.MonkeyPatch, *runs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Let ``play`` give these results, one a call; what is left of them."""
    left = iter(runs)

    def answer(*_: object) -> tuple[int, dict[str, Any]]:
        run = next(left)
        return (0 if run["ok"] else 1), run

    monkeypatch.setattr(f"{__name__}.play", answer)
    return left


@pytest.mark.parametrize("unfinished", ["lost", "late"])
def test_what_says_nothing_of_the_files_is_tried_again_and_told(
    monkeypatch: pytest.MonkeyPatch, unfinished: str
) -> None:
    warning = {"source": "session", "message": "sought again"}
    good = _run(warnings=[warning, {"source": "player", "message": "slow"}])
    _answers(monkeypatch, _run(unfinished, problems=["no answer"]), good)
    with pytest.warns(UserWarning, match=AGAIN) as told:
        assert plays("node", Path("package")) == good
    texts = [str(one.message) for one in told]
    assert texts == [f"{AGAIN}: no answer", f"{AGAIN}: sought again"]


def test_what_never_ends_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    left = _answers(monkeypatch, *([_run("late", problems=["late"])] * TRIES), _run())
    with pytest.warns(UserWarning, match="late"), pytest.raises(AssertionError):
        plays("node", Path("package"))
    assert list(left) == [_run()]


@pytest.mark.parametrize(
    "found",
    [
        {"errors": [{"source": "http", "message": "HTTP 404"}]},
        {"problems": ["the frame of 1 s after a seek did not happen within 20 s"]},
        {"problems": ["playback: 95 frames decoded of 96"]},
    ],
)
def test_a_fault_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, found: dict[str, Any]) -> None:
    left = _answers(monkeypatch, _run(**found), _run())
    with pytest.raises(AssertionError):
        plays("node", Path("package"))
    assert list(left) == [_run()]


def test_a_late_player_and_a_lost_browser_are_told_from_a_fault(
    node: str, small_package: Path
) -> None:
    code, run = play(node, small_package, "--player", "hls", "--timeout", "0.01")
    assert (code, run["unfinished"], run["errors"]) == (1, "late", [])
    assert run["problems"] == ["playing took more than 0.01 s"]

    gone = shutil.which("false")
    assert gone is not None
    code, run = play(node, small_package, "--player", "hls", "--chromium", gone)
    assert (code, run["unfinished"], run["errors"]) == (1, "lost", [])
    assert run["warnings"]


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
