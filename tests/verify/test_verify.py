"""What verify reads, refuses, says it cannot look into, and how it tells."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from encoder.cli.main import run
from encoder.engine.proof import prove
from encoder.errors import ExitCode, MasterError, PackageError
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run as run_ffmpeg
from encoder.verify.document import junit_xml
from encoder.verify.files import target
from encoder.verify.m3u8 import parse
from encoder.verify.rules_multivariant import same_codec
from encoder.verify.verify import verify
from encoder.verify.xmltree import BadXml, parse_xml
from tests.cli.documented import wrong_in

from .damage import ENGLISH, TOP, both, patched, replaced, reported

MASTER, MPD = "master.m3u8", "manifest.mpd"


@pytest.mark.parametrize("name", ["", MASTER, MPD, "video/h264-720p-1.m3u8"])
def test_a_folder_or_any_manifest_of_it(good: Path, name: str) -> None:
    verdict = verify(good / name)
    assert verdict.findings == ()
    kept = sum(one.outcome == "kept" for one in verdict.rules)
    assert kept >= 40
    assert len(verdict.rules) - kept == sum(bool(one.why) for one in verdict.rules)


def test_nothing_to_verify(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none", tmp_path / "film.mp4", tmp_path / "empty"):
        with pytest.raises(MasterError, match="nothing to verify"):
            verify(path)


def test_a_playlist_of_anything_is_a_finding_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.m3u8"
    for data in (b"", b"\xff\xfe\0", b"#EXTM3U\n#EXTINF:\nx\n", b"#EXTM3U\n#EXT-X-STREAM-INF:\n\n"):
        path.write_bytes(data)
        assert verify(path).count("must")


def test_bytes_of_any_file_are_findings_not_crashes(copied: Path) -> None:
    path = copied / "video/h264-180p-4.mp4"
    whole = path.read_bytes()
    for step in range(0, 1400, 19):
        damaged = bytearray(whole)
        damaged[step : step + 4] = b"\xff\xff\xff\xff"
        path.write_bytes(damaged)
        verify(copied)
        path.write_bytes(whole[:step])
        assert verify(copied / MASTER).count("must")


@pytest.mark.parametrize("value", ["", "-1", "x", "99999999999999999999", "1/0", "PT", "0", "9-1"])
@pytest.mark.parametrize(
    "name",
    ["indexRange", "timescale", "bandwidth", "frameRate", "width", "minBufferTime", "par", "range"],
)
def test_attributes_of_any_text_are_no_crash(copied: Path, name: str, value: str) -> None:
    replaced(MPD, f' {name}="[^"]*"', f' {name}="{value}"')(copied)
    verify(copied)


def test_what_lies_elsewhere_is_said(copied: Path) -> None:
    replaced(MASTER, "^video/h264-720p-1.m3u8", "https://example.com/a.m3u8")(copied)
    replaced(MPD, "<BaseURL>video/h264-720p-1.mp4", "<BaseURL>https://example.com/a.mp4")(copied)
    unread = verify(copied).unread
    assert any("https://example.com/a.m3u8" in one for one in unread)
    assert any("h264-720p-1" in one for one in unread)


def test_nothing_broken_is_published(copied: Path) -> None:
    prove(copied)
    replaced(MASTER, 'LANGUAGE="en",', "")(copied)
    with pytest.raises(PackageError, match=r"HLS 4\.4") as caught:
        prove(copied)
    assert caught.value.exit_code == ExitCode.PACKAGE


def test_reports_beside_a_package_that_is_being_made(copied: Path) -> None:
    reported()(copied)
    (copied / "report.html").write_text("x")
    (copied / "scores").mkdir()
    (copied / "scores/a.npz").write_bytes(b"x")
    prove(copied)
    (copied / "video/left.mp4").write_bytes(b"x")
    with pytest.raises(PackageError, match="nothing else"):
        prove(copied)


def test_what_a_policy_chose_is_published(copied: Path) -> None:
    replaced(MASTER, "VIDEO-RANGE=SDR,URI", "VIDEO-RANGE=PQ,URI", 4)(copied)
    assert {one.rule for one in verify(copied).findings} == {"HLS 6.16"}
    prove(copied)


def test_pictures_of_others_are_understood(copied: Path) -> None:
    # One picture a segment, without EXT-X-TILES, and PNG, which is not looked into.
    (copied / "video/a.png").write_bytes(b"x")
    (copied / "i.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXT-X-IMAGES-ONLY\n#EXTINF:12,\nvideo/a.png\n"
        "#EXT-X-ENDLIST\n"
    )
    with (copied / MASTER).open("a") as file:
        file.write('#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,RESOLUTION=2x2,CODECS="png",URI="i.m3u8"\n')
    assert verify(copied).findings == ()


def test_exit_codes(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def verified(*options: str) -> int:
        return run(["verify", str(copied), *options])

    assert (verified(), verified("--strict")) == (0, 0)
    replaced(MASTER, "#EXT-X-INDEPENDENT-SEGMENTS\n", "")(copied)
    assert (verified(), verified("--strict")) == (0, 1)
    assert "HLS 9.11" in capsys.readouterr().out
    replaced(MASTER, 'LANGUAGE="en",', "")(copied)
    assert (verified(), verified("--strict")) == (1, 1)
    assert run(["verify", str(copied / "none")]) == ExitCode.MASTER


def test_json_is_as_documented(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replaced(MASTER, 'LANGUAGE="en",', "")(copied)
    assert run(["verify", str(copied), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert wrong_in(document) == []
    (finding,) = document["findings"]
    assert (finding["rule"], finding["severity"]) == ("HLS 4.4", "must")
    assert (finding["file"], finding["line"]) == (MASTER, 5)


def test_junit(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENCODER_DASH_SCHEMA", raising=False)
    replaced(MASTER, 'LANGUAGE="en",', "")(copied)
    replaced(MASTER, "#EXT-X-INDEPENDENT-SEGMENTS\n", "")(copied)
    assert run(["verify", str(copied), "--junit", str(tmp_path / "v.xml")]) == 1
    suite = ET.parse(tmp_path / "v.xml").getroot()
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert len(failed) == 1
    assert str(failed[0]).startswith("HLS 4.4 ")
    assert (suite.get("failures"), suite.get("skipped")) == ("1", "2")
    strict = ET.fromstring(junit_xml(verify(copied), strict=True))
    assert strict.get("failures") == "2"


def test_the_schema_is_held_against_the_manifest_where_there_is_one(copied: Path) -> None:
    name = os.environ.get("ENCODER_DASH_SCHEMA")
    if not name:
        pytest.skip("ENCODER_DASH_SCHEMA does not name DASH-MPD.xsd")
    assert verify(copied, schema=Path(name)).findings == ()
    replaced(MPD, "<Period ", '<Period colour="red" ')(copied)
    broken = {one.rule for one in verify(copied, schema=Path(name)).findings}
    assert broken == {"DASH schema"}


def test_a_small_schema(copied: Path, tmp_path: Path) -> None:
    pytest.importorskip("lxml.etree")
    schema = tmp_path / "small.xsd"
    schema.write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        '<xs:element name="MPD"/></xs:schema>'
    )
    assert {one.rule for one in verify(copied, schema=schema).findings} == {"DASH schema"}


def test_the_output_of_ffmpeg(tmp_path: Path) -> None:
    """Its dash muxer's HLS lacks what Apple demands; its files are sound."""
    options = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=24:duration=4", "-c:v", "libx264"]
    options += ["-preset", "ultrafast", "-g", "48", "-f", "dash", "-hls_playlist", "1"]
    run_ffmpeg(locate(), [*options, f"file:{tmp_path / 'out.mpd'}"])
    found = {one.rule for one in verify(tmp_path).findings if one.severity == "must"}
    assert {"HLS 8.6", "HLS 9.14", "HLS 9.15"} <= found
    assert not {one for one in found if one.startswith(("CMAF", "OURS", "WAVE", "IOP"))}


def test_document_types_are_refused() -> None:
    with pytest.raises(BadXml):
        parse_xml(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(BadXml):
        parse_xml(b'<?xml version="1.0" encoding="utfr8"?><a/>')


@pytest.mark.parametrize(
    ("base", "uri", "name"),
    [
        ("master.m3u8", "a/b.m3u8", "a/b.m3u8"),
        ("a/b.m3u8", "../c%20d.mp4?x=1", "c d.mp4"),
        ("a/b.m3u8", "c.mp4", "a/c.mp4"),
        ("a/b.m3u8", "/c.mp4", None),
        ("a/b.m3u8", "https://example.com/c.mp4", None),
        ("a/b.m3u8", "", None),
    ],
)
def test_addresses(base: str, uri: str, name: str | None) -> None:
    assert target(base, uri) == name


@pytest.mark.parametrize(
    ("declared", "found", "same"),
    [
        ("avc1.64001F", "avc1.64001f", True),
        ("avc1.640028", "avc1.64001f", False),
        ("mp4a.40.5", "mp4a.40.2", True),
        ("mp4a.40.34", "mp4a.40.2", False),
        ("av01.0.04M.08", "av01.0.04M.08.0.110.01.01.01.0", True),
        ("av01.0.05M.08", "av01.0.04M.08", False),
        ("hvc1.2.4.L93.B0", "hvc1.2.4.L93.B0", True),
    ],
)
def test_codec_strings(declared: str, found: str, same: bool) -> None:
    assert same_codec(declared, found) is same


def test_byte_ranges_go_on_where_the_last_ended() -> None:
    text = b"#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:10@5\na\n#EXTINF:1,\n#EXT-X-BYTERANGE:7\na\n"
    ranges = [(one.range.offset, one.range.size) for one in parse("x", text).segments]
    assert ranges == [(5, 10), (15, 7)]


@pytest.mark.parametrize(
    ("name", "old", "rule"),
    [
        (MASTER, r"BANDWIDTH=\d+", "HLS 9.13"),
        (MASTER, r"AVERAGE-BANDWIDTH=\d+", "HLS 9.14"),
        (f"{TOP}.m3u8", r"TARGETDURATION:\d+", "RFC 8216 4.3.3.1"),
        (f"{TOP}.m3u8", r"VERSION:\d+", "RFC 8216 7"),
        (f"{TOP}.m3u8", r"EXTINF:[\d.]+", "RFC 8216 4.1 lines"),
    ],
)
def test_digits_that_are_no_numbers_are_found(copied: Path, name: str, old: str, rule: str) -> None:
    """What Python calls a digit, and int() refuses."""
    replaced(name, old, old.partition(r"\d")[0].partition("[")[0] + "\u00b2")(copied)
    assert rule in {one.rule for one in verify(copied).findings}


def test_a_score_that_is_no_number_is_no_score(copied: Path) -> None:
    both(reported(), replaced(MASTER, r"SCORE=[\d.]+", "SCORE=\u00b2"))(copied)
    assert {one.rule for one in verify(copied).findings} == {"RFC 8216 4.2"}


def test_layer_iii_and_webm_are_judged_as_what_they_are(copied: Path) -> None:
    """Their files are none of ours, and no broken ones."""
    patched(f"{ENGLISH}.mp4", "esds", 11, b"\x6b")(copied)
    replaced(MPD, '"mp4a.40.2"', '"mp4a.6b"')(copied)
    found = {(one.rule, one.place.line) for one in verify(copied).findings}
    # Every variant says that it is AAC, of the group as a whole.
    assert {rule for rule, _ in found} == {"HLS 9.1"}
    replaced(MASTER, r"mp4a\.40\.2", "mp4a.40.34,mp4a.40.2", 4)(copied)
    assert verify(copied).findings == ()
    webm = b"\x1a\x45\xdf\xa3" + bytes(400)
    (copied / f"{ENGLISH}.mp4").write_bytes(webm)
    replaced(MPD, '"audio/mp4"', '"audio/webm"')(copied)
    verdict = verify(copied / MPD)
    assert any("WebM" in one for one in verdict.unread)
    assert "OURS boxes" not in {one.rule for one in verdict.findings}


def test_sound_of_layer_iii_alone_lacks_aac(copied: Path) -> None:
    for name in ("en", "fr"):
        patched(f"audio/{name}-2ch.mp4", "esds", 11, b"\x6b")(copied)
    replaced(MPD, '"mp4a.40.2"', '"mp4a.6b"', 2)(copied)
    replaced(MASTER, r"mp4a\.40\.2", "mp4a.40.34", 4)(copied)
    assert {one.rule for one in verify(copied).findings} == {"HLS 2.3"}
