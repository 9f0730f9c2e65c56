"""AC-3, E-AC-3 and Opus in a package: groups of one codec, boundaries with the video's."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import run
from encoder.media.package import Package
from encoder.media.renditions import RenditionSet
from encoder.package.cursor import Damaged
from encoder.package.package import package
from encoder.package.sample_entry import audio_specific_config
from encoder.verify.verify import verify

MPD = "{urn:mpeg:dash:schema:mpd:2011}"
# Seconds of an access unit.
UNITS = {"aac": 1024, "he-aac": 2048, "ac3": 1536, "eac3": 1536, "opus": 960}
KINDS = (("aac", 2), ("aac", 6), ("ac3", 6), ("eac3", 6), ("opus", 2))
# FFmpeg's ``libfdk_aac`` with ``-profile:a aac_he -b:a 24k`` made it of a beep at two seconds.
HE_AAC = Path(__file__).parent / "data" / "he-aac.mp4"


@pytest.fixture(scope="module")
def made(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RenditionSet, Package]:
    """The English track in every codec, the French commentary in AAC and AC-3; in HE-AAC both
    are the same beep."""
    folder = tmp_path_factory.mktemp("codecs")
    encoders = {"opus": "libopus"}
    first, _, french = renditions.audio
    audio = []
    wanted = [(first, *kind) for kind in KINDS] + [(french, codec, 2) for codec in ("aac", "ac3")]
    for one, codec, channels in wanted:
        path = folder / f"{one.language}-{channels}ch-{codec}.mp4"
        source = next(r for r in renditions.audio if (r.language, r.channels) == (one.language, min(
            channels, max(q.channels for q in renditions.audio if q.language == one.language)
        )))  # fmt: skip
        options = ["-i", f"file:{source.path}", "-c:a", encoders.get(codec, codec), "-b:a", "192k"]
        run(ffmpeg, [*options, "-fflags", "+bitexact", f"file:{path}"])
        audio.append(replace(one, id=path.stem, codec=codec, channels=channels, path=path))
    for one in (first, french):
        name = f"{one.language}-2ch-he-aac"
        audio.append(replace(one, id=name, codec="he-aac", channels=2, path=HE_AAC))
    whole = replace(renditions, audio=tuple(audio))
    return whole, package(ffmpeg, whole, tmp_path_factory.mktemp("packaged"))


def test_nothing_breaks_a_must(made: tuple[RenditionSet, Package]) -> None:
    verdict = verify(made[1].path)
    assert [one for one in verdict.findings if one.severity == "must"] == []


def test_codecs_and_channels_are_those_of_the_boxes(made: tuple[RenditionSet, Package]) -> None:
    found = {one.id: one.codec_string for one in made[1].tracks if one.kind == "audio"}
    assert found == {
        "en-2ch-aac": "mp4a.40.2",
        "en-6ch-aac": "mp4a.40.2",
        "en-6ch-ac3": "ac-3",
        "en-6ch-eac3": "ec-3",
        "en-2ch-opus": "Opus",
        "fr-2ch-aac": "mp4a.40.2",
        "fr-2ch-ac3": "ac-3",
        "en-2ch-he-aac": "mp4a.40.5",
        "fr-2ch-he-aac": "mp4a.40.5",
    }


def test_groups_have_one_codec_and_the_same_members(made: tuple[RenditionSet, Package]) -> None:
    text = (made[1].path / "master.m3u8").read_text()
    media = re.findall(
        r'TYPE=AUDIO,GROUP-ID="([^"]*)",NAME="([^"]*)".*CHANNELS="(\d)".*URI="audio/(.*)\.m3u8"',
        text,
    )
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for group, *rest in media:
        groups.setdefault(group, []).append((rest[0], rest[1], rest[2]))
    assert groups["audio-6ch-ac-3"] == [
        ("English", "6", "en-6ch-ac3"),
        ("Français", "2", "fr-2ch-ac3"),
    ]
    assert groups["audio-2ch-mp4a.40.5"] == [
        ("English", "2", "en-2ch-he-aac"),
        ("Français", "2", "fr-2ch-he-aac"),
    ]
    assert set(groups) == {
        *("audio-2ch", "audio-2ch-mp4a.40.5"),
        *("audio-6ch", "audio-6ch-ac-3", "audio-6ch-ec-3"),
    }
    assert {tuple(name for name, _, _ in group) for group in groups.values()} == {
        ("English", "Français")
    }
    assert "opus" not in text.lower()


def test_he_aac_goes_with_the_lowest_rung_alone(made: tuple[RenditionSet, Package]) -> None:
    text = (made[1].path / "master.m3u8").read_text()
    variants = re.findall(r'CODECS="([^"]*)".*AUDIO="([^"]*)".*\nvideo/(.*)\.m3u8', text)
    rungs = sorted((made[1].track(one.id).average_bitrate, one.id) for one in made[0].video)
    assert len(rungs) > 1
    sparing = [(codecs, name) for codecs, group, name in variants if group.endswith("40.5")]
    assert [name for _, name in sparing] == [rungs[0][1]]
    assert sparing[0][0].endswith(",mp4a.40.5")
    others = [name for _, group, name in variants if group == "audio-2ch"]
    assert sorted(others) == sorted(name for _, name in rungs)


def test_the_declared_bandwidth_is_that_of_the_dearest_track(
    made: tuple[RenditionSet, Package],
) -> None:
    text = (made[1].path / "master.m3u8").read_text()
    video = made[1].track("h264-180p")
    tracks = {
        "audio-2ch": ("en-2ch-aac", "fr-2ch-aac"),
        "audio-6ch-ac-3": ("en-6ch-ac3", "fr-2ch-ac3"),
    }
    for group, names in tracks.items():
        sounds = [made[1].track(name) for name in names]
        pattern = rf'BANDWIDTH=(\d+),AVERAGE-BANDWIDTH=(\d+).*AUDIO="{group}".*\n.*h264-180p'
        found = re.search(pattern, text)
        assert found is not None
        assert int(found[1]) == video.peak_bitrate + max(one.peak_bitrate for one in sounds)
        assert int(found[2]) == video.average_bitrate + max(one.average_bitrate for one in sounds)


def test_dash_has_opus_too(made: tuple[RenditionSet, Package]) -> None:
    root = ET.parse(made[1].path / "manifest.mpd").getroot()
    found = {
        one.attrib["id"]: one.attrib["codecs"]
        for one in root.iter(f"{MPD}Representation")
        if "audioSamplingRate" in one.attrib
    }
    assert found["en-2ch-opus"] == "Opus"
    assert found["en-2ch-he-aac"] == "mp4a.40.5"
    assert len(found) == 9
    # Players are to take it only where they want it.
    least = {
        one.attrib["id"]
        for each in root.iter(f"{MPD}AdaptationSet")
        if each.get("selectionPriority") == "0"
        for one in each.iter(f"{MPD}Representation")
    }
    assert least == {"en-2ch-he-aac", "fr-2ch-he-aac"}


def _ends(path: Path) -> list[Fraction]:
    lengths = re.findall(r"#EXTINF:([\d.]+)", path.read_text())
    return [sum(map(Fraction, lengths[: n + 1]), Fraction(0)) for n in range(len(lengths))]


def test_segments_end_with_the_videos_within_half_an_access_unit(
    made: tuple[RenditionSet, Package],
) -> None:
    folder = made[1].path
    video = _ends(folder / "video" / "h264-180p.m3u8")
    assert len(video) > 1
    for one in made[0].audio:
        if one.codec == "opus":
            continue
        sound = _ends(folder / "audio" / f"{one.id}.m3u8")
        unit = Fraction(UNITS[one.codec], 48_000)
        apart = [abs(a - b) for a, b in zip(sound[:-1], video[:-1], strict=True)]
        assert max(apart) <= unit / 2 + Fraction(1, 100_000)


def test_every_track_decodes(made: tuple[RenditionSet, Package]) -> None:
    wanted = Fraction(made[0].frames) / made[0].frame_rate
    for one in made[0].audio:
        with av.open(str(made[1].path / "audio" / f"{one.id}.mp4")) as container:
            frames = list(container.decode(audio=0))
        assert {frame.layout.nb_channels for frame in frames} == {one.channels}
        samples = sum(frame.samples for frame in frames)
        assert abs(Fraction(samples, 48_000) - wanted) < Fraction(1, 10)


def _bits(*fields: tuple[int, int]) -> bytes:
    """Numbers with their counts of bits, filled up to whole bytes."""
    text = "".join(f"{value:0{count}b}" for value, count in fields)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8))


# Object type, index of the rate, channels; and GASpecificConfig.
PLAIN = ((2, 5), (6, 4), (2, 4), (0, 3))
SBR = ((0x2B7, 11), (5, 5), (1, 1), (3, 4))


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (_bits(*PLAIN), (2, 2)),
        # A rate and an object type that are written out.
        (_bits((2, 5), (15, 4), (48_000, 24), (6, 4), (0, 3)), (2, 6)),
        (_bits((31, 5), (10, 6), (3, 4), (2, 4)), (42, 2)),
        # SBR, and parametric stereo, said in front.
        (_bits((5, 5), (6, 4), (2, 4), (3, 4), (2, 5), (0, 3)), (5, 2)),
        (_bits((29, 5), (6, 4), (1, 4), (3, 4), (2, 5), (0, 3)), (29, 2)),
        # Said behind, where plain decoders do not look; of a core coder with a delay, too.
        (_bits(*PLAIN, *SBR), (5, 2)),
        (_bits((2, 5), (6, 4), (1, 4), (0, 3), *SBR, (0x548, 11), (1, 1)), (29, 2)),
        (_bits((2, 5), (6, 4), (2, 4), (0, 1), (1, 1), (9, 14), (0, 1), *SBR), (5, 2)),
        # It may say that there is none.
        (_bits(*PLAIN, (0x2B7, 11), (5, 5), (0, 1)), (2, 2)),
        (_bits(*PLAIN, *SBR, (0x548, 11), (0, 1)), (5, 2)),
        # As encoders write it.
        (bytes.fromhex("2b118800"), (5, 2)),
        (bytes.fromhex("131056e598"), (5, 2)),
        (bytes.fromhex("131056e59d4880"), (5, 2)),
    ],
)
def test_what_makes_he_aac_is_found_where_it_is_said(config: bytes, found: tuple[int, int]) -> None:
    assert audio_specific_config(config, "esds") == found


def test_a_configuration_that_is_cut_short_is_told() -> None:
    for length in range(2):
        with pytest.raises(Damaged, match="truncated"):
            audio_specific_config(bytes.fromhex("1310")[:length], "esds")
