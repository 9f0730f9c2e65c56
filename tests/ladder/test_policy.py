"""Policies are read strictly: every mistake has a place and a hint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from encoder.engine.regression import read_gates
from encoder.errors import ExitCode, UsageError
from encoder.ladder.policy import load_policy, parse_policy, shipped_policies
from encoder.ladder.read_audience import load_audience
from encoder.ladder.strict_yaml import Source

GOOD = "description: d\nkind: per-title\nheights: [720, 360]\n"


def read(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse_policy(Source("p.yaml", text), "p")
    return caught.value


def test_ships_four_policies() -> None:
    assert shipped_policies() == ("apple-hls", "archive-quality", "data-saver", "per-title")


@pytest.mark.parametrize("name", shipped_policies())
def test_shipped_policies_are_valid(name: str) -> None:
    policy = load_policy(name)
    assert policy.name == name
    assert len(policy.digest) == 64
    assert policy.reference is None or load_policy(policy.reference).kind == "fixed"


def test_apple_ladder_is_apples() -> None:
    rungs = load_policy("apple-hls").rungs
    assert [r.bitrate // 1000 for r in rungs] == [145, 365, 730, 1100, 2000, 3000, 4500, 6000, 7800]
    assert (rungs[0].width, rungs[0].height) == (416, 234)
    assert (rungs[-1].width, rungs[-1].height) == (1920, 1080)


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("", "p.yaml", "empty"),
        ("a: [1", "p.yaml:1", "expected"),
        ("- 1\n", "p.yaml:1:1", "mapping"),
        (GOOD + "top_vmaf: 16:9\n", "p.yaml:4:11", "must be a number"),
        (GOOD + "heights: [360]\n", "p.yaml:4:1", "given twice"),
        (GOOD + "topvmaf: 90\n", "p.yaml:4:1", "unknown field"),
        (GOOD + "max_bitrate: 2M\n", "p.yaml:4:14", "whole number"),
        (GOOD + "top_vmaf: .nan\n", "p.yaml:4:11", "number"),
        (GOOD + "top_vmaf: nan\n", "p.yaml:4:11", "between"),
        (GOOD + "top_vmaf: 101\n", "p.yaml:4:11", "between"),
        (GOOD + "audio: {surround: no}\n", "p.yaml:4:19", "true or false"),
        (GOOD + "audio: {stereo_bitrate: 1.5}\n", "p.yaml:4:25", "whole number"),
        (GOOD + "audio: {surround_codecs: [aac, mp3]}\n", "p.yaml:4:32", "aac"),
        (GOOD + "audio: {surround_codecs: [aac, aac]}\n", "p.yaml:4:8", "twice"),
        (GOOD + "audio: {surround_codecs: [aac, eac3]}\n", "p.yaml:4:8", "needs `ac3`"),
        (GOOD + "audio: {surround_codecs: []}\n", "p.yaml:4:26", "empty list"),
        (GOOD + "audio: {he_aac: 64_000}\n", "p.yaml:4:17", "true or false"),
        (GOOD + "audio: {he_aac_bitrate: 8_000}\n", "p.yaml:4:25", "24000"),
        (GOOD + "max_level: 7\n", "p.yaml", "no level `7`"),
        (GOOD + "codec: vp6\n", "p.yaml:4:8", "unknown codec"),
        (GOOD + "preset: &a slow\n", "p.yaml:4:9", "anchors"),
        ("description: d\nkind: per-title\n", "p.yaml", "heights"),
        ("description: d\nkind: fixed\n", "p.yaml", "rungs"),
        ("kind: per-title\nheights: [720]\n", "p.yaml:1:1", "lacks `description`"),
        (GOOD + "min_bitrate: 9_000_000\nmax_bitrate: 8_000_000\n", "p.yaml", "min_bitrate"),
        (GOOD + "gop_seconds: 8\n", "p.yaml", "gop_seconds"),
        ("description: d\nkind: per-title\nheights: [721]\n", "p.yaml", "even"),
        ("description: d\nkind: per-title\nheights: 720\n", "p.yaml:3:10", "must be a list"),
    ],
)
def test_mistakes_are_named(text: str, place: str, why: str) -> None:
    error = read(text)
    assert error.exit_code == ExitCode.USAGE
    assert error.where.startswith(place)
    assert why in error.why


def test_a_near_miss_is_hinted_at() -> None:
    assert "top_vmaf" in read(GOOD + "topvmaf: 90\n").hint
    assert "bits per second" in read(GOOD + "max_bitrate: 2M\n").hint


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD + "max_frame_rate: 30000/1001\n")
    policy = load_policy(str(path))
    assert policy.name == "mine"
    assert policy.heights == (720, 360)
    assert float(policy.max_frame_rate) == pytest.approx(29.97003)


def test_no_such_policy_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="per-title"):
        load_policy("no-such")


def test_another_codec_has_its_own_presets() -> None:
    assert load_policy("per-title", codec="av1").preset is None
    with pytest.raises(UsageError, match="preset"):
        load_policy("per-title", codec="av1", preset="medium")
    assert load_policy("per-title", codec="av1", preset="10").preset == "10"


def test_digest_depends_on_what_is_wanted_and_not_on_names(tmp_path: Path) -> None:
    digests = {}
    for name, text in (
        ("a", GOOD),
        ("b", GOOD.replace("description: d", "description: another")),
        ("c", GOOD + "top_vmaf: 90\n"),
    ):
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        digests[name] = load_policy(str(path)).digest
    assert digests["a"] == digests["b"]
    assert digests["a"] != digests["c"]


@pytest.mark.parametrize(
    "reading", [load_policy, load_audience, lambda path: read_gates(Path(path))]
)
def test_what_is_no_text_is_refused_in_words(
    tmp_path: Path, reading: Callable[[str], object]
) -> None:
    film = tmp_path / "film.yaml"
    film.write_bytes(b"\x00\x00\x00\x18ftypmp42\xaf\xff")
    with pytest.raises(UsageError, match=r"cannot be read") as caught:
        reading(str(film))
    assert f"{film}. It is no text" in str(caught.value)
