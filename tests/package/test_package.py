"""Packages of real renditions: what players get from them is what went in."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import Package, Packaging
from encoder.media.renditions import RenditionSet
from encoder.package.boxes import Movie, read_movie, read_track
from encoder.package.manifests import write_manifests
from encoder.package.package import package
from encoder.verify.verify import verify

from . import independent
from .media import (
    FRAGMENTS,
    FRAMES,
    KEYFRAMES,
    RATE,
    make_audio,
    make_set,
    make_video,
    output,
    packets,
)

FRAME = 1001
PRIMING = 1024
ACCESS_UNIT = 1024


def sizes_and_times(ffmpeg: Ffmpeg, path: Path, stream: str) -> list[tuple[str, ...]]:
    return [row[1:] for row in packets(ffmpeg, path, stream)]


def key_frames(movie: Movie) -> list[int]:
    sync = [one for run in movie.runs for one in run.sync]
    return [number for number, one in enumerate(sync) if one]


def test_the_folder_has_what_is_declared_and_nothing_else(packaged: Package) -> None:
    files = {str(p.relative_to(packaged.path)) for p in packaged.path.rglob("*") if p.is_file()}
    tracks = [t.path for t in packaged.tracks]
    assert files == (
        {"master.m3u8", "manifest.mpd"}
        | {str(p) for p in tracks}
        | {str(p.with_suffix(".m3u8")) for p in tracks}
        | {f"video/iframes/{t.id}.m3u8" for t in packaged.tracks if t.kind == "video"}
    )
    assert [p.is_dir() for p in sorted(packaged.path.iterdir())].count(True) == 2
    assert packaged.bytes == sum((packaged.path / f).stat().st_size for f in files)
    assert packaged.hls == Path("master.m3u8")
    assert packaged.dash == Path("manifest.mpd")


def test_every_video_packet_arrives_at_its_time_by_hls_and_dash(
    ffmpeg: Ffmpeg, packaged: Package, renditions: RenditionSet
) -> None:
    dash = packets(ffmpeg, packaged.path / "manifest.mpd", "v")
    for number, rendition in enumerate(renditions.video):
        wanted = sizes_and_times(ffmpeg, rendition.path, "v:0")
        assert len(wanted) == FRAMES
        assert sorted(int(row[0]) for row in wanted) == [(n - 2) * FRAME for n in range(FRAMES)]
        playlist = packaged.path / "video" / f"{rendition.id}.m3u8"
        assert sizes_and_times(ffmpeg, playlist, "v:0") == wanted
        assert [row[1:] for row in dash if row[0] == str(number)] == wanted


def test_every_audio_packet_arrives_at_its_time_by_hls_and_dash(
    ffmpeg: Ffmpeg, packaged: Package, renditions: RenditionSet
) -> None:
    dash = packets(ffmpeg, packaged.path / "manifest.mpd", "a")
    for number, rendition in enumerate(renditions.audio):
        wanted = sizes_and_times(ffmpeg, rendition.path, "a:0")
        assert wanted[0][:2] == (str(-PRIMING), str(-PRIMING))
        playlist = packaged.path / "audio" / f"{rendition.id}.m3u8"
        by_hls = sizes_and_times(ffmpeg, playlist, "a:0")
        by_dash = [row[1:] for row in dash if row[0] == str(number)]
        assert by_hls == by_dash
        assert by_hls == wanted[: len(by_hls)]
        assert len(by_hls) == -(-(FRAMES * FRAME * 2 + PRIMING) // ACCESS_UNIT)


def test_the_master_playlist_gives_every_track_whole(ffmpeg: Ffmpeg, packaged: Package) -> None:
    rows = packets(ffmpeg, packaged.path / "master.m3u8", "v", "a")
    counts = Counter(row[0] for row in rows)
    assert sorted(counts.values()) == sorted(t.frames for t in packaged.tracks)


@pytest.mark.parametrize("manifest", ["audio/en-2ch.m3u8", "manifest.mpd"])
def test_decoded_sound_is_sample_for_sample_that_of_the_input(
    ffmpeg: Ffmpeg, packaged: Package, renditions: RenditionSet, manifest: str
) -> None:
    def decoded(path: Path) -> bytes:
        arguments = ["-i", f"file:{path}", "-map", "0:a:0", "-c:a", "pcm_s16le", "-f", "s16le"]
        return output(ffmpeg, [*arguments, "pipe:1"])

    wanted = decoded(renditions.audio[0].path)
    found = decoded(packaged.path / manifest)
    samples = len(found) // 4
    assert abs(samples - FRAMES * FRAME * 2) <= ACCESS_UNIT
    assert found[: len(wanted)] == wanted[: len(found)]


def test_decoded_pictures_are_those_of_the_input(
    ffmpeg: Ffmpeg, packaged: Package, renditions: RenditionSet
) -> None:
    def decoded(path: Path) -> list[tuple[str, ...]]:
        text = output(ffmpeg, ["-i", f"file:{path}", "-map", "0:v:0", "-f", "framecrc", "pipe:1"])
        rows = [r.split(",") for r in text.decode().splitlines() if not r.startswith("#")]
        return [(row[2].strip(), row[5].strip()) for row in rows]

    wanted = decoded(renditions.video[1].path)
    assert [int(row[0]) for row in wanted] == list(range(FRAMES))
    assert decoded(packaged.path / "video/h264-108p.m3u8") == wanted


def test_every_segment_decodes_alone(ffmpeg: Ffmpeg, packaged: Package, tmp_path: Path) -> None:
    for name in ("video/h264-108p.m3u8", "audio/en-6ch.m3u8"):
        playlist = independent.media_playlist(packaged.path / name)
        data = playlist.media.read_bytes()
        start, length = playlist.map
        total = 0
        for part in playlist.parts:
            alone = tmp_path / "alone.mp4"
            media = data[part.offset : part.offset + part.size]
            alone.write_bytes(data[start : start + length] + media)
            text = output(ffmpeg, ["-i", f"file:{alone}", "-f", "framecrc", "pipe:1"]).decode()
            rows = [r for r in text.splitlines() if not r.startswith("#")]
            assert rows
            total += len(rows)
        if name.startswith("video"):
            assert total == FRAMES


def test_the_same_input_gives_the_same_bytes(
    ffmpeg: Ffmpeg, packaged: Package, renditions: RenditionSet, tmp_path: Path
) -> None:
    scores = {"h264-180p": 91.23456, "h264-108p": 80.5, "h264-90p": 60.0}
    again = package(ffmpeg, renditions, tmp_path, scores=scores)
    for path in packaged.path.rglob("*"):
        if path.is_file():
            assert (tmp_path / path.relative_to(packaged.path)).read_bytes() == path.read_bytes()
    assert replace(again, path=packaged.path) == packaged


def test_scores_can_be_written_later(
    ffmpeg: Ffmpeg, packaged: Package, renditions: RenditionSet, tmp_path: Path
) -> None:
    plain = package(ffmpeg, renditions, tmp_path)
    assert "SCORE" not in (tmp_path / plain.hls).read_text()
    scores = {"h264-180p": 91.23456, "h264-108p": 80.5, "h264-90p": 60.0}
    scored = write_manifests(renditions, tmp_path, scores=scores)
    assert replace(scored, path=packaged.path) == packaged
    files = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {p.relative_to(packaged.path) for p in packaged.path.rglob("*") if p.is_file()}
    for path in files:
        assert (tmp_path / path).read_bytes() == (packaged.path / path).read_bytes()
    order = sorted(
        {uri: float(v["SCORE"]) for v, uri in independent.variants(tmp_path / plain.hls)}.items(),
        key=lambda item: -item[1],
    )
    assert [Path(uri).stem for uri, _ in order] == ["h264-180p", "h264-108p", "h264-90p"]


def test_no_time_of_day_is_in_a_track(packaged: Package) -> None:
    for track in packaged.tracks:
        data = (packaged.path / track.path).read_bytes()[:3000]
        for kind in ("mvhd", "tkhd", "mdhd"):
            at = independent.find(data, kind)
            version = data[at]
            assert data[at + 4 : at + (20 if version else 12)] == bytes(16 if version else 8)
        assert b"Lavf" not in data


def test_brands(packaged: Package, ffmpeg: Ffmpeg, av1: RenditionSet, tmp_path: Path) -> None:
    def brands(path: Path) -> list[bytes]:
        data = path.read_bytes()
        body = data[8 : struct.unpack(">I", data[:4])[0]]
        return [body[:4], *(body[n : n + 4] for n in range(8, len(body), 4))]

    for track in packaged.tracks:
        assert brands(packaged.path / track.path) == [b"iso6", b"iso6", b"cmfc", b"dash"]
    made = package(ffmpeg, av1, tmp_path)
    assert b"av01" in brands(tmp_path / made.tracks[0].path)


def test_languages_are_in_the_media_headers(packaged: Package) -> None:
    assert read_track(packaged.path / "audio/en-2ch.mp4").language == "eng"
    assert read_track(packaged.path / "audio/fr-2ch.mp4").language == "fra"


def test_edit_lists_go_with_positive_composition_offsets_only(packaged: Package) -> None:
    for track in packaged.tracks:
        movie = read_movie(packaged.path / track.path)
        assert movie.track.skip > 0
        assert min(offset for run in movie.runs for offset in run.offsets) >= 0


def test_declared_bitrates_are_the_measured_ones(packaged: Package) -> None:
    for track in packaged.tracks:
        playlist = independent.media_playlist(packaged.path / track.path.with_suffix(".m3u8"))
        # EXTINF is rounded to the microsecond.
        assert track.average_bitrate == pytest.approx(float(playlist.average()), rel=2e-5)
        assert track.peak_bitrate == pytest.approx(float(playlist.peak()), rel=2e-5)
        boxes = independent.top_boxes((packaged.path / track.path).read_bytes())
        fragments = sum(size for kind, _, size in boxes if kind in ("moof", "mdat"))
        assert sum(p.size for p in playlist.parts) == fragments
        assert track.average_bitrate * float(track.duration) / 8 == pytest.approx(
            fragments, rel=2e-5
        )


def test_variants_declare_video_and_worst_audio(packaged: Package) -> None:
    variants = independent.variants(packaged.path / "master.m3u8")
    media = independent.renditions(packaged.path / "master.m3u8")
    assert len(variants) == 6
    for attributes, uri in variants:
        video = packaged.track(Path(uri).stem)
        sounds = [
            packaged.track(Path(tag["URI"]).stem)
            for tag in media
            if tag["GROUP-ID"] == attributes["AUDIO"]
        ]
        worst = max(s.peak_bitrate for s in sounds)
        assert int(attributes["BANDWIDTH"]) == video.peak_bitrate + worst
        average = max(s.average_bitrate for s in sounds)
        assert int(attributes["AVERAGE-BANDWIDTH"]) == video.average_bitrate + average
        assert attributes["FRAME-RATE"] == "23.976"
        assert attributes["CODECS"] == f"{video.codec_string},mp4a.40.2"


def test_dash_declares_the_same_tracks(packaged: Package) -> None:
    root = ElementTree.parse(packaged.path / "manifest.mpd").getroot()
    name = "{urn:mpeg:dash:schema:mpd:2011}"
    found = {}
    for element in root.iter(f"{name}Representation"):
        base = element.find(f"{name}SegmentBase")
        url = element.find(f"{name}BaseURL")
        assert base is not None
        assert url is not None
        first, last = (int(n) for n in base.attrib["indexRange"].split("-"))
        data = (packaged.path / str(url.text)).read_bytes()
        assert data[first + 4 : first + 8] == b"sidx"
        assert struct.unpack(">I", data[first : first + 4])[0] == last - first + 1
        found[element.attrib["id"]] = int(element.attrib["bandwidth"])
    assert found == {t.id: t.peak_bitrate for t in packaged.tracks}


def test_playlists_of_all_tracks_share_target_and_boundaries(packaged: Package) -> None:
    playlists = {
        t.id: independent.media_playlist(packaged.path / t.path.with_suffix(".m3u8"))
        for t in packaged.tracks
    }
    assert len({p.target for p in playlists.values()}) == 1
    ends_of = {i: list(accumulate(s.duration for s in p.parts)) for i, p in playlists.items()}
    video = [ends_of[t.id] for t in packaged.tracks if t.kind == "video"]
    assert all(ends == video[0] for ends in video)
    total = FRAMES / RATE
    for identifier, playlist in playlists.items():
        ends = ends_of[identifier]
        assert len(ends) == len(video[0])
        # Half an access unit, and the microseconds of rounding.
        for own, other in zip(ends[:-1], video[0], strict=False):
            assert abs(own - other) <= Fraction(512, 48000) + Fraction(2, 1_000_000)
        assert abs(ends[-1] - total) < Fraction(1, 10_000)
        for part in playlist.parts:
            assert round(part.duration) <= playlist.target


def test_segments_start_at_key_frames_and_are_no_longer_than_asked(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    short = replace(renditions, video=renditions.video[-1:], audio=renditions.audio[:1])
    package(ffmpeg, short, tmp_path, Packaging(segment_seconds=Fraction(3)))
    playlist = independent.media_playlist(tmp_path / "video/h264-90p.m3u8")
    ends = accumulate(part.duration for part in playlist.parts)
    frames = [0, *(round(end * RATE) for end in ends)]
    assert set(frames) <= {*KEYFRAMES, FRAMES}
    assert all((b - a) / RATE <= 3 + Fraction(1, 48) for a, b in pairwise(frames))
    assert len(playlist.parts) > 2


def test_fragments_are_neither_tiny_nor_longer_than_a_few_seconds(packaged: Package) -> None:
    for name in ("h264-180p", "h264-108p", "h264-90p"):
        movie = read_movie(packaged.path / "video" / f"{name}.mp4")
        assert [f.start // FRAME for f in movie.track.fragments] == list(FRAGMENTS)
        # Every key frame is still one that a player may start at.
        assert key_frames(movie) == list(KEYFRAMES)


def test_audio_fragments_end_where_video_fragments_do(packaged: Package) -> None:
    video = read_track(packaged.path / "video/h264-180p.mp4")
    audio = read_track(packaged.path / "audio/en-2ch.mp4")
    boundaries = [Fraction(f.start, video.timescale) for f in video.fragments]
    for boundary, fragment in zip(boundaries, audio.fragments, strict=True):
        assert abs(Fraction(fragment.start, audio.timescale) - boundary) <= Fraction(512, 48000)


def test_audio_beyond_the_video_is_left_out(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    long = make_audio(
        ffmpeg,
        tmp_path / "long.mp4",
        language="en",
        name="English",
        source=1,
        duration=FRAMES / RATE + 3,
    )
    into = tmp_path / "package"
    into.mkdir()
    made = package(ffmpeg, replace(renditions, audio=(long,)), into)
    excess = made.track("long").duration - FRAMES / RATE
    assert 0 <= excess < Fraction(1, 48000)


def test_a_silent_title(
    pack: Callable[[RenditionSet], Package], renditions: RenditionSet, ffmpeg: Ffmpeg
) -> None:
    made = pack(replace(renditions, audio=()))
    text = (made.path / "master.m3u8").read_text()
    assert "AUDIO" not in text
    assert not (made.path / "audio").exists()
    rows = packets(ffmpeg, made.path / "manifest.mpd", "v")
    assert len(rows) == FRAMES * len(renditions.video)


def test_av1(ffmpeg: Ffmpeg, av1: RenditionSet, tmp_path: Path) -> None:
    made = package(ffmpeg, av1, tmp_path)
    wanted = sizes_and_times(ffmpeg, av1.video[0].path, "v:0")
    assert len(wanted) == FRAMES
    assert sizes_and_times(ffmpeg, tmp_path / "video/av1-90p.m3u8", "v:0") == wanted
    assert sizes_and_times(ffmpeg, tmp_path / "manifest.mpd", "v:0") == wanted
    movie = read_movie(tmp_path / made.tracks[0].path)
    assert [f.start // FRAME for f in movie.track.fragments] == list(FRAGMENTS)
    assert key_frames(movie) == list(KEYFRAMES)


@pytest.mark.parametrize(
    "rate", [Fraction(25), Fraction(60000, 1001), Fraction(15, 2), Fraction(51600, 1841)]
)
def test_frame_rates_are_kept_exactly(ffmpeg: Ffmpeg, tmp_path: Path, rate: Fraction) -> None:
    one = make_video(
        ffmpeg, tmp_path / "one.mp4", (160, 90), frames=50, keyframes=(0, 9, 30), rate=rate
    )
    into = tmp_path / "package"
    into.mkdir()
    made = package(ffmpeg, make_set([one], frames=50), into)
    track = read_track(into / made.tracks[0].path)
    assert Fraction(track.duration, track.timescale) == 50 / rate


@pytest.mark.parametrize(
    "name", ["with space", "it's 100%", 'a"quote', "ünï", "-dash", "co:lon", "#1?", "%d"]
)
def test_ids_and_folders_of_any_characters(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, name: str
) -> None:
    into = tmp_path / f"{name} package"
    into.mkdir()
    source = tmp_path / f"{name}.mp4"
    source.write_bytes(renditions.video[2].path.read_bytes())
    one = replace(renditions.video[2], id=name, path=source)
    made = package(ffmpeg, replace(renditions, video=(one,), audio=()), into)
    assert (into / made.tracks[0].path).is_file()
    _, uri = independent.variants(into / "master.m3u8")[0]
    assert uri.isascii()
    assert not set(uri) & set(" \"'#?:")


def test_a_package_breaks_no_must(packaged: Package) -> None:
    broken = [one for one in verify(packaged.path).findings if one.severity == "must"]
    assert broken == []


def test_a_package_of_av1_breaks_no_must(
    av1: RenditionSet, pack: Callable[[RenditionSet], Package]
) -> None:
    verdict = verify(pack(av1).path)
    assert [one for one in verdict.findings if one.severity == "must"] == []
    assert verdict.unread == ()


def test_iframes_of_a_playlist_decode(ffmpeg: Ffmpeg, packaged: Package, tmp_path: Path) -> None:
    playlist = independent.media_playlist(packaged.path / "video/iframes/h264-108p.m3u8")
    data = playlist.media.read_bytes()
    start, length = playlist.map
    assert len(playlist.parts) == len(FRAGMENTS)
    for part in playlist.parts:
        alone = tmp_path / "alone.mp4"
        alone.write_bytes(data[start : start + length] + data[part.offset :][: part.size])
        arguments = ["-i", f"file:{alone}", "-frames:v", "1", "-f", "framecrc", "pipe:1"]
        rows = output(ffmpeg, arguments).decode().splitlines()
        assert len([r for r in rows if not r.startswith("#")]) == 1
