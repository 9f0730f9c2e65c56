"""Thumbnails and posters: what is planned, which picture stands for a title, and the files."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from encoder.analysis.analyze import analyze
from encoder.errors import EncodeError
from encoder.ffmpeg.checksums import read_checksums
from encoder.ffmpeg.locate import locate
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.policy import PicturesPolicy
from encoder.media.shots import Analysis, Complexity, Shot
from encoder.package.images import ImageEntry, image_playlist, sprite_map
from encoder.pictures.make import make_pictures
from encoder.pictures.poster import Look, choose_poster, look_at
from encoder.pictures.thumbnails import plan_thumbnails, usual_interval
from encoder.probe.conform import decide_conform
from encoder.probe.probe import probe
from encoder.verify.files import Files
from encoder.verify.pictures import jpeg_size
from samples.generate import generate
from tests.report.factory import conform as some_conform

POLICY = PicturesPolicy()


def shots(*lengths: int, brightness: float = 125.0) -> Analysis:
    starts = np.cumsum([0, *lengths]).tolist()
    complexity = Complexity(60.0, 10.0, 80.0, 0.5, brightness, (60.0, 30.0, 15.0, 10.0, 5.0))
    found = tuple(
        Shot(FrameRange(start, start + length), True, complexity)
        for start, length in zip(starts[:-1], lengths, strict=True)
    )
    return Analysis(starts[-1], Fraction(25), found)


def look(frame: int, **other: float) -> Look:
    palette = np.zeros(512)
    palette[int(other.pop("colours", 0.0))] = 1.0
    usual = {"brightness": 127.0, "contrast": 50.0, "dark": 0.0, "sharpness": 40.0, "colour": 20.0}
    return Look(frame=frame, palette=palette, **(usual | other))


@pytest.mark.parametrize(("seconds", "interval"), [(1, 1), (60, 1), (61, 2), (1800, 5), (7200, 10)])
def test_long_titles_have_thumbnails_further_apart(seconds: int, interval: int) -> None:
    assert usual_interval(Fraction(seconds)) == interval


def test_the_last_sheet_has_what_is_left() -> None:
    conform = replace(some_conform(), width=1920, height=800, frame_rate=Fraction(30000, 1001))
    planned = plan_thumbnails(conform, 30 * 40 + 1, replace(POLICY, interval=1, columns=4, rows=4))
    assert (planned.width, planned.height, planned.every) == (320, 134, 30)
    assert (planned.count, planned.columns, planned.rows, len(planned.sheets)) == (41, 4, 4, 3)


def test_a_title_of_one_frame_has_one_thumbnail() -> None:
    planned = plan_thumbnails(some_conform(), 1, POLICY)
    assert (planned.count, planned.columns, planned.rows, len(planned.sheets)) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "bad",
    [
        look(100, dark=0.95, brightness=127.0),
        look(100, contrast=3.0),
        look(100, brightness=40.0),
        look(149),
        look(100, sharpness=5.0),
        look(100, contrast=20.0),
        look(100, colour=1.0),
    ],
    ids=["black", "flat", "in a fade", "at a cut", "blurred", "dull", "grey"],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_poster_is_the_better_picture(bad: Look, first: bool) -> None:
    analysis = shots(150, 150, 150)
    good = look(75 if first else 225)
    order = sorted([good, bad], key=lambda one: one.frame)
    assert choose_poster(order, analysis) == good.frame


def test_the_poster_looks_like_the_title() -> None:
    looks = [look(n, colours=7.0 if n == 200 else 1.0) for n in (50, 75, 100, 200, 220)]
    assert choose_poster(looks, shots(300)) != 200


def test_a_black_title_has_a_poster_all_the_same() -> None:
    black = np.zeros((90, 160), np.uint8)
    grey = np.full((45, 80), 128, np.uint8)
    looks = [look_at(frame, black, grey, grey) for frame in (0, 25, 50)]
    assert choose_poster(looks, shots(60, brightness=16.0)) in (0, 25, 50)


def test_what_a_picture_looks_like() -> None:
    luma = np.tile(np.array([0, 200], np.uint8).repeat(8), (64, 4))
    grey = np.full((32, 32), 128, np.uint8)
    found = look_at(0, luma, grey, grey)
    assert (found.brightness, found.contrast, found.dark) == (100.0, 100.0, 0.5)
    assert found.colour == 0.0
    assert found.palette.sum() == pytest.approx(1.0)
    assert np.count_nonzero(found.palette) == 2


def test_playlist_and_map_cover_the_title() -> None:
    conform = replace(some_conform(), width=1280, height=720, frame_rate=Fraction(25))
    planned = plan_thumbnails(conform, 280, replace(POLICY, interval=1, columns=2, rows=3))
    entry = ImageEntry(planned, Fraction(1), Fraction(280, 25), (6000, 3000))
    assert entry.bandwidth == 8000
    text = image_playlist(entry)
    assert text.count("#EXTINF:6.000000,") == 1
    assert (
        "#EXTINF:5.200000,\n#EXT-X-TILES:RESOLUTION=320x180,LAYOUT=2x3,DURATION=1.000000\n" in text
    )
    cues = sprite_map(entry).split("\n\n")
    assert cues[1] == "00:00:00.000 --> 00:00:01.000\nthumbnails-001.jpg#xywh=0,0,320,180"
    assert cues[7] == "00:00:06.000 --> 00:00:07.000\nthumbnails-002.jpg#xywh=0,0,320,180"
    assert cues[12].startswith("00:00:11.000 --> 00:00:11.200\nthumbnails-002.jpg#xywh=320,360,")
    assert len(cues) == 14 - 1


@pytest.fixture(scope="module")
def sample() -> Path:
    return generate(["phone"])["phone"]


@pytest.fixture(scope="module")
def analysed(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Analysis]:
    folder = tmp_path_factory.mktemp("stills")
    ffmpeg = locate()
    master = probe(sample, ffmpeg)
    found = analyze(
        ffmpeg,
        master,
        decide_conform(master),
        checksums=folder / "sums",
        stills=folder / "stills.mjpeg",
    )
    return folder, found


def test_pictures_of_a_master(
    sample: Path, analysed: tuple[Path, Analysis], tmp_path: Path
) -> None:
    folder, analysis = analysed
    ffmpeg = locate()
    master = probe(sample, ffmpeg)
    conform: Conform = decide_conform(master)
    sums = read_checksums(folder / "sums")
    stills = folder / "stills.mjpeg"
    made = make_pictures(ffmpeg, master, conform, analysis, POLICY, stills, sums, tmp_path)
    thumbnails, poster = made.thumbnails, made.poster
    assert thumbnails is not None
    assert poster is not None
    files = Files(tmp_path)
    for sheet in thumbnails.sheets:
        assert jpeg_size(files, sheet.name) == thumbnails.sheet_size
    assert jpeg_size(files, poster.path.name) == (conform.width, conform.height)
    assert 0 <= poster.frame < analysis.frames
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in made.files)
    again = tmp_path / "again"
    again.mkdir()
    make_pictures(ffmpeg, master, conform, analysis, POLICY, stills, sums, again)
    assert [(tmp_path / p).read_bytes() for p in made.files] == [
        (again / p).read_bytes() for p in made.files
    ]


def test_stills_that_are_missing_are_said(
    sample: Path, analysed: tuple[Path, Analysis], tmp_path: Path
) -> None:
    folder, analysis = analysed
    master = probe(sample, locate())
    empty = tmp_path / "empty.mjpeg"
    empty.write_bytes(b"")
    sums = read_checksums(folder / "sums")
    with pytest.raises(EncodeError, match="could not be made"):
        make_pictures(
            locate(), master, decide_conform(master), analysis, POLICY, empty, sums, tmp_path
        )
