"""Subtitles in a good package, and damaged: each damage is found under its rule."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from encoder.verify.verify import verify

from . import synthetic
from .damage import Damage, each, replaced

FIRST, SECOND = "text/en/00000.vtt", "text/en/00001.vtt"

DAMAGES: dict[str, tuple[str, Damage]] = {
    "no WEBVTT": ("WebVTT", replaced("text/en.vtt", "^WEBVTT", "WEBTVT")),
    "a time that is none": ("WebVTT", replaced(SECOND, r"00:00:08\.000", "8 s")),
    "another clock": ("RFC 8216 3.5 map", replaced(SECOND, "MPEGTS:0", "MPEGTS:900000")),
    "no clock": ("HLS 5.3", replaced(SECOND, "^X-TIMESTAMP-MAP.*\n", "")),
    "a clock that is ten seconds late": (
        "RFC 8216 3.5 time",
        each("text/*/*.vtt", "MPEGTS:0", "MPEGTS:900000", 1),
    ),
    "a clock that is a second late": (
        "OURS subtitles",
        each("text/*/*.vtt", "MPEGTS:0", "MPEGTS:90000", 1),
    ),
    "a cue of another time": (
        "RFC 8216 3.5 time",
        replaced(FIRST, r"00:00:01\.000 --> 00:00:02", "00:00:09.000 --> 00:00:10"),
    ),
    "a cue that is not repeated": (
        "RFC 8216 3.5 repeated",
        replaced(SECOND, r"\n00:00:05\.000 --> .*\n.*\n", ""),
    ),
    "other words in DASH": ("OURS subtitles", replaced("text/en.vtt", "en 8", "en eight")),
    "half of SDH": (
        "HLS 4.5",
        replaced("master.m3u8", ",public.accessibility.describes-music-and-sound", ""),
    ),
    "a group that is not there": (
        "RFC 8216 4.4.6.2",
        replaced("master.m3u8", 'SUBTITLES="text"', 'SUBTITLES="words"'),
    ),
    "no language in DASH": ("IOP 3.2.4 lang", replaced("manifest.mpd", ' lang="de"', "")),
}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A title of two segments, with a cue over the boundary at 6 s."""
    into = tmp_path_factory.mktemp("spoken") / "package"
    into.mkdir()
    times = ((1, 2), (5, 7), (8, 9))
    text = (
        synthetic.Subtitle("en", "en", times),
        synthetic.Subtitle("de", "de", ((0, 12),), ("caption",)),
    )
    synthetic.make(into, replace(synthetic.title(), text=text))
    return into


def test_good_subtitles_have_no_finding(spoken: Path) -> None:
    verdict = verify(spoken)
    assert (verdict.findings, verdict.unread) == ((), ())


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_under_its_rule(spoken: Path, tmp_path: Path, name: str) -> None:
    rule, damage = DAMAGES[name]
    package = Path(shutil.copytree(spoken, tmp_path / "package"))
    damage(package)
    assert rule in {one.rule for one in verify(package).findings}


def test_cues_are_in_each_segment_that_shows_them(spoken: Path) -> None:
    first, second = ((spoken / name).read_text() for name in (FIRST, SECOND))
    assert [part.count("00:00:05.000 --> 00:00:07.000\nen 5") for part in (first, second)] == [1, 1]
    assert ("en 1" in second, "en 8" in first) == (False, False)


def test_clocks_that_say_the_same_are_no_damage(spoken: Path, tmp_path: Path) -> None:
    package = Path(shutil.copytree(spoken, tmp_path / "package"))
    same = "MPEGTS:900000,LOCAL:00:00:10.000"
    each("text/*/*.vtt", r"MPEGTS:0,LOCAL:00:00:00\.000", same, 1)(package)
    assert verify(package).findings == ()


def test_manifests_name_them(spoken: Path) -> None:
    playlist = (spoken / "master.m3u8").read_text()
    assert 'TYPE=SUBTITLES,GROUP-ID="text",NAME="de",LANGUAGE="de"' in playlist
    streams = [one for one in playlist.splitlines() if one.startswith("#EXT-X-STREAM-INF")]
    assert all('SUBTITLES="text"' in one for one in streams)
    manifest = (spoken / "manifest.mpd").read_text()
    assert '<Role schemeIdUri="urn:mpeg:dash:role:2011" value="caption" />' in manifest
    assert "<BaseURL>text/en.vtt</BaseURL>" in manifest
