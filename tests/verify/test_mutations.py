"""A good package, damaged in every way a rule is about: each is found, under that rule."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.verify import rules_text
from encoder.verify.verify import RULES, verify

from . import synthetic
from .damage import both, published, reported
from .damage_dash import DASH
from .damage_dash_sets import SETS_AND_TIMES
from .damage_headers import HEADERS
from .damage_media import MEDIA
from .damage_multivariant import MULTIVARIANT
from .damage_pictures import PICTURES
from .damage_playlists import PLAYLISTS
from .damage_tags import TAGS

MASTER = "master.m3u8"
DAMAGES = MULTIVARIANT | PLAYLISTS | MEDIA | DASH | SETS_AND_TIMES | HEADERS | TAGS | PICTURES


def rules_broken(path: Path) -> set[str]:
    return {one.rule for one in verify(path).findings}


def test_an_undamaged_package_has_no_finding(good: Path) -> None:
    verdict = verify(good)
    assert verdict.findings == ()
    assert verdict.unread == ()
    assert [one.rule.id for one in verdict.rules if one.outcome != "kept"] == [
        "DASH schema",
        "OURS score order",
    ]


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_under_its_rule(copied: Path, name: str) -> None:
    rule, damage = DAMAGES[name]
    damage(copied)
    assert rule in rules_broken(copied)


def test_a_report_and_a_list_of_files_are_no_damage(copied: Path) -> None:
    both(reported(), published(MASTER, (copied / MASTER).stat().st_size))(copied)
    found = rules_broken(copied)
    assert found == set()


# What cannot be done to a finished package: titles that are made wrong.
MADE: dict[str, tuple[str, synthetic.Title]] = {}


def made(rule: str, name: str, title: synthetic.Title) -> None:
    MADE[name] = (rule, title)


GOOD = synthetic.title()
FIRST, REST = GOOD.rungs[0], GOOD.rungs[1:]
made(
    "HLS 8.22",
    "a rung with segments elsewhere",
    replace(
        GOOD, rungs=(FIRST, replace(REST[0], gops=(24,) * 5 + (27, 21) + (24,) * 5), *REST[1:])
    ),
)
made(
    "OURS boundaries",
    "a rung with fragments elsewhere",
    replace(GOOD, rungs=(replace(FIRST, gops=(24, 20, 28) + (24,) * 9), *REST)),
)
made(
    "OURS durations",
    "a rung that ends early",
    replace(GOOD, rungs=(replace(FIRST, gops=(24,) * 11 + (12,)), *REST)),
)
made(
    "DASH 5.3.3.2 aligned",
    "an MPD that promises alignment",
    replace(GOOD, rungs=(replace(FIRST, gops=(24, 20, 28) + (24,) * 9), *REST)),
)
made("HLS 7.6", "segments of two seconds", replace(GOOD, segment_seconds=Fraction(2)))
made(
    "HLS 1.30",
    "a peak of thrice the average",
    replace(
        synthetic.title(24),
        rungs=(replace(FIRST, gops=(24,) * 24, late=8), *synthetic.title(24).rungs[1:]),
    ),
)
made("HLS 9.16", "PQ that is called SDR", replace(GOOD, rungs=(replace(FIRST, transfer=16), *REST)))
UNITS = GOOD.sounds[0].gops
made("HLS 8.22 sound", "sound that is cut elsewhere", replace(GOOD, sounds=tuple(
    replace(one, gops=(*UNITS[:5], UNITS[5] + 3, UNITS[6] - 3, *UNITS[7:])) for one in GOOD.sounds
)))  # fmt: skip
made("OURS frame rates", "24 and 24000/1001 frames a second", replace(GOOD, rungs=(
    *GOOD.rungs[:3], replace(GOOD.rungs[3], frame=1001)
)))  # fmt: skip
made("HLS 1.19", "90 frames a second", replace(GOOD, rungs=tuple(
    replace(one, frame=267) for one in GOOD.rungs
)))  # fmt: skip
made("CMAF 9.2.1", "trun 1 and an edit list", replace(GOOD, rungs=(
    replace(FIRST, edit=1000, signed=True), *REST
)))  # fmt: skip
made("HLS 13.7", "every block encrypted", replace(GOOD, rungs=(
    replace(FIRST, scheme="cbcs", pattern=0x10), *REST
)))  # fmt: skip
# Their manifests are those of clear tracks.
SEALED = replace(GOOD, rungs=(replace(FIRST, scheme="cbcs"), *REST))
made("CENC 11.2", "encrypted without ContentProtection", SEALED)
made("RFC 8216 4.3.2.4", "encrypted without EXT-X-KEY", SEALED)
made("HLS 1.6b", "HEVC of a level too high", replace(GOOD, rungs=(
    replace(FIRST, coding="hvc1", level=180), *REST
)))  # fmt: skip
made("CMAF 7.3.2.4", "HEVC without colour", replace(GOOD, rungs=(
    replace(FIRST, coding="hvc1", level=93, transfer=0), *REST
)))  # fmt: skip
made("HLS 1.10", "hev1", replace(GOOD, rungs=(
    replace(FIRST, coding="hev1", level=93), *REST
)))  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_wrong_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    rule, title = MADE[name]
    synthetic.make(tmp_path, title, lenient=monkeypatch)
    verdict = verify(tmp_path)
    assert rule in {one.rule for one in verdict.findings}
    encrypted = any(one.scheme for one in title.rungs)
    assert any("encrypted (cbcs)" in one for one in verdict.unread) == encrypted


def test_modern_codings_in_transport_streams(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"\x47" + bytes(187) + b"\x47" + bytes(187))
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "a.m3u8").write_text(text)
    (tmp_path / "m.m3u8").write_text(
        '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="hvc1.2.4.L93.B0",RESOLUTION=2x2\n'
        "a.m3u8\n"
    )
    verdict = verify(tmp_path)
    assert "HLS 1.2" in {one.rule for one in verdict.findings}
    assert verdict.unread == (
        "a.m3u8 has segments of MPEG-TS: their sizes are checked, not what is in them",
    )


def test_segmented_text_without_its_clock(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nx\n")
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.vtt\n#EXTINF:6,\na.vtt\n"
    (tmp_path / "a.m3u8").write_text(text)
    assert "HLS 5.3" in rules_broken(tmp_path)


def test_every_rule_is_broken_somewhere() -> None:
    elsewhere = {"HLS 1.2", "HLS 5.3", "DASH schema"}
    # tests/verify/test_text_rules.py
    elsewhere |= {rule.id for rule in rules_text.RULES}
    known = {rule for rule, _ in DAMAGES.values()} | {rule for rule, _ in MADE.values()}
    assert {rule.id for rule in RULES} == known | elsewhere
    assert len(DAMAGES) + len(MADE) >= 60
    assert len({rule.id for rule in RULES}) == len(RULES)
