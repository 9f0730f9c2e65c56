"""Renditions that must not be packaged, each with the place of its fault named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.errors import ExitCode, PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import run
from encoder.media.package import Package
from encoder.media.renditions import AudioRendition, Rendition, RenditionSet
from encoder.package.boxes import read_movie
from encoder.package.check import check_video
from encoder.package.package import package
from encoder.package.rewrap import rewrapped, video_rewrap

from .media import FRAMES, KEYFRAMES, RATE, make_audio, make_video

Pack = Callable[[RenditionSet], Package]


def refused(pack: Pack, renditions: RenditionSet) -> PackageError:
    with pytest.raises(PackageError) as caught:
        pack(renditions)
    assert caught.value.exit_code is ExitCode.PACKAGE
    assert caught.value.hint
    return caught.value


def with_video(renditions: RenditionSet, rendition: Rendition) -> RenditionSet:
    return replace(renditions, video=(renditions.video[0], rendition), audio=())


def with_audio(renditions: RenditionSet, rendition: AudioRendition) -> RenditionSet:
    return replace(renditions, video=renditions.video[-1:], audio=(rendition,))


def test_key_frames_elsewhere(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, pack: Pack
) -> None:
    moved = (0, 7, 48, 60, 62, 109, 150, 171)
    one = make_video(ffmpeg, tmp_path / "moved.mp4", (160, 90), keyframes=moved)
    error = refused(pack, with_video(renditions, replace(one, keyframes=KEYFRAMES)))
    assert error.where == str(one.path)
    assert (
        error.why == "no IDR frame is at frame 61; an IDR frame is at frame 62, where none belongs"
    )


def test_misaligned_renditions(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, pack: Pack
) -> None:
    moved = (0, 7, 48, 60, 62, 109, 150, 172)
    one = make_video(ffmpeg, tmp_path / "moved.mp4", (160, 90), keyframes=moved)
    error = refused(pack, with_video(renditions, one))
    assert error.why == ("its boundaries differ from those of h264-180p at frames 61, 62, 171, 172")


def test_a_frame_too_few(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, pack: Pack
) -> None:
    one = make_video(ffmpeg, tmp_path / "short.mp4", (160, 90), frames=FRAMES - 1)
    assert refused(pack, with_video(renditions, one)).why == "it has 199 frames, not 200"


def test_a_frame_missing_within(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, pack: Pack
) -> None:
    # The last frame before a key frame: nothing refers to it.
    whole = make_video(ffmpeg, tmp_path / "whole.mp4", (160, 90), more=["-bf", "0"])
    path = tmp_path / "holed.mp4"
    drop = ["-bsf:v", "noise=drop=eq(n\\,59)"]
    run(ffmpeg, ["-i", f"file:{whole.path}", "-c", "copy", *drop, "-f", "mp4", f"file:{path}"])
    error = refused(pack, with_video(renditions, replace(whole, path=path)))
    assert error.why.startswith("frame 59 is shown at tick 60060, not at 59059")


def test_another_frame_rate(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, pack: Pack
) -> None:
    one = make_video(ffmpeg, tmp_path / "fast.mp4", (160, 90), rate=Fraction(24))
    error = refused(pack, with_video(renditions, one))
    assert error.why.startswith("frame 1 is shown at tick 1000, not at 1001")


def test_another_size(renditions: RenditionSet, pack: Pack) -> None:
    wrong = replace(renditions.video[1], width=320, height=180)
    assert refused(pack, with_video(renditions, wrong)).why == (
        "its pictures are 192x108, not 320x180"
    )


def test_pixels_that_are_not_square(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, pack: Pack
) -> None:
    one = make_video(ffmpeg, tmp_path / "wide.mp4", (160, 90), more=["-vf", "setsar=4/3"])
    assert "pixels are not square" in refused(pack, with_video(renditions, one)).why


def test_a_first_frame_that_is_no_key_frame(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, pack: Pack
) -> None:
    whole = make_video(ffmpeg, tmp_path / "whole.mp4", (160, 90))
    path = tmp_path / "headless.mp4"
    drop = ["-copyinkf:v", "-bsf:v", "noise=drop=eq(n\\,0)"]
    run(ffmpeg, ["-i", f"file:{whole.path}", "-c", "copy", *drop, "-f", "mp4", f"file:{path}"])
    error = refused(pack, with_video(renditions, replace(whole, path=path)))
    assert error.where == str(path)
    assert error.why == "its 2 edits delay or cut the track, which players do not follow"


def test_a_fragment_that_does_not_decode_alone(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    target = next(rewrapped(ffmpeg, [video_rewrap(renditions.video[1].path, RATE)], tmp_path))
    movie = read_movie(target, indexed=False)
    fragments = list(movie.track.fragments)
    fragments[3] = replace(fragments[3], independent=False)
    broken = replace(movie, track=replace(movie.track, fragments=tuple(fragments)))
    check_video(renditions.video[1], movie, renditions)
    with pytest.raises(PackageError, match="cannot be started at frame 60"):
        check_video(renditions.video[1], broken, renditions)


@pytest.mark.parametrize("part", [Fraction(1, 3), Fraction(9, 10)])
def test_a_truncated_file(
    renditions: RenditionSet, tmp_path: Path, pack: Pack, part: Fraction
) -> None:
    path = tmp_path / "cut.mp4"
    data = renditions.video[1].path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    error = refused(pack, with_video(renditions, replace(renditions.video[1], path=path)))
    assert error.where == str(path)


def test_media_cut_off_behind_whole_headers(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, pack: Pack
) -> None:
    path = tmp_path / "cut.mp4"
    front = ["-movflags", "+faststart"]
    one = make_video(ffmpeg, path, (160, 90), more=front)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    error = refused(pack, with_video(renditions, one))
    assert error.where == str(path)


def test_a_missing_file(renditions: RenditionSet, tmp_path: Path, pack: Pack) -> None:
    gone = replace(renditions.video[1], path=tmp_path / "gone.mp4")
    assert refused(pack, with_video(renditions, gone)).where == str(gone.path)


def test_audio_where_video_belongs(renditions: RenditionSet, pack: Pack) -> None:
    wrong = replace(renditions.video[1], path=renditions.audio[0].path)
    assert refused(pack, with_video(renditions, wrong)).where == str(wrong.path)


def test_audio_that_ends_early(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path, pack: Pack
) -> None:
    short = make_audio(
        ffmpeg,
        tmp_path / "short.mp4",
        language="en",
        name="English",
        source=1,
        duration=FRAMES / RATE - Fraction(1, 10),
    )
    assert refused(pack, with_audio(renditions, short)).why == (
        "it ends 0.100 s before the video does"
    )


def test_audio_of_other_channels(renditions: RenditionSet, pack: Pack) -> None:
    wrong = replace(renditions.audio[1], channels=2)
    assert refused(pack, with_audio(renditions, wrong)).why == (
        "it has 6 channels at 48000 Hz, not 2 at 48000 Hz"
    )


def test_a_set_without_video(renditions: RenditionSet, pack: Pack) -> None:
    assert "no video" in refused(pack, replace(renditions, video=())).why


@pytest.mark.parametrize("identifier", ["", "../up", ".hidden", "a\nb", "h264-180p"])
def test_ids_that_cannot_be_file_names(
    renditions: RenditionSet, pack: Pack, identifier: str
) -> None:
    wrong = replace(renditions.video[1], id=identifier)
    error = refused(pack, with_video(renditions, wrong))
    assert "ids name the files" in error.why


def test_scores_of_some_renditions_only(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    with pytest.raises(PackageError, match="h264-108p, h264-90p"):
        package(ffmpeg, renditions, tmp_path, scores={"h264-180p": 90.0})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_empty_is_left_alone(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    with pytest.raises(PackageError, match="must be empty"):
        package(ffmpeg, renditions, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_what_failed_leaves_no_work_behind(
    ffmpeg: Ffmpeg, renditions: RenditionSet, tmp_path: Path
) -> None:
    wrong = replace(renditions.video[0], width=2)
    with pytest.raises(PackageError):
        package(ffmpeg, replace(renditions, video=(wrong,)), tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
