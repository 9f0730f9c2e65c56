"""How fast analysis is, compared with decoding alone.

    python scripts/bench/analyze.py CLIP... [--runs N] [--json FILE]

For each clip, decoding alone (the clip's video through the same FFmpeg to no output), decoding
through the conform chain, and the whole analysis are run in turn, so that whatever else the machine
does hits them alike. Medians are reported: frames per second of wall time, and CPU seconds, which a
busy machine disturbs less. The ratios are analysis to decoding alone; the goal is 0.7 for SDR
masters. For HDR masters the conform chain tone-maps, which takes far longer than all the rest; the
column for decoding with conform shows that.

A Markdown table goes to standard output.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from encoder.analysis.analyze import analyze
from encoder.errors import EncoderError
from encoder.ffmpeg.graph import arguments, file_url, open_master
from encoder.ffmpeg.locate import Ffmpeg, locate
from encoder.ffmpeg.process import PROTOCOLS, run
from encoder.media.conform import Conform
from encoder.media.master import Master
from encoder.probe.conform import decide_conform
from encoder.probe.probe import probe


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians of some runs: seconds of wall time, and CPU seconds of all processes."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Result:
    """The timings of one clip; ``frames`` are reference frames."""

    clip: str
    width: int
    height: int
    codec: str
    hdr: bool
    frames: int
    decode: Timing
    conform: Timing
    analysis: Timing

    @property
    def speed(self) -> float:
        """Analysis to decoding alone, in frames per second of wall time."""
        return self.decode.wall / self.analysis.wall

    @property
    def economy(self) -> float:
        """Decoding alone to analysis, in CPU seconds: the speed of a machine kept busy."""
        return self.decode.cpu / self.analysis.cpu


def measure(path: Path, ffmpeg: Ffmpeg, runs: int) -> Result:
    """Runs the three in turn, after one run of each that is not counted."""
    master = probe(path, ffmpeg)
    conform = decide_conform(master)
    frames = 0

    def analysis() -> None:
        nonlocal frames
        frames = analyze(ffmpeg, master, conform).frames

    jobs = (
        lambda: _decode(ffmpeg, master),
        lambda: _conform(ffmpeg, master, conform),
        analysis,
    )
    samples: list[list[Timing]] = [[] for _ in jobs]
    for number in range(runs + 1):
        for job, kept in zip(jobs, samples, strict=True):
            timing = _time(job)
            if number:
                kept.append(timing)
    decode, conformed, analysed = (
        Timing(median(t.wall for t in kept), median(t.cpu for t in kept)) for kept in samples
    )
    video = master.video
    return Result(
        path.name,
        video.width,
        video.height,
        video.codec,
        conform.tone_mapped,
        frames,
        decode,
        conformed,
        analysed,
    )


def _decode(ffmpeg: Ffmpeg, master: Master) -> None:
    source = ["-protocol_whitelist", PROTOCOLS, "-i", file_url(master.path)]
    run(ffmpeg, [*source, "-map", f"0:{master.video.index}", "-f", "null", "-"])


def _conform(ffmpeg: Ffmpeg, master: Master, conform: Conform) -> None:
    pictures = open_master(master.path, conform)
    run(ffmpeg, arguments(pictures.output("-", f="null", fps_mode="passthrough")))


def _time(job: Callable[[], None]) -> Timing:
    cpu, wall = _cpu(), time.perf_counter()
    job()
    return Timing(time.perf_counter() - wall, _cpu() - cpu)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def table(results: list[Result]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| clip | video | frames | decode fps | + conform fps | analysis fps | ratio "
        "| decode CPU s | analysis CPU s | ratio of CPU |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in results:
        decode, conform, analysis = (
            one.frames / timing.wall for timing in (one.decode, one.conform, one.analysis)
        )
        kind = f"{one.width}x{one.height} {one.codec}{' HDR' if one.hdr else ''}"
        lines.append(
            f"| {one.clip} | {kind} | {one.frames} | {decode:.0f} | {conform:.0f} | "
            f"{analysis:.0f} | **{one.speed:.2f}** | {one.decode.cpu:.2f} | "
            f"{one.analysis.cpu:.2f} | {one.economy:.2f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measures the clips of the command line."""
    parser = argparse.ArgumentParser(description="How fast analysis is, beside decoding alone.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--ffmpeg", help="another FFmpeg")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    try:
        ffmpeg = locate(options.ffmpeg)
        results = []
        for clip in options.clips:
            print(f"{clip.name} ...", file=sys.stderr, flush=True)
            results.append(measure(clip, ffmpeg, options.runs))
    except EncoderError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    print(table(results))
    if options.json is not None:
        data = {
            "schema": "encoder.bench.analyze/1",
            "ffmpeg": ffmpeg.version,
            "runs": options.runs,
            "clips": [
                {**asdict(one), "ratio": one.speed, "cpu_ratio": one.economy} for one in results
            ],
        }
        options.json.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
