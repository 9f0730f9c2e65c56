"""What the manifests say: golden files, and the rules that no golden file explains."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.media.colour import Colour
from encoder.package.dash import mpd
from encoder.package.entries import AudioEntry, VideoEntry, contents, url
from encoder.package.hls import iframe_playlist, media_playlist, multivariant_playlist
from encoder.package.segments import buffer_time

from . import independent
from .entries import rung, sound

GOLDEN = Path(__file__).parent / "golden"
MPD = "{urn:mpeg:dash:schema:mpd:2011}"

VIDEO = [
    rung("h264-1080p", (1920, 1080), 5_000_000, score=95.123456),
    rung("h264-720p", (1280, 720), 2_400_000, score=88.0),
    rung("h264-360p", (640, 360), 700_000, codec="avc1.64001e", score=71.5),
]
AUDIO = [
    sound("fr-2ch", "fr", "Français", source=2),
    sound("en-2ch", "en", "English", default=True, source=1),
    sound("en-6ch", "en", "English", channels=6, average=384_000, source=1),
    sound("en-ad-2ch", "en", "English (described)", roles=("description",), source=3),
    sound("en-talk-2ch", "en", 'The "talk"', roles=("commentary", "unheard-of"), source=4),
]
AV1 = [
    rung("av1-1080p", (1920, 1080), 2_600_000, codec="av01.0.08M.08"),
    rung("av1-720p", (1280, 720), 1_300_000, codec="av01.0.05M.08"),
]
DURATION = Fraction(240 * 1001, 30000)


def golden(name: str, found: str) -> None:
    assert found == (GOLDEN / name).read_text(encoding="utf-8")


def master(
    tmp_path: Path, video: list[VideoEntry], audio: list[AudioEntry]
) -> tuple[list[tuple[dict[str, str], str]], list[dict[str, str]]]:
    path = tmp_path / "master.m3u8"
    path.write_text(multivariant_playlist(video, contents(audio)), encoding="utf-8")
    return independent.variants(path), independent.renditions(path)


def parsed(video: list[VideoEntry], audio: list[AudioEntry]) -> ET.Element:
    return ET.fromstring(mpd(video, contents(audio), DURATION))


def test_golden_hls() -> None:
    golden("master.m3u8", multivariant_playlist(VIDEO, contents(AUDIO)))


def test_golden_dash() -> None:
    golden("manifest.mpd", mpd(VIDEO, contents(AUDIO), DURATION))


def test_golden_without_audio_and_with_two_codings() -> None:
    golden("codings.m3u8", multivariant_playlist(VIDEO + AV1, ()))
    golden("codings.mpd", mpd(VIDEO + AV1, (), DURATION))


def test_golden_media_playlist() -> None:
    entry = VIDEO[0]
    golden("media.m3u8", media_playlist(entry.track, entry.segments, 4, "h264-1080p.mp4"))
    golden("iframes.m3u8", iframe_playlist(entry.track, entry.iframes, "../h264-1080p.mp4"))


@pytest.mark.parametrize("audio", [[], AUDIO], ids=["silent", "with audio"])
def test_the_manifest_fits_the_schema(audio: list[AudioEntry]) -> None:
    name = os.environ.get("ENCODER_DASH_SCHEMA")
    if not name:
        pytest.skip("ENCODER_DASH_SCHEMA does not name DASH-MPD.xsd")
    etree = pytest.importorskip("lxml.etree")
    schema_path = Path(name)

    class Xlink(etree.Resolver):  # type: ignore[misc, name-defined]
        """Answers the schema's one import, so that nothing is fetched."""

        def resolve(self, address: str, _public: str, context: object) -> object:
            if not address.endswith("xlink.xsd"):
                return None
            attributes = "".join(
                f'<xs:attribute name="{n}" type="xs:string"/>'
                for n in ("type", "href", "show", "actuate")
            )
            text = (
                '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" '
                f'targetNamespace="http://www.w3.org/1999/xlink">{attributes}</xs:schema>'
            )
            return self.resolve_string(text, context)

    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Xlink())
    schema = etree.XMLSchema(etree.parse(str(schema_path), parser))
    schema.assertValid(etree.fromstring(mpd(VIDEO + AV1, contents(audio), DURATION).encode()))


def test_children_are_in_the_order_of_the_schema() -> None:
    orders = {
        "AdaptationSet": [
            "SupplementalProperty",
            "Label",
            "Accessibility",
            "Role",
            "Representation",
        ],
        "Representation": ["AudioChannelConfiguration", "BaseURL", "SegmentBase"],
    }
    root = parsed(VIDEO + AV1, AUDIO)
    for name, order in orders.items():
        elements = root.findall(f".//{MPD}{name}")
        assert elements
        for element in elements:
            places = [order.index(child.tag.removeprefix(MPD)) for child in element]
            assert places == sorted(places)


def test_on_demand_profile() -> None:
    root = parsed(VIDEO, AUDIO)
    assert root.attrib["profiles"] == "urn:mpeg:dash:profile:isoff-on-demand:2011"
    assert root.attrib["type"] == "static"
    assert root.attrib["mediaPresentationDuration"] == "PT8.008S"
    for element in root.findall(f".//{MPD}AdaptationSet"):
        assert element.attrib["subsegmentAlignment"] == "true"
        assert element.attrib["subsegmentStartsWithSAP"] == "1"
    for element in root.findall(f".//{MPD}SegmentBase"):
        first, last = (int(n) for n in element.attrib["indexRange"].split("-"))
        initialization = element.find(f"{MPD}Initialization")
        assert initialization is not None
        assert initialization.attrib["range"] == f"0-{first - 1}"
        assert last - first + 1 == 32 + 12 * 4
    assert not root.findall(f".//{MPD}SegmentTemplate")


def test_the_duration_is_never_cut_short() -> None:
    duration = Fraction(100 * 1001, 24000)
    text = ET.fromstring(mpd(VIDEO, (), duration)).attrib["mediaPresentationDuration"]
    declared = Fraction(text.removeprefix("PT").removesuffix("S"))
    assert 0 <= declared - duration < Fraction(1, 1_000_000)


def test_min_buffer_time_makes_every_bandwidth_true() -> None:
    root = parsed(VIDEO, AUDIO)
    text = root.attrib["minBufferTime"].removeprefix("PT").removesuffix("S")
    declared = {
        e.attrib["id"]: int(e.attrib["bandwidth"]) for e in root.findall(f".//{MPD}Representation")
    }
    entries: list[VideoEntry | AudioEntry] = [*VIDEO, *AUDIO]
    needed = [
        buffer_time(e.track.fragments, e.track.timescale, declared[e.rendition.id]) for e in entries
    ]
    assert 0 <= Fraction(text) - max(needed) < Fraction(1, 1000)


def test_one_group_for_each_layout_with_the_same_members(tmp_path: Path) -> None:
    variants, media = master(tmp_path, VIDEO, AUDIO)
    groups: dict[str, list[dict[str, str]]] = {}
    for tag in media:
        groups.setdefault(tag["GROUP-ID"], []).append(tag)
    assert sorted(groups) == ["audio-2ch", "audio-6ch"]
    # RFC 8216bis 4.4.6.2.1: members are the same but for URI and CHANNELS.
    alike = [
        [{k: v for k, v in tag.items() if k not in ("URI", "CHANNELS", "GROUP-ID")} for tag in tags]
        for tags in groups.values()
    ]
    assert alike[0] == alike[1]
    assert all(sum(tag["DEFAULT"] == "YES" for tag in tags) == 1 for tags in groups.values())
    assert [tag["CHANNELS"] for tag in groups["audio-6ch"]] == ["6", "2", "2", "2"]
    for group in groups:
        assert sum(v["AUDIO"] == group for v, _ in variants) == len(VIDEO)


def test_bandwidth_is_that_of_the_worst_combination(tmp_path: Path) -> None:
    variants, _ = master(tmp_path, VIDEO, AUDIO)
    found = {(v["AUDIO"], uri): v for v, uri in variants}
    stereo = found["audio-2ch", "video/h264-720p.m3u8"]
    surround = found["audio-6ch", "video/h264-720p.m3u8"]
    assert (stereo["BANDWIDTH"], stereo["AVERAGE-BANDWIDTH"]) == ("3730000", "2528000")
    assert (surround["BANDWIDTH"], surround["AVERAGE-BANDWIDTH"]) == ("3986000", "2784000")


def test_what_players_choose_by_themselves(tmp_path: Path) -> None:
    _, media = master(tmp_path, VIDEO, AUDIO)
    auto = {tag["NAME"]: tag["AUTOSELECT"] for tag in media}
    assert auto == {
        "English": "YES",
        "Français": "YES",
        "English (described)": "YES",
        "The 'talk'": "NO",
    }
    described = [tag for tag in media if "CHARACTERISTICS" in tag]
    assert {tag["CHARACTERISTICS"] for tag in described} == {"public.accessibility.describes-video"}


def test_layouts_are_paired_without_known_sources() -> None:
    audio = [
        sound("a", "en", "English"),
        sound("b", "en", "English 2"),
        sound("c", "en", "English 5.1", channels=6),
        sound("d", "de", "Deutsch", channels=6),
    ]
    found = [[e.rendition.id for e in c.layouts] for c in contents(audio)]
    assert found == [["a", "c"], ["b"], ["d"]]


def test_the_first_variant_is_the_nearest_to_two_megabits(tmp_path: Path) -> None:
    variants, _ = master(tmp_path, VIDEO + AV1, [])
    assert [uri for _, uri in variants] == [
        "video/h264-720p.m3u8",
        "video/h264-1080p.m3u8",
        "video/av1-1080p.m3u8",
        "video/av1-720p.m3u8",
        "video/h264-360p.m3u8",
    ]
    only_av1, _ = master(tmp_path, AV1, [])
    assert only_av1[0][1] == "video/av1-1080p.m3u8"


def test_scores_are_on_all_or_none(tmp_path: Path) -> None:
    scored, _ = master(tmp_path, VIDEO, [])
    assert [v["SCORE"] for v, _ in scored] == ["88.0000", "95.1235", "71.5000"]
    unscored, _ = master(tmp_path, [*VIDEO[:2], replace(VIDEO[2], score=None)], [])
    assert all("SCORE" not in v for v, _ in unscored)


def test_video_range_follows_the_transfer(tmp_path: Path) -> None:
    entries = []
    for transfer in ("bt709", "smpte2084", "arib-std-b67", "unknown"):
        colour = Colour("bt709", transfer, "bt709", "limited")
        entries.append(
            replace(VIDEO[0], rendition=replace(VIDEO[0].rendition, id=transfer, colour=colour))
        )
    variants, _ = master(tmp_path, entries, [])
    assert {uri: v["VIDEO-RANGE"] for v, uri in variants} == {
        "video/bt709.m3u8": "SDR",
        "video/smpte2084.m3u8": "PQ",
        "video/arib-std-b67.m3u8": "HLG",
        "video/unknown.m3u8": "SDR",
    }


def test_durations_do_not_drift() -> None:
    # A third of a second is no decimal fraction; ten hours of it stay within a microsecond.
    entry = VIDEO[0]
    segments = [replace(entry.segments[0], start=n, duration=1) for n in range(30 * 3600)]
    track = replace(entry.track, timescale=3)
    text = media_playlist(track, segments, 1, "a.mp4")
    total = sum(Fraction(line[8:-1]) for line in text.splitlines() if line.startswith("#EXTINF:"))
    assert abs(total - len(segments) / Fraction(3)) <= Fraction(1, 1_000_000)


def test_names_are_escaped(tmp_path: Path) -> None:
    name = "100% a&b <c> #1 ünï?"
    odd = sound("en", "en", 'Line\nbreak "quoted" & <more>\u2028\x07\u200d!')
    odd = replace(odd, rendition=replace(odd.rendition, id=name))
    _, media = master(tmp_path, VIDEO, [odd])
    assert media[0]["NAME"] == "Line break 'quoted' & <more>  \u200d!"
    assert media[0]["URI"] == f"audio/{url(name)}.m3u8"
    assert url(name) == "100%25%20a%26b%20%3Cc%3E%20%231%20%C3%BCn%C3%AF%3F"
    root = parsed(VIDEO, [odd])
    label = root.find(f".//{MPD}Label")
    assert label is not None
    assert label.text == 'Line break "quoted" & <more>  \u200d!'
