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
from encoder.package.package import package
from encoder.verify.verify import verify

MPD = "{urn:mpeg:dash:schema:mpd:2011}"
# Seconds of an access unit.
UNITS = {"aac": 1024, "ac3": 1536, "eac3": 1536, "opus": 960}
KINDS = (("aac", 2), ("aac", 6), ("ac3", 6), ("eac3", 6), ("opus", 2))


@pytest.fixture(scope="module")
def made(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RenditionSet, Package]:
    """The English track in every codec, the French commentary in AAC and AC-3."""
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
    assert set(groups) == {"audio-2ch", "audio-6ch", "audio-6ch-ac-3", "audio-6ch-ec-3"}
    assert {tuple(name for name, _, _ in group) for group in groups.values()} == {
        ("English", "Français")
    }
    assert "opus" not in text.lower()


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
    assert len(found) == 7


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
