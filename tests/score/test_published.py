"""The numbers that libvmaf's own tests expect of its clips, where the clips are at hand.

They are too large for this repository. ``ENCODER_VMAF_CLIPS`` names a folder that has
``src01_hrc00_576x324.yuv420p10le.yuv`` and ``src01_hrc01_576x324.yuv420p10le.yuv``, of three frames
each, from github.com/Netflix/vmaf_resource, python/test/resource/yuv.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from encoder.engine.pipeline import Pipeline
from encoder.engine.sheets import ScoreJob, score
from encoder.engine.store import Store
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.ladder.policy import load_policy
from encoder.score.metrics import parse_metrics

FOLDER = os.environ.get("ENCODER_VMAF_CLIPS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="ENCODER_VMAF_CLIPS names no folder")

# Of python/test/feature_extractor_test.py and vmafexec_test.py of Netflix/vmaf, 10 bits, "b".
PUBLISHED = {
    "psnr_y": (32.57145231892744, 1e-4),
    "psnr_u": (39.03859552689696, 1e-4),
    "psnr_v": (41.28060001337217, 1e-4),
    "ms_ssim": (0.974749, 1e-5),
    # Later versions of libvmaf differ from it by some thousandths.
    "vmaf": (82.56523033333333, 5e-3),
}


def test_the_published_numbers_are_found(tmp_path: Path) -> None:
    paths = []
    for side in ("hrc00", "hrc01"):
        raw = Path(FOLDER or "") / f"src01_{side}_576x324.yuv420p10le.yuv"
        kind = ["-f", "rawvideo", "-pixel_format", "yuv420p10le", "-video_size", "576x324"]
        given = [*kind, "-i", str(raw.resolve())]
        run(locate(), [*given, "-c:v", "ffv1", f"{side}.mkv"], folder=tmp_path)
        paths.append(tmp_path / f"{side}.mkv")
    job = ScoreJob(
        paths[0],
        (paths[1],),
        parse_metrics((",".join(PUBLISHED),)),
        load_policy("per-title"),
    )
    pipeline = Pipeline(locate(), Store(tmp_path / "store"), lambda _: None)
    sheet, _ = score(pipeline, job, io.BytesIO())
    for name, (expected, near) in PUBLISHED.items():
        found = sheet.pairs[0].metric(name).pools
        assert found is not None
        assert found.mean == pytest.approx(expected, abs=near), name
