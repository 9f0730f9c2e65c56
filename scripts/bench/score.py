"""How fast `encoder score` is, compared with ffmpeg-quality-metrics for the same metrics.

    python scripts/bench/score.py REFERENCE DISTORTED [--runs N] [--json FILE]

VMAF, PSNR and SSIM of a pair are taken by both in turn, with the same FFmpeg, so that whatever else
the machine does hits them alike. Theirs is run as it comes, which gives VMAF one thread, and told
to use all processors. Medians are reported, and the ratio of ours to each; the goal is 0.75 of it
as it comes. Both do all in one pass of FFmpeg, four fifths of which are VMAF's, so with all
processors there is little between them: ours also probes, and checks the alignment. CPU seconds
tell of that on a busy machine. Our peak memory is that of the largest process. Means are printed,
so that it can be seen that all measured the same.

ffmpeg-quality-metrics comes with the dev extra. A Markdown table goes to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

# As the command does, before NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from encoder.engine.pipeline import Pipeline
from encoder.engine.sheets import ScoreJob, score
from encoder.engine.stage import cpu_seconds
from encoder.engine.store import Store
from encoder.errors import EncoderError
from encoder.ffmpeg.locate import Ffmpeg, locate
from encoder.ladder.policy import load_policy
from encoder.score.metrics import parse_metrics

Means = Mapping[str, float]


def ours(ffmpeg: Ffmpeg, reference: Path, distorted: Path) -> Means:
    """Means by the score verb, probing included, nothing taken from a store."""
    with TemporaryDirectory() as folder:
        pipeline = Pipeline(ffmpeg, Store(Path(folder)), lambda _: None)
        metrics = parse_metrics(("vmaf", "psnr_y", "ssim"))
        job = ScoreJob(reference, (distorted,), metrics, load_policy("per-title"))
        sheet, _ = score(pipeline, job, BytesIO())
    return {one.metric: one.pools.mean for one in sheet.pairs[0].metrics if one.pools is not None}


def theirs(ffmpeg: Ffmpeg, reference: Path, distorted: Path, threads: int | None = None) -> Means:
    """Means by ffmpeg-quality-metrics; as it comes where no number of threads is given."""
    library: Any = import_module("ffmpeg_quality_metrics")
    run = library.FfmpegQualityMetrics(
        str(reference),
        str(distorted),
        ffmpeg_path=str(ffmpeg.path),
        **({} if threads is None else {"threads": threads}),
    )
    found = run.calculate(
        metrics=["vmaf", "psnr", "ssim"],
        **({} if threads is None else {"vmaf_options": {"n_threads": threads}}),
    )
    return {
        "vmaf": fmean(frame["vmaf"] for frame in found["vmaf"]),
        "psnr_y": fmean(frame["psnr_y"] for frame in found["psnr"]),
        "ssim": fmean(frame["ssim_y"] for frame in found["ssim"]),
    }


def timed(job: Callable[[], Means]) -> tuple[float, float, Means]:
    """Seconds by the clock and of CPU, and what was found."""
    started, cpu = time.perf_counter(), cpu_seconds()
    found = job()
    return time.perf_counter() - started, cpu_seconds() - cpu, found


def main() -> int:
    """Measures the pair of the command line."""
    parser = argparse.ArgumentParser(description="encoder score beside ffmpeg-quality-metrics.")
    parser.add_argument("reference", type=Path)
    parser.add_argument("distorted", type=Path)
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--ffmpeg", help="another FFmpeg")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    try:
        ffmpeg = locate(options.ffmpeg)
        jobs: dict[str, Callable[[Ffmpeg, Path, Path], Means]] = {
            "ours": ours,
            "theirs": theirs,
            "theirs_all": partial(theirs, threads=os.cpu_count() or 1),
        }
        times: dict[str, list[float]] = {name: [] for name in jobs}
        cpu: dict[str, list[float]] = {name: [] for name in jobs}
        means: dict[str, Means] = {}
        memory = 0
        for _ in range(options.runs):
            for name, job in jobs.items():
                seconds, spent, means[name] = timed(
                    partial(job, ffmpeg, options.reference, options.distorted)
                )
                times[name].append(seconds)
                cpu[name].append(spent)
                if name == "ours" and not memory:
                    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    except EncoderError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    middle = {name: median(found) for name, found in times.items()}
    print("| | seconds | CPU seconds | VMAF | PSNR-Y | SSIM |\n|---|--:|--:|--:|--:|--:|")
    for label, name in (
        ("encoder score", "ours"),
        ("ffmpeg-quality-metrics, as it comes", "theirs"),
        ("ffmpeg-quality-metrics, all processors", "theirs_all"),
    ):
        found = means[name]
        print(
            f"| {label} | {middle[name]:.2f} | {median(cpu[name]):.2f} | {found['vmaf']:.3f} | "
            f"{found['psnr_y']:.3f} | {found['ssim']:.5f} |"
        )
    ratios = {name: middle["ours"] / middle[name] for name in ("theirs", "theirs_all")}
    print(
        f"\nratio **{ratios['theirs']:.2f}**, with all processors {ratios['theirs_all']:.2f}; "
        f"peak memory {memory / 1e6:.0f} MB"
    )
    if options.json is not None:
        data = {
            "schema": "encoder.bench.score/1",
            "ffmpeg": ffmpeg.version,
            "seconds": times,
            "cpu_seconds": cpu,
            "ratio": ratios["theirs"],
            "ratio_all_processors": ratios["theirs_all"],
            "peak_memory": memory,
            "means": means,
        }
        options.json.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
