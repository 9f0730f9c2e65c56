"""The ways from a master to its rungs that ``engine.py`` times, and how they are watched."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from encoder.ffmpeg.locate import locate

# What is not there yet when an ingest is timed. The decision and what it rests on stays.
MADE = ("analyze", "chunk", "chunk-score", "encode", "audio", "pictures", "score")
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


def run_resume(work: Work, whole: float | None = None) -> Timings:
    """After a kill at half of what a whole one took: so many seconds, or those of one made now."""
    output = work.folder / "resumed"
    shutil.rmtree(output, ignore_errors=True)
    if whole is None:
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


def run_lean(work: Work, *, scored: bool = False) -> Timings:
    """One process that encodes all rungs; if ``scored``, and measures every frame of each."""
    count = len(work.rungs)
    copies = "".join(f"[s{n}]" for n in range(count))
    seen = "".join(f"[r{n}]" for n in range(count)) if scored else ""
    scales = ";".join(
        f"[s{n}]scale={rung['width']}:{rung['height']}:flags=lanczos[o{n}]"
        for n, rung in enumerate(work.rungs)
    )
    command = [str(locate().path), "-nostdin", "-y", "-loglevel", "error", "-i", str(work.master)]
    split = f"[0:v]split={2 * count if scored else count}{copies}{seen}"
    command += ["-filter_complex", f"{split};{scales}"]
    for n, rung in enumerate(work.rungs):
        command += ["-map", f"[o{n}]", *encode_arguments(rung, f"l{n}.mp4")]
    if scored:
        size = f"{work.document['conform']['width']}:{work.document['conform']['height']}"
        command += [part for n in range(count) for part in ("-dec", f"{n}:0")]
        for n in range(count):
            command += [
                "-filter_complex",
                f"[dec:{n}]scale={size}:flags=bicubic[d{n}];"
                f"[r{n}]scale={size},format=yuv420p,split=3[x{n}][y{n}][z{n}];"
                f"[d{n}][x{n}]libvmaf=log_fmt=csv:log_path=l{n}.csv[v{n}];"
                f"[v{n}][y{n}]psnr=stats_file=l{n}.psnr[p{n}];"
                # Times would let FFmpeg hold one score back for another, for ever.
                f"[p{n}][z{n}]ssim=stats_file=l{n}.ssim,setpts=NAN[q{n}]",
            ]
        command += [part for n in range(count) for part in ("-map", f"[q{n}]", "-f", "null", "-")]
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
