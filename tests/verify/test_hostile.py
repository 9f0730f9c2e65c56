"""Manifests and files that would take all memory or all day: verify tells of them, and goes on."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.verify.m3u8 import parse
from encoder.verify.subject import Part, Stream
from encoder.verify.verdict import Place
from encoder.verify.verify import RULES, verify
from encoder.verify.xmltree import BadXml, parse_xml

from .damage import TOP
from .synthetic import box, full

MPD = (
    '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="x" minBufferTime="PT2S" '
    'mediaPresentationDuration="PT10S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><SegmentTemplate timescale="1" media="{media}" '
    'initialization="i"><SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>'
    "</Representation></AdaptationSet></Period></MPD>"
)


@pytest.mark.parametrize("text", ["<a>" * 20_000, "<a>" + "<b/>" * 300_000], ids=["deep", "many"])
def test_xml_of_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(BadXml, match="more than"):
        parse_xml(text.encode())


@pytest.mark.parametrize(
    ("line", "count", "why"),
    [
        ("#EXT-X-STREAM-INF:" + "A=" * 20_000, 1, "a line of"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8", 600, "variants and renditions"),
        ("#EXTINF:6,\na", 110_000, "200000 lines"),
    ],
    ids=["a long line", "variants", "lines"],
)
def test_playlists_of_no_title_are_read_in_part(line: str, count: int, why: str) -> None:
    playlist = parse("a", ("#EXTM3U\n" + f"{line}\n" * count).encode())
    assert [found for _, found in playlist.problems if why in found]
    assert len(playlist.tags) <= 200_000


def test_a_timeline_of_any_length_is_read_in_part(tmp_path: Path) -> None:
    text = MPD.format(media="$Number$.m4s", entries='<S d="1" r="999999999"/>' * 3)
    (tmp_path / "a.mpd").write_text(text)
    verdict = verify(tmp_path)
    assert any("more segments than any title" in one for one in verdict.unread)
    assert sum(one.rule == "OURS files" for one in verdict.findings) <= 1000
    assert any("OURS files is broken so often" in one for one in verdict.unread)


def test_an_address_of_any_length_is_told(tmp_path: Path) -> None:
    text = MPD.format(media="$Number%099d$" * 50, entries='<S d="1" r="99"/>')
    (tmp_path / "a.mpd").write_text(text)
    found = [one.found for one in verify(tmp_path).findings if one.rule == "OURS files"]
    assert any("an address of 4950 characters" in one for one in found)


def test_manifests_that_are_too_large_are_not_read_whole(tmp_path: Path) -> None:
    for name, start in (("a.m3u8", b"#EXTM3U\n"), ("a.mpd", b"<MPD>")):
        with (tmp_path / name).open("wb") as file:
            file.write(start)
            file.truncate(20 << 30)
    verdict = verify(tmp_path)
    too_large = [one for one in verdict.findings if one.found == f"{20 << 30} bytes"]
    assert {one.rule for one in too_large} == {"RFC 8216 4.1 lines", "DASH xml"}


@pytest.mark.parametrize("which", ["boxes", "children", "samples"])
def test_files_of_no_title_are_read_in_part(copied: Path, which: str) -> None:
    path = copied / f"{TOP}.mp4"
    data = path.read_bytes()
    run = full("trun", 0, 1, struct.pack(">II", 1 << 20, 0))
    tfhd = full("tfhd", 0, 0x020038, struct.pack(">IIII", 1, 1000, 0, 0x02000000))
    body = {
        "boxes": box("free") * 510_000,
        "children": box("moof", box("free") * 5000) + box("mdat"),
        "samples": box("moof", box("traf", tfhd, *[run] * 6)) + box("mdat"),
    }[which]
    path.write_bytes(data[: data.index(b"sidx") - 4] + body)
    found = [one for one in verify(copied).findings if one.rule == "OURS boxes"]
    told = {"boxes": "more than 500000 boxes", "children": "4096 boxes", "samples": "samples"}
    assert any(told[which] in f"{one.found} {one.wanted}" for one in found)


def test_segments_of_no_length_are_not_measured() -> None:
    def stream(count: int) -> Stream:
        part = Part(Place("a"), "a", 0, 1000, Fraction(6, count), ())
        return Stream("a", Place("a"), "mp4", "video", None, None, (part,) * count, ())

    assert stream(60_000).rates(6) is None
    assert stream(6).rates(6) == (8000, 8000)


def test_every_rule_says_what_to_do() -> None:
    """Also of packages that others made: to package again makes nothing better."""
    vague = ("Package again", "Add it", "Add the tag", "Encode it", "Package the file again")
    assert [rule.id for rule in RULES if rule.fix.startswith(vague)] == []
