"""Packages with a file for each segment, and names that stand for one content."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from encoder.engine.joined import whole_track
from encoder.errors import MeasureError, PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import Layout, Package, Packaging
from encoder.media.pictures import Pictures, Thumbnails
from encoder.media.renditions import RenditionSet, TextRendition
from encoder.package.boxes import read_packaged
from encoder.package.manifests import write_manifests
from encoder.package.package import package
from encoder.verify.verify import verify

from . import independent
from .media import FRAMES, KEYFRAMES, RATE, make_video, output, packets

FILES = Layout("files")
HASHED = Layout("files", "hash")
# Two segments of two fragments each.
SECONDS = Fraction(5)
SCORES = {"h264-180p": 91.2, "h264-108p": 80.5, "h264-90p": 60.0}
NAMESPACE = "{urn:mpeg:dash:schema:mpd:2011}"


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> TextRendition:
    path = tmp_path_factory.mktemp("words") / "en.vtt"
    path.write_text("WEBVTT\n\n00:01.000 --> 00:05.000\nHello\n", encoding="utf-8")
    return TextRendition("text-en", "en", "English", False, ("subtitle",), 1, "webvtt", path)


@pytest.fixture(scope="session")
def filed(
    ffmpeg: Ffmpeg,
    renditions: RenditionSet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Package:
    """A package with a file for each segment. Read it, do not change it."""
    into = tmp_path_factory.mktemp("files")
    return package(ffmpeg, renditions, into, Packaging(segment_seconds=SECONDS, layout=FILES))


@pytest.fixture(scope="session")
def named(
    ffmpeg: Ffmpeg,
    renditions: RenditionSet,
    words: TextRendition,
    tmp_path_factory: pytest.TempPathFactory,
) -> Package:
    """The same with hashes in its names, scores and subtitles. Read it, do not change it."""
    into = tmp_path_factory.mktemp("hashed")
    found = replace(renditions, text=(words,))
    return package(
        ffmpeg, found, into, Packaging(segment_seconds=SECONDS, layout=HASHED), scores=SCORES
    )


def files_of(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def segments_of(playlist: Path) -> list[tuple[Path, Fraction]]:
    """The files and durations of a media playlist."""
    lines = playlist.read_text(encoding="utf-8").splitlines()
    return [
        (playlist.parent / uri, Fraction(line[8:].rstrip(",")))
        for line, uri in pairwise(lines)
        if line.startswith("#EXTINF:")
    ]


def test_each_segment_is_a_file_that_both_manifests_name(filed: Package) -> None:
    for track in filed.tracks:
        segments = segments_of(filed.path / track.kind / f"{track.id}.m3u8")
        assert len(segments) == track.segments == 2
        folder = filed.path / track.kind / track.id
        assert [path for path, _ in segments] == [folder / "00001.m4s", folder / "00002.m4s"]
    root = ElementTree.parse(filed.path / "manifest.mpd").getroot()
    assert root.attrib["profiles"] == "urn:mpeg:dash:profile:isoff-live:2011"
    for adaptation in root.iter(f"{NAMESPACE}AdaptationSet"):
        timeline = adaptation.find(f".//{NAMESPACE}SegmentTimeline")
        assert timeline is not None
        count = sum(1 + int(one.get("r", "0")) for one in timeline)
        for representation in adaptation.iter(f"{NAMESPACE}Representation"):
            template = representation.find(f"{NAMESPACE}SegmentTemplate")
            assert template is not None
            media = template.attrib["media"]
            assert (filed.path / template.attrib["initialization"]).is_file()
            for number in range(1, count + 1):
                assert (filed.path / media.replace("$Number%05d$", f"{number:05d}")).is_file()
    folders = {f"{track.kind}/{track.id}" for track in filed.tracks}
    assert files_of(filed.path) == (
        {"master.m3u8", "manifest.mpd"}
        | {f"{one}.m3u8" for one in folders}
        | {f"{one}/{name}" for one in folders for name in ("init.mp4", "00001.m4s", "00002.m4s")}
        | {f"video/iframes/{track.id}.m3u8" for track in filed.tracks if track.kind == "video"}
    )
    assert filed.bytes == sum((filed.path / name).stat().st_size for name in files_of(filed.path))
    assert filed.track("h264-90p").path == Path("video/h264-90p.m3u8")


def test_every_packet_arrives_at_its_time_by_hls_and_dash(
    ffmpeg: Ffmpeg, filed: Package, packaged: Package, renditions: RenditionSet
) -> None:
    ids = {"v": [v.id for v in renditions.video], "a": [a.id for a in renditions.audio]}
    for kind, names in ids.items():
        dash = packets(ffmpeg, filed.path / "manifest.mpd", kind)
        for number, name in enumerate(names):
            folder = "video" if kind == "v" else "audio"
            playlist = Path(folder, f"{name}.m3u8")
            found = [row[1:] for row in packets(ffmpeg, filed.path / playlist, f"{kind}:0")]
            wanted = packets(ffmpeg, packaged.path / playlist, f"{kind}:0")
            assert found == [row[1:] for row in wanted]
            assert [row[1:] for row in dash if row[0] == str(number)] == found
            assert kind == "a" or len(found) == FRAMES


def test_every_segment_decodes_alone_and_every_iframe_shows(
    ffmpeg: Ffmpeg, filed: Package, tmp_path: Path
) -> None:
    def rows(data: bytes) -> int:
        alone = tmp_path / "alone.mp4"
        alone.write_bytes(data)
        text = output(ffmpeg, ["-i", f"file:{alone}", "-f", "framecrc", "pipe:1"]).decode()
        return len([row for row in text.splitlines() if not row.startswith("#")])

    video = filed.path / "video"
    header = (video / "h264-108p/init.mp4").read_bytes()
    segments = segments_of(video / "h264-108p.m3u8")
    assert sum(rows(header + path.read_bytes()) for path, _ in segments) == FRAMES
    lines = (video / "iframes/h264-108p.m3u8").read_text().splitlines()
    ranges = [line[17:].split("@") for line in lines if line.startswith("#EXT-X-BYTERANGE:")]
    paths = [path for path, _ in _iframes(lines, video / "iframes")]
    assert len(ranges) == len(paths) > len(segments)
    for (size, offset), path in zip(ranges, paths, strict=True):
        data = path.read_bytes()[int(offset) :][: int(size)]
        assert data[4:8] == b"moof"
        assert rows(header + data) == 1


def _iframes(lines: list[str], folder: Path) -> list[tuple[Path, str]]:
    return [
        (folder / uri, line) for line, uri in pairwise(lines) if line.startswith("#EXT-X-BYTER")
    ]


@pytest.mark.parametrize("which", ["filed", "named"])
def test_it_breaks_no_must(which: str, request: pytest.FixtureRequest) -> None:
    made: Package = request.getfixturevalue(which)
    verdict = verify(made.path)
    assert [one for one in verdict.findings if one.severity == "must"] == []
    assert verdict.unread == ()


def test_declared_bitrates_are_those_of_the_files(filed: Package) -> None:
    for track in filed.tracks:
        segments = segments_of(filed.path / track.kind / f"{track.id}.m3u8")
        size = sum(path.stat().st_size for path, _ in segments)
        seconds = sum(duration for _, duration in segments)
        assert track.average_bitrate == pytest.approx(float(8 * size / seconds), rel=2e-5)


def test_segments_of_all_tracks_end_together(filed: Package) -> None:
    ends = {
        track.id: list(
            accumulate(d for _, d in segments_of(filed.path / track.kind / f"{track.id}.m3u8"))
        )
        for track in filed.tracks
    }
    wanted = ends["h264-180p"]
    assert [round(end * RATE) in (*KEYFRAMES, FRAMES) for end in wanted] == [True] * len(wanted)
    for found in ends.values():
        for one, other in zip(found[:-1], wanted, strict=False):
            # Half an access unit of sound, and microseconds of rounding.
            assert abs(one - other) <= Fraction(512, 48000) + Fraction(2, 1_000_000)


def test_names_have_hashes_of_the_content(
    ffmpeg: Ffmpeg, named: Package, filed: Package, renditions: RenditionSet, tmp_path: Path
) -> None:
    stems = [one.id for one in named.tracks]
    places = {name.split("/")[1] for name in files_of(named.path) if name.count("/") == 2}
    hashes = {}
    for place in places - {"iframes"}:
        found = re.fullmatch(r"(.+)-([0-9a-f]{16})", place)
        assert found is not None
        hashes[found[1]] = found[2]
    assert sorted(hashes) == sorted(stems)
    assert len(set(hashes.values())) == len(stems)
    # Bytes are those of plain names, so that only what is named changes.
    for name in files_of(filed.path):
        if name.endswith((".m4s", "init.mp4")):
            kind, track, file = name.split("/")
            twin = named.path / kind / f"{track}-{hashes[track]}" / file
            assert twin.read_bytes() == (filed.path / name).read_bytes()
    # Another content has another name, and what did not change keeps its own.
    other = make_video(ffmpeg, tmp_path / "h264-90p.mp4", (160, 90), crf=36)
    changed = replace(renditions, video=(*renditions.video[:2], other))
    into = tmp_path / "changed"
    into.mkdir()
    package(ffmpeg, changed, into, Packaging(segment_seconds=SECONDS, layout=HASHED))
    assert (into / "video" / f"h264-180p-{hashes['h264-180p']}").is_dir()
    assert not (into / "video" / f"h264-90p-{hashes['h264-90p']}").exists()


def test_a_single_file_can_have_a_hash_in_its_name(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    one = replace(renditions, video=renditions.video[2:], audio=renditions.audio[:1])
    made = package(ffmpeg, one, tmp_path, Packaging(layout=Layout("ranges", "hash")))
    path = made.track("h264-90p").path
    assert re.fullmatch(r"h264-90p-[0-9a-f]{16}\.mp4", path.name)
    assert (tmp_path / path).is_file()
    verdict = verify(tmp_path)
    assert [one for one in verdict.findings if one.severity == "must"] == []


def test_scores_can_be_written_later(
    ffmpeg: Ffmpeg, named: Package, renditions: RenditionSet, words: TextRendition, tmp_path: Path
) -> None:
    found = replace(renditions, text=(words,))
    package(ffmpeg, found, tmp_path, Packaging(segment_seconds=SECONDS, layout=HASHED))
    made = write_manifests(
        found, tmp_path, Packaging(segment_seconds=SECONDS, layout=HASHED), scores=SCORES
    )
    assert replace(made, path=named.path) == named
    assert files_of(tmp_path) == files_of(named.path)
    for name in files_of(tmp_path):
        assert (tmp_path / name).read_bytes() == (named.path / name).read_bytes()


def test_segments_start_at_shots_where_they_can(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    def starts(shots: tuple[int, ...], into: Path) -> list[int]:
        into.mkdir()
        one = replace(renditions, video=renditions.video[2:], audio=(), shots=shots)
        package(ffmpeg, one, into, Packaging(segment_seconds=Fraction(4), layout=FILES))
        durations = [duration for _, duration in segments_of(into / "video/h264-90p.m3u8")]
        assert max(durations) <= 4 + 1 / RATE
        return [round(end * RATE) for end in accumulate(durations)]

    plain = starts((), tmp_path / "plain")
    assert 60 not in plain
    assert 60 in starts((0, 60, 150), tmp_path / "shots")


@pytest.fixture
def damaged(filed: Package, tmp_path: Path) -> Path:
    """A copy of the package, to be damaged."""
    return Path(shutil.copytree(filed.path, tmp_path / "damaged"))


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "00001.m4s").unlink(),
        lambda folder: (folder / "init.mp4").unlink(),
        lambda folder: (folder / "00002.m4s").rename(folder / "00009.m4s"),
        lambda folder: (folder / "more.txt").write_text("hello"),
        lambda folder: shutil.copy(folder / "00001.m4s", folder / "00002.m4s"),
        lambda folder: (folder / "00002.m4s").write_bytes(
            (folder / "00002.m4s").read_bytes()[:-10]
        ),
        lambda folder: (folder / "00002.m4s").write_bytes((folder / "00002.m4s").read_bytes()[24:]),
        lambda folder: (folder / "init.mp4").write_bytes(
            (folder / "init.mp4").read_bytes() + (folder / "00001.m4s").read_bytes()
        ),
    ],
    ids=["gap", "header", "name", "guest", "twice", "short", "no type", "header and media"],
)
def test_damaged_folders_are_refused(damaged: Path, damage: Damage) -> None:
    folder = damaged / "video/h264-90p"
    assert read_packaged(folder).track.samples == FRAMES
    damage(folder)
    with pytest.raises(PackageError) as caught:
        read_packaged(folder)
    assert str(folder) in caught.value.where


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (lambda p: (p / "video/h264-90p/00002.m4s").unlink(), "OURS files"),
        (lambda p: (p / "video/h264-90p/00009.m4s").write_bytes(b"x"), "OURS nothing else"),
        (
            lambda p: shutil.copy(p / "video/h264-90p/00001.m4s", p / "video/h264-90p/00002.m4s"),
            "HLS 7.3",
        ),
        (
            lambda p: shutil.copy(p / "video/h264-180p/init.mp4", p / "video/h264-90p/init.mp4"),
            "HLS 9.3",
        ),
        (
            lambda p: _edited(p / "manifest.mpd", "isoff-live", "isoff-on-demand"),
            "DASH 8.3",
        ),
        (
            lambda p: _edited(p / "manifest.mpd", 'initialization="video', 'initialization="tv'),
            "OURS files",
        ),
    ],
    ids=["missing", "extra", "swapped", "header", "profile", "address"],
)
def test_verify_finds_damage(damaged: Path, damage: Damage, rule: str) -> None:
    damage(damaged)
    assert rule in {one.rule for one in verify(damaged).findings}


def _edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_ids_that_are_the_names_of_other_folders_are_refused(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    one = replace(renditions, video=(replace(renditions.video[2], id="iframes"),), audio=())
    with pytest.raises(PackageError, match="iframes"):
        package(ffmpeg, one, tmp_path, Packaging(layout=FILES))


def test_a_track_of_many_files_is_joined_to_be_decoded(filed: Package, tmp_path: Path) -> None:
    whole = whole_track(filed.path / "video/h264-90p.m3u8", tmp_path)
    folder = filed.path / "video/h264-90p"
    parts = [folder / "init.mp4", *sorted(folder.glob("*.m4s"))]
    assert whole.read_bytes() == b"".join(path.read_bytes() for path in parts)
    assert whole_track(folder / "init.mp4", tmp_path) == folder / "init.mp4"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("h264-90p/00002", "h264-90p/00001", "twice"),
        ("h264-90p/00002", "../../../h264-90p/00002", "beside or below"),
        ("h264-90p/00002", "/etc/passwd", "beside or below"),
        ("h264-90p/00002", "https://example.org/00002", "beside or below"),
        ("h264-90p/00002", "#EXT-X-BYTERANGE:5@9\nh264-90p/00002", "in parts"),
        ("#EXT-X-MAP", "#EXT-X-MAPS", "EXT-X-MAP"),
        ("h264-90p/00002", "h264-90p/00022", "No such file"),
    ],
)
def test_playlists_that_lead_elsewhere_are_not_joined(
    damaged: Path, tmp_path: Path, old: str, new: str, why: str
) -> None:
    playlist = damaged / "video/h264-90p.m3u8"
    _edited(playlist, old, new)
    with pytest.raises(MeasureError) as caught:
        whole_track(playlist, tmp_path)
    assert why in caught.value.why


def test_independent_reader_sees_relative_addresses_only(named: Package) -> None:
    for path in named.path.rglob("*.m3u8"):
        for line in path.read_text(encoding="utf-8").splitlines():
            uris = [independent.attributes(line)["URI"]] if "URI=" in line else []
            uris += [line] if line and not line.startswith("#") else []
            for uri in uris:
                assert "://" not in uri
                assert not uri.startswith("/")
                assert (path.parent / uri).is_file()


def test_thumbnails_have_hashes_in_their_names_too(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    sheets = tuple(tmp_path / f"sheet-{number}.jpg" for number in (1, 2))
    for number, sheet in enumerate(sheets):
        arguments = ["-f", "lavfi", "-i", f"testsrc2=s=320x180:d=1,eq=brightness=0.{number + 1}"]
        output(ffmpeg, [*arguments, "-frames:v", "1", "-c:v", "mjpeg", f"file:{sheet}"])
    # Eight pictures, of which four are on a sheet: the title ends with the second one, though its
    # duration, which no decimal says exactly, is rounded up.
    thumbnails = Thumbnails(160, 90, 2, 2, 25, 8, sheets)
    one = replace(
        renditions, video=renditions.video[2:], audio=(), pictures=Pictures(thumbnails, None)
    )
    into = tmp_path / "package"
    into.mkdir()
    made = package(ffmpeg, one, into, Packaging(layout=HASHED))
    assert made.pictures is not None
    assert made.pictures.thumbnails is not None
    names = [path.name for path in made.pictures.thumbnails.sheets]
    found = re.fullmatch(r"thumbnails-[0-9a-f]{16}-001\.jpg", names[0])
    assert found is not None
    assert (into / "images" / names[1]).read_bytes() == sheets[1].read_bytes()
    for file in ("manifest.mpd", "images/thumbnails.m3u8", "images/thumbnails.vtt"):
        assert names[0].removesuffix("001.jpg") in (into / file).read_text(encoding="utf-8")
    assert [one for one in verify(into).findings if one.severity == "must"] == []
