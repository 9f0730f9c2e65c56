"""The main job on generated masters, from the command line to the bytes of the package."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from samples.generate import generate

pytestmark = pytest.mark.slow

MASTERS = ("cartoon", "phone")


def encoder(*argv: object, cache: Path, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "encoder", *map(str, argv)],
        capture_output=True,
        text=True,
        env={**os.environ, "ENCODER_CACHE": str(cache)},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert "Traceback" not in done.stderr
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=MASTERS)
def title(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> tuple[Path, Path, dict[str, Any]]:
    """A master, its package, and what ingest said of it."""
    name = str(request.param)
    master = generate([name])[name]
    output = tmp_path_factory.mktemp("out") / name
    done = encoder("ingest", master, "-o", output, "--effort", "quick", "--json", cache=cache)
    document: dict[str, Any] = json.loads(done.stdout)
    return master, output, document


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_every_rendition_has_the_masters_frames(
    title: tuple[Path, Path, dict[str, Any]],
) -> None:
    master, output, document = title
    expected = frames_of(master)
    assert document["master"]["frames"] == expected
    assert document["renditions"]
    for one in document["renditions"]:
        assert one["frames"] == expected
        assert frames_of(output / one["path"]) == expected


def media_bytes(path: Path) -> int:
    """The bytes of a track's fragments: what comes before, a player loads once."""
    content = path.read_bytes()
    at = 0
    while content[at + 4 : at + 8] != b"moof":
        at += int.from_bytes(content[at : at + 4], "big")
    return len(content) - at


@pytest.mark.slow
def test_two_ladders_are_encoded_and_measured_side_by_side(tmp_path: Path) -> None:
    master = generate(["cartoon"])["cartoon"]
    argv = ("ladder", master, "--effort", "instant", "--preset", "ultrafast", "--json")
    done = encoder(*argv, "--compare", "apple-hls", cache=tmp_path)
    document = json.loads(done.stdout)
    assert document["schema"] == "encoder.ladder_comparison/1"
    assert document["conditions"]["preset"] == "ultrafast"
    for side in ("ours", "reference"):
        assert all(r["bitrate"] > 0 and r["psnr_y"] > 20 for r in document[side]["rungs"])
    assert document["bd_rate"]["vmaf"] is not None
    fixed = encoder(
        *argv, "--policy", "apple-hls", "--compare", "per-title", check=2, cache=tmp_path
    )
    assert "--policy per-title --compare apple-hls" in fixed.stderr


def test_declared_bitrates_are_those_of_the_bytes(
    title: tuple[Path, Path, dict[str, Any]],
) -> None:
    _, output, document = title
    seconds = Fraction(document["master"]["frames"]) / Fraction(document["master"]["frame_rate"])
    for one in document["renditions"]:
        measured = media_bytes(output / one["path"]) * 8 / seconds
        assert one["average_bitrate"] == pytest.approx(float(measured), rel=0.02)
        assert one["peak_bitrate"] >= one["average_bitrate"]


def test_rungs_rise_in_bits_and_in_quality(title: tuple[Path, Path, dict[str, Any]]) -> None:
    _, _, document = title
    points = [
        (one["average_bitrate"], one["scores"]["vmaf"]["mean"]) for one in document["renditions"]
    ]
    assert points == sorted(points, reverse=True)
    assert len({quality for _, quality in points}) == len(points)


def test_nothing_undeclared_lies_in_the_folder(
    title: tuple[Path, Path, dict[str, Any]],
) -> None:
    _, output, _ = title
    files = {p.relative_to(output).as_posix() for p in output.rglob("*") if p.is_file()}
    manifest = json.loads((output / "package.json").read_text())
    assert files == set(manifest["files"]) | {"package.json"}
    assert {"master.m3u8", "manifest.mpd", "report.html", "report.json"} <= files
    assert json.loads((output / "report.json").read_text())["schema"] == "encoder.ingest/1"


def test_ffmpeg_plays_both_manifests_to_the_end(
    title: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    _, output, document = title
    for manifest in ("hls", "dash"):
        count = tmp_path / f"{manifest}.txt"
        run(
            locate(),
            [
                "-i",
                f"file:{output / document['package'][manifest]}",
                "-map",
                "0:v:0",
                "-f",
                "framecrc",
                str(count),
            ],
        )
        lines = [line for line in count.read_text().splitlines() if not line.startswith("#")]
        assert len(lines) == document["master"]["frames"]


def test_per_frame_scores_are_kept(title: tuple[Path, Path, dict[str, Any]]) -> None:
    _, output, document = title
    for one in document["renditions"]:
        with np.load(output / "scores" / f"{one['id']}.npz") as values:
            assert len(values["vmaf"]) == document["master"]["frames"]
            assert float(values["vmaf"].mean()) == pytest.approx(
                one["scores"]["vmaf"]["mean"], abs=1e-3
            )


def test_again_does_nothing_and_gives_the_same(
    title: tuple[Path, Path, dict[str, Any]], cache: Path
) -> None:
    master, output, document = title
    before = {p: p.stat().st_mtime_ns for p in output.rglob("*")}
    done = encoder("ingest", master, "-o", output, "--effort", "quick", "--json", cache=cache)
    assert json.loads(done.stdout) == document
    assert "up to date" in done.stderr
    assert {p: p.stat().st_mtime_ns for p in output.rglob("*")} == before


def test_the_verbs_one_by_one_give_the_same_media(
    title: tuple[Path, Path, dict[str, Any]], cache: Path, tmp_path: Path
) -> None:
    master, _, _ = title
    output = tmp_path / "plain"
    # The verbs do not know what came out when they decide.
    options = ("--effort", "quick", "--no-correct", "--json")
    done = encoder("ingest", master, "-o", output, *options, cache=cache)
    document: dict[str, Any] = json.loads(done.stdout)
    probed = json.loads(encoder("probe", master, "--json", cache=cache).stdout)
    assert probed["video"]["frames"] == document["master"]["frames"]
    analysis = json.loads(encoder("analyze", master, "--json", cache=cache).stdout)
    assert [s["start"] for s in analysis["shots"]] == [s["start"] for s in document["shots"]]
    plot = tmp_path / "plot.svg"
    ladder = encoder(
        "ladder", master, "--effort", "quick", "--json", "--plot", plot, cache=cache
    ).stdout
    assert plot.read_text().startswith("<?xml")
    (tmp_path / "ladder.json").write_text(ladder)
    renditions, package = tmp_path / "renditions", tmp_path / "package"
    encoder("encode", master, "--ladder", tmp_path / "ladder.json", "-o", renditions, cache=cache)
    encoder("package", renditions, "-o", package, cache=cache)
    for one in document["renditions"]:
        assert (package / one["path"]).read_bytes() == (output / one["path"]).read_bytes()
    assert (package / "manifest.mpd").read_bytes() == (output / "manifest.mpd").read_bytes()
    # Only an ingest knows the scores when it writes the manifests.
    scored = (output / "master.m3u8").read_text()
    assert scored.count("SCORE=") >= len(document["renditions"])
    assert re.sub(r"SCORE=[0-9.]+,", "", scored) == (package / "master.m3u8").read_text()
    scores = json.loads(encoder("score", master, package, "--json", cache=cache).stdout)
    for one, scored in zip(document["renditions"], scores["files"], strict=True):
        assert scored["id"] == one["id"]
        vmaf = next(m for m in scored["metrics"] if m["metric"] == "vmaf")
        assert vmaf["pooled"]["mean"] == pytest.approx(one["scores"]["vmaf"]["mean"], abs=1e-3)


@pytest.mark.parametrize("title", ["phone"], indirect=True)
def test_a_file_for_each_segment_encodes_nothing_again(
    title: tuple[Path, Path, dict[str, Any]], cache: Path, tmp_path: Path
) -> None:
    master, output, document = title
    filed, events = tmp_path / "filed", tmp_path / "events.ndjson"
    done = encoder(
        *("ingest", master, "-o", filed, "--effort", "quick", "--json", "--events", events),
        *("--segments", "files", "--names", "hash"),
        cache=cache,
    )
    found = json.loads(done.stdout)
    told = [json.loads(line) for line in events.read_text().splitlines()]
    cached = {one["stage"]: one["cached"] for one in told if one["event"] == "stage_finished"}
    assert cached["encode"]
    assert cached["ladder"]
    # Manifests that get their scores are no stage of their own.
    assert [one["stage"] for one in told if one["event"] == "stage_started"].count("package") == 1
    assert [one["scores"] for one in found["renditions"]] == [
        one["scores"] for one in document["renditions"]
    ]
    for one in found["renditions"]:
        assert one["path"].endswith(".m3u8")
        assert frames_of(filed / one["path"]) == document["master"]["frames"]
    encoder("verify", filed, cache=cache)
    compared = encoder("compare", output, filed, "--json", cache=cache, check=None)
    (clip,) = json.loads(compared.stdout)["clips"]
    # Only the time of an encode that was not made is another.
    assert {one["gate"] for one in clip["checks"] if not one["passed"]} <= {"encode_time"}
    same = encoder(
        *("ingest", master, "-o", filed, "--effort", "quick", "--segments", "files"),
        *("--names", "hash"),
        cache=cache,
    )
    assert "is up to date" in same.stderr


@pytest.mark.parametrize("title", ["cartoon"], indirect=True)
def test_what_is_encrypted_was_scored_before(
    title: tuple[Path, Path, dict[str, Any]], cache: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
    master, _, document = title
    sealed, events = tmp_path / "sealed", tmp_path / "events.ndjson"
    argv = ("ingest", master, "-o", sealed, "--effort", "quick", "--protect", "generate")
    done = encoder(*argv, "--json", "-v", "--events", events, cache=cache)
    found = json.loads(done.stdout)
    assert [one["scores"] for one in found["renditions"]] == [
        one["scores"] for one in document["renditions"]
    ]
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert all(
        one["cached"]
        for one in told
        if one["event"] == "stage_finished" and one["stage"] in ("encode", "ladder")
    )
    assert [one["stage"] for one in told if one["event"] == "stage_started"].count("package") == 1
    for one in found["renditions"]:
        assert b"encv" in (sealed / one["path"]).read_bytes()
    said_of_it = found["package"]["protection"]
    assert (said_of_it["scheme"], said_of_it["clear_lead"]) == ("cbcs", 0)
    published = json.loads((sealed / "package.json").read_text())
    assert published["protection"] == said_of_it
    assert document["package"]["protection"] is None
    encoder("verify", sealed, cache=cache)
    file = tmp_path / "sealed.keys.yaml"
    assert file.stat().st_mode & 0o777 == 0o600
    secrets = re.findall(r"key: '?([0-9a-f]{32})", file.read_text())
    assert len(secrets) == 4
    kids = re.findall(r"kid: '?([0-9a-f]{32})", file.read_text())
    assert {one.replace("-", "") for one in said_of_it["kids"]} <= set(kids)
    places = [one for root in (sealed, cache) for one in root.rglob("*") if one.is_file()]
    said = [done.stdout.encode(), done.stderr.encode(), *(one.read_bytes() for one in places)]
    for secret in secrets:
        assert not any(secret.encode() in one or bytes.fromhex(secret) in one for one in said)
    before = {p: p.stat().st_mtime_ns for p in sealed.rglob("*")}
    assert "is up to date" in encoder(*argv, cache=cache).stderr
    assert {p: p.stat().st_mtime_ns for p in sealed.rglob("*")} == before
    assert "There are keys already" in encoder(*argv, "--no-correct", cache=cache, check=2).stderr
    keys = tmp_path / "sound.yaml"
    keys.write_text(f"keys: [{{kid: '{'1' * 32}', key: '{'2' * 32}', for: [audio]}}]")
    keys.chmod(0o644)
    # What has no key is told before anything is encoded.
    refused = ("ingest", master, "-o", tmp_path / "no", "--effort", "instant", "--protect", keys)
    done = encoder(*refused, cache=cache, check=7)
    assert "There is no key for a rendition" in done.stderr
    assert "open to others than its owner" in done.stderr
    assert "encode:" not in done.stderr


@pytest.mark.parametrize("title", ["cartoon"], indirect=True)
def test_a_lead_that_leaves_nothing_to_encrypt_is_told_first(
    title: tuple[Path, Path, dict[str, Any]], cache: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cryptography", reason="what encrypts is an optional extra")
    master, _, document = title
    last = document["master"]["duration"]
    argv = ("ingest", master, "-o", tmp_path / "no", "--effort", "instant", "--protect", "generate")
    for empty, lead in ((tmp_path / "new", last + 0.1), (cache, last - 0.1)):
        for more in ((), ("--dry-run",)):
            done = encoder(*argv, "--clear-lead", f"{lead:.2f}", *more, cache=empty, check=7)
            assert "The clear lead leaves nothing to encrypt" in done.stderr
            assert "ladder:" not in done.stderr
            assert ("analyze:" in done.stderr) == (empty is cache)
    assert not list(tmp_path.glob("no*"))


def test_events_are_ndjson(title: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> None:
    master, _, _ = title
    events = tmp_path / "events.ndjson"
    encoder("analyze", master, "--events", events, "-q", cache=tmp_path / "cache")
    found = [json.loads(line) for line in events.read_text().splitlines()]
    assert {one["schema"] for one in found} == {"encoder.event/1"}
    assert [(one["event"], one["stage"]) for one in found if one["event"] != "notice"][:2] == [
        ("stage_started", "probe"),
        ("stage_finished", "probe"),
    ]
    progress = [one for one in found if one["event"] == "stage_progress"]
    assert progress[-1]["stage"] == "analyze"


def test_a_dry_run_does_nothing(tmp_path: Path) -> None:
    master = generate(["phone"])["phone"]
    output = tmp_path / "out"
    done = encoder("ingest", master, "-o", output, "-n", "--json", cache=tmp_path / "cache")
    stages = {one["stage"]: one["state"] for one in json.loads(done.stdout)["stages"]}
    assert stages["analyze"] == "to do"
    assert not output.exists()
    assert not list((tmp_path / "cache").glob("analyze"))


def test_a_dry_run_knows_what_an_ingest_left_in_the_store(
    title: tuple[Path, Path, dict[str, Any]], tmp_path: Path, cache: Path
) -> None:
    plan = ("ingest", title[0], "-o", tmp_path / "out", "--effort", "quick", "-n", "--json")
    done = encoder(*plan, cache=cache)
    states = {one["stage"]: one["state"] for one in json.loads(done.stdout)["stages"]}
    assert {states[name] for name in ("analyze", "ladder", "encode", "audio")} == {"cached"}
    assert states["package"] == "to do"


def test_a_fixed_ladder_without_scores(tmp_path: Path, cache: Path) -> None:
    master = generate(["phone"])["phone"]
    done = encoder(
        *("ingest", master, "-o", tmp_path / "out", "--json"),
        *("--policy", "apple-hls", "--preset", "veryfast", "--score", "none"),
        cache=cache,
    )
    document = json.loads(done.stdout)
    assert document["savings"] is None
    assert [one["scores"] for one in document["renditions"]] == [None] * len(document["renditions"])
    assert document["ladder"]["rungs"][-1]["width"] == 234


def test_av1_by_the_same_path(tmp_path: Path, cache: Path) -> None:
    master = generate(["phone"])["phone"]
    done = encoder(
        *("ingest", master, "-o", tmp_path / "out", "--json", "--codec", "av1"),
        *("--preset", "12", "--effort", "quick", "--score", "sampled"),
        cache=cache,
    )
    document = json.loads(done.stdout)
    assert all(one["codec_string"].startswith("av01.") for one in document["renditions"])
    assert document["renditions"][0]["scores"]["every"] == 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_ended_run_leaves_nothing_half_made_and_goes_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    master = generate(["cartoon"])["cartoon"]
    output, cache = tmp_path / "out", tmp_path / "cache"
    argv = [sys.executable, "-m", "encoder", "ingest", str(master), "-o", str(output)]
    argv += ["--effort", "quick", "--score", "sampled"]
    started = subprocess.Popen(
        argv,
        env={**os.environ, "ENCODER_CACHE": str(cache)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert started.stderr is not None
    for line in started.stderr:
        if line.startswith("ladder: done"):
            break
    time.sleep(0.3)
    started.send_signal(number)
    said = started.stderr.read()
    started.stderr.close()
    code = started.wait(timeout=60)
    assert "Traceback" not in said
    assert not output.exists()
    if number != signal.SIGKILL:
        assert code == 130
        assert not list(tmp_path.glob(".out*"))
        assert not list((cache / "tmp").iterdir())
    again = encoder(*argv[3:], cache=cache)
    assert "ladder: done (cached" in again.stderr
    assert (output / "master.m3u8").is_file()
