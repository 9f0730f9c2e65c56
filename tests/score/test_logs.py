"""Logs of the metric filters: read exactly, refused when anything is amiss."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoder.errors import MeasureError
from encoder.score.logs import count_frames, read_pictures, read_vmaf

VMAF = "Frame,integer_adm2,vmaf,\n0,0.955605,81.842139,\n5,0.946098,78.882439,\n"

PICTURES = """\
frame:0    pts:0       pts_time:0
lavfi.psnr.mse.y=7.140000
lavfi.psnr.psnr.y=39.593900
lavfi.psnr.psnr.u=42.560000
lavfi.psnr.psnr.v=43.310000
lavfi.ssim.Y=0.968727
lavfi.ssim.All=0.969008
frame:1    pts:5       pts_time:0.208333
lavfi.psnr.mse.y=0.000000
lavfi.psnr.psnr.y=inf
lavfi.psnr.psnr.u=112.500000
lavfi.psnr.psnr.v=43.220000
lavfi.ssim.Y=1.000000
lavfi.ssim.All=0.999000
"""


def log(folder: Path, text: str) -> Path:
    path = folder / "log"
    path.write_text(text, encoding="utf-8")
    return path


def test_vmaf(tmp_path: Path) -> None:
    found = read_vmaf(log(tmp_path, VMAF))
    assert found.frame.tolist() == [0, 5]
    assert found.vmaf.tolist() == [81.842139, 78.882439]


def test_pictures(tmp_path: Path) -> None:
    found = read_pictures(log(tmp_path, PICTURES))
    assert found.frame.tolist() == [0, 5]
    assert found.psnr_y.tolist() == [39.5939, 100]
    assert found.psnr_u.tolist() == [42.56, 100]
    assert found.psnr_v.tolist() == [43.31, 43.22]
    assert found.ssim.tolist() == [0.968727, 1]


def test_count(tmp_path: Path) -> None:
    assert count_frames(log(tmp_path, PICTURES)) == 2
    assert count_frames(log(tmp_path, "")) == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "lacks the column"),
        (VMAF.replace("vmaf", "score"), "lacks the column"),
        (VMAF.replace("Frame", "Number"), "lacks the column"),
        (VMAF.replace("81.842139", "nan"), "'nan' is not a value of vmaf"),
        (VMAF.replace("81.842139", "-inf"), "'-inf' is not a value of vmaf"),
        (VMAF.replace("81.842139", ""), "'' is not a value of vmaf"),
        (VMAF.replace("5,0.9", "five,0.9"), "'five' is not a frame index"),
        (VMAF.replace("5,0.9", "-5,0.9"), "'-5' is not a frame index"),
        (VMAF.replace("5,0.9", "0,0.9"), "not in order"),
        (VMAF[:-2], "line 3 has 3 columns, not 4"),
        (VMAF[:-12], "line 3 has 2 columns, not 4"),
    ],
)
def test_broken_vmaf_logs_are_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(MeasureError) as error:
        read_vmaf(log(tmp_path, text))
    assert why in error.value.why


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("lavfi.ssim.Y=1.000000\n", "", "1 values of ssim for 2 frames"),
        ("lavfi.ssim.Y=0.968727\n", "", "ssim is there 1 times at frame 5"),
        ("lavfi.ssim.Y=0.968727\n", "lavfi.ssim.Y=0.9\n" * 2, "ssim is there 2 times at frame 0"),
        ("psnr.u=42.560000", "psnr.u=nan", "'nan' is not a value of psnr_u"),
        ("psnr.u=42.560000", "psnr.u=-inf", "'-inf' is not a value of psnr_u"),
        ("ssim.Y=1.000000", "ssim.Y=inf", "'inf' is not a value of ssim"),
        ("pts:5 ", "pts:NOPTS ", "'NOPTS' is not a frame index"),
        ("pts:5 ", "pts:0 ", "not in order"),
        ("frame:0 ", "", "1 times at no frame"),
    ],
)
def test_broken_picture_logs_are_refused(tmp_path: Path, old: str, new: str, why: str) -> None:
    assert old in PICTURES
    with pytest.raises(MeasureError) as error:
        read_pictures(log(tmp_path, PICTURES.replace(old, new)))
    assert why in error.value.why


def test_a_missing_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="missing"):
        read_vmaf(tmp_path / "missing")
