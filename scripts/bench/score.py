"""How fast `encoder score` is, compared with ffmpeg-quality-metrics for the same metrics.

    python scripts/bench/score.py REFERENCE DISTORTED [--runs N] [--json FILE]

VMAF, PSNR and SSIM of a pair are taken by both commands in turn, each a process from its start to
its end and with the same FFmpeg, so that whatever else the machine does hits them alike. Theirs is
run as it comes, which gives VMAF one thread, and told to use all processors. Medians are reported,
and the ratio of ours to each; the goal is 0.75 of it as it comes. Both do all in one pass of
FFmpeg, four fifths of which are VMAF's, so with all processors there is little between them: ours
also probes, and checks the alignment. On a machine that is busy with other things a second thread
gains less, and CPU seconds tell more. Our peak memory is that of the largest process. Means are
printed, so that it can be seen that all measured the same.

ffmpeg-quality-metrics comes with the dev extra. A Markdown table goes to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

from encoder.errors import EncoderError
from encoder.ffmpeg.locate import Ffmpeg, locate

Means = Mapping[str, float]


def ours(ffmpeg: Ffmpeg, reference: Path, distorted: Path) -> Means:
    """Means by the score verb, nothing taken from a store."""
    with TemporaryDirectory() as folder:
        found = answer(
            *("-m", "encoder", "score", str(reference), str(distorted), "--json", "-q"),
            *("-m", "vmaf,psnr,ssim", "--ffmpeg", str(ffmpeg.path)),
            cache=folder,
        )
    means = {one["metric"]: one["pooled"]["mean"] for one in found["files"][0]["metrics"]}
    return {name: means[name] for name in ("vmaf", "psnr_y", "ssim")}


def theirs(ffmpeg: Ffmpeg, reference: Path, distorted: Path, threads: int | None = None) -> Means:
    """Means by ffmpeg-quality-metrics; as it comes where no number of threads is given."""
    found = answer(
        *("-m", "ffmpeg_quality_metrics", str(distorted), str(reference), "--no-summary"),
        *("-m", "vmaf", "psnr", "ssim", "--ffmpeg-path", str(ffmpeg.path)),
        *(() if threads is None else ("-t", str(threads), "--vmaf-threads", str(threads))),
    )
    return {
        "vmaf": fmean(frame["vmaf"] for frame in found["vmaf"]),
        "psnr_y": fmean(frame["psnr_y"] for frame in found["psnr"]),
        "ssim": fmean(frame["ssim_y"] for frame in found["ssim"]),
    }


def answer(*arguments: str, cache: str = "") -> Any:
    """What a Python program says in JSON."""
    environment = {**os.environ, "ENCODER_CACHE": cache}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def timed(job: Callable[[], Means]) -> tuple[float, float, Means]:
    """Seconds by the clock and of CPU, and what was found."""
    started, cpu = time.perf_counter(), spent()
    found = job()
    return time.perf_counter() - started, spent() - cpu, found


def spent() -> float:
    """CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
                seconds, used, means[name] = timed(
                    partial(job, ffmpeg, options.reference, options.distorted)
                )
                times[name].append(seconds)
                cpu[name].append(used)
                if name == "ours" and not memory:
                    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    except EncoderError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    except subprocess.CalledProcessError as error:
        print(f"a command failed: {error}", file=sys.stderr)
        return 1
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
