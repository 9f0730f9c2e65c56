"""Any part of any master comes out as the pictures that a decode from its start gives there."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoder.encode.cut import Cut, find_cut, input_arguments, same_pictures, source_text
from encoder.ffmpeg.checksums import read_checksums
from encoder.ffmpeg.process import run
from encoder.media.frames import FrameRange
from tests.encode.titles import describe, generate

SOURCE = "testsrc2=s=160x96:r=25:d=12,noise=alls=20:allf=t:all_seed=7,format=yuv420p"
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-qp", 12)
MASTERS: dict[str, tuple[str, str, tuple[object, ...]]] = {
    "long-gop.mp4": (SOURCE, "seek", (*X264, "-g", 400, "-bf", 3, "-b_strategy", 0)),
    "open-gop.mkv": (
        SOURCE,
        "seek",
        (*X264, "-g", 25, "-bf", 3, "-x264-params", "open-gop=1:b-pyramid=normal:ref=4:scenecut=0"),
    ),
    "offset.ts": (SOURCE, "seek", (*X264, "-g", 25, "-muxdelay", 1, "-output_ts_offset", 7)),
    "negative.mkv": (SOURCE, "seek", (*X264, "-g", 50, "-output_ts_offset", -0.08)),
    "mpeg2.mpg": (SOURCE, "seek", ("-c:v", "mpeg2video", "-q:v", 2, "-g", 15, "-bf", 2)),
    "variable.mkv": (
        "testsrc2=s=160x96:r=30:d=12,select='not(eq(mod(n,7),3))*not(eq(mod(n,11),5))',"
        "format=yuv420p",
        "seek",
        (*X264, "-g", 60, "-fps_mode", "vfr"),
    ),
    "fast.mp4": (SOURCE.replace("r=25:d=12", "r=120:d=5"), "seek", (*X264, "-g", 240)),
    "timeless.h264": (SOURCE, "start", (*X264, "-g", 50, "-bf", 0)),
}


@pytest.mark.parametrize("name", MASTERS)
def test_a_part_has_the_pictures_of_the_whole(name: str, tmp_path: Path) -> None:
    source, how, options = MASTERS[name]
    path = generate(tmp_path / name, source, *options)
    title, _ = describe(path, tmp_path)
    assert title.frames >= 280
    end = title.frames
    for frames in (FrameRange(0, 40), FrameRange(7, 9), FrameRange(181, 200), FrameRange(264, end)):
        cut = find_cut(title.ffmpeg, title.master, title.conform, frames, title.checksums, tmp_path)
        assert (cut.seek is not None) == (how == "seek" and frames.start > 100)
        command = [
            *input_arguments(title.master, title.conform, cut),
            "-filter_complex",
            source_text(title.conform, cut) + "[o]",
            *("-map", "[o]", "-fps_mode", "passthrough", "-f", "framecrc", "part.crc"),
        ]
        run(title.ffmpeg, command, folder=tmp_path)
        found = read_checksums(tmp_path / "part.crc")
        assert len(found) == len(frames)
        assert same_pictures(found, title.checksums, frames)


def test_a_seek_that_gives_other_pictures_is_not_used(tmp_path: Path) -> None:
    path = generate(tmp_path / "a.mp4", SOURCE, *X264, "-g", 50)
    title, _ = describe(path, tmp_path)
    wrong = title.checksums.copy()
    wrong[200] ^= 1
    frames = FrameRange(200, 220)
    cut = find_cut(title.ffmpeg, title.master, title.conform, frames, wrong, tmp_path)
    assert cut == Cut(frames)
