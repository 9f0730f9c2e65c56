"""Fields or whole pictures: the verdict on counts, and on real pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.master import Master
from encoder.probe.conform import decide_conform
from encoder.probe.probe import probe
from encoder.probe.scan import PROGRESSIVE, Fields, judge

from .clips import LOSSLESS, Pictures, conformed, luma, make, numbered

# Texture that moves fast enough to comb, and is fine enough to show it.
MOVING = "mandelbrot=s=320x240:r=50:start_scale=2,scroll=h=0.02:v=0.005,format=yuv420p"


@pytest.mark.parametrize(
    ("counts", "claimed", "expected"),
    [
        ({"tff": 100}, False, Fields("interlaced", "tff")),
        ({"bff": 100, "undetermined": 20}, False, Fields("interlaced", "bff")),
        ({"tff": 40, "progressive": 60}, True, Fields("interlaced", "tff")),
        # A soft shape that moves down a progressive picture.
        ({"bff": 32, "progressive": 55, "undetermined": 9}, False, PROGRESSIVE),
        # Fine detail, taken for either.
        ({"tff": 40, "bff": 30, "progressive": 20}, True, PROGRESSIVE),
        ({"progressive": 100}, True, PROGRESSIVE),
        ({"undetermined": 100}, True, PROGRESSIVE),
        ({"tff": 3}, True, PROGRESSIVE),
        ({}, True, PROGRESSIVE),
    ],
)
def test_verdicts(counts: dict[str, int], claimed: bool, expected: Fields) -> None:
    assert judge(Counter(counts), claimed=claimed) == expected


def replace_scan(master: Master) -> Master:
    """The master as if its pictures were progressive."""
    return replace(master, video=replace(master.video, scan="progressive"))


def combing(pictures: Pictures) -> float:
    """How much lines differ from both their neighbours in the same direction."""
    lines = pictures.astype(float)
    here, above, below = lines[:, 1:-1], lines[:, :-2], lines[:, 2:]
    return float(np.maximum((here - above) * (here - below), 0).mean())


@pytest.mark.parametrize(("order", "parity"), [("top", "tff"), ("bottom", "bff")])
def test_interlaced_pictures_that_say_progressive(
    ffmpeg: Ffmpeg, tmp_path: Path, order: str, parity: str
) -> None:
    graph = f"{MOVING},tinterlace=interleave_{order},setfield=prog"
    path = make(
        ffmpeg, tmp_path / "f.mkv", "-f", "lavfi", "-i", graph, "-frames:v", "40", *LOSSLESS
    )
    master, conform, pictures = conformed(ffmpeg, path)
    assert (master.video.field_order, master.video.scan) == ("progressive", "interlaced")
    assert master.video.parity == parity
    assert any("its pictures are interlaced" in defect for defect in master.defects)
    trusted = probe(path, ffmpeg, trusting=True)
    assert (trusted.video.scan, trusted.defects) == ("progressive", ())
    assert any("Deinterlaced" in change for change in conform.changes)
    assert len(pictures) == master.video.frames == 40
    # The field that comes first is kept; with the wrong order it would be the other one.
    woven = luma(ffmpeg, path, decide_conform(replace_scan(master)))
    kept = np.s_[:, 0::2] if parity == "tff" else np.s_[:, 1::2]
    assert np.array_equal(pictures[kept], woven[kept])
    whole = make(
        ffmpeg,
        tmp_path / "p.mkv",
        *("-f", "lavfi", "-i", f"{MOVING},framestep=2", "-frames:v", "40", *LOSSLESS),
    )
    _, _, progressive = conformed(ffmpeg, whole)
    assert combing(pictures) < 1.5 * combing(progressive)


def test_progressive_pictures_that_say_interlaced(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = make(
        ffmpeg,
        tmp_path / "p.mkv",
        *("-f", "lavfi", "-i", f"{MOVING},framestep=2,setfield=tff", "-frames:v", "40"),
        *("-flags", "+ilme+ildct", "-x264-params", "tff=1", *LOSSLESS),
    )
    master = probe(path, ffmpeg)
    assert master.video.field_order in ("tt", "tb")
    assert (master.video.scan, master.video.parity) == ("progressive", None)
    assert any("its pictures are progressive" in defect for defect in master.defects)


def test_long_masters_are_looked_at_in_windows(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    graph = f"{MOVING},scale=160:120,tinterlace=interleave_top"
    path = make(
        ffmpeg,
        tmp_path / "f.mp4",
        *("-f", "lavfi", "-i", graph, "-frames:v", "160", "-g", "20", *LOSSLESS),
    )
    master = probe(path, ffmpeg)
    assert (master.video.scan, master.video.parity) == ("interlaced", "tff")


def test_flat_pictures_of_many_bits_are_not_taken_for_fields(
    ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    path = make(ffmpeg, tmp_path / "v.mov", *numbered(size="96x64"), "-c:v", "v210")
    video = probe(path, ffmpeg).video
    assert (video.bit_depth, video.scan) == (10, "progressive")
