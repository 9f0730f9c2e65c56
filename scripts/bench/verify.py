"""How fast verify is, and how much memory it takes.

    python scripts/bench/verify.py [--seconds 7200] [--rungs 10] [--runs 3]

A package of made-up media is written (sparse: it takes no more disk than its headers), with a
fragment of two seconds and two languages, and verified in a process of its own. The goal for two
hours in ten rungs is 10 s and 300 MB. A line for each run goes to standard output.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from encoder.verify.verify import verify
from tests.verify import synthetic


def long_title(seconds: int, rungs: int) -> synthetic.Title:
    """A title of that length, with fragments of two seconds and rungs a factor of 1.5 apart."""
    made = synthetic.title(seconds)
    gops = (48,) * (seconds // 2)
    first = made.rungs[0]
    ladder = tuple(
        replace(
            first,
            id=f"h264-{number + 1:02d}",
            bitrate=round(6_000_000 / 1.5**number),
            score=95.0 - 6 * number,
            gops=gops,
        )
        for number in range(rungs)
    )
    sounds = tuple(
        replace(one, gops=tuple(a + b for a, b in zip(one.gops[::2], one.gops[1::2], strict=True)))
        for one in made.sounds
    )
    return replace(made, rungs=ladder, sounds=sounds)


def measured(path: Path) -> tuple[float, float, float, int, int]:
    """Seconds of wall time and of CPU, peak memory in MB, broken musts and kept rules."""
    began, worked = time.perf_counter(), time.process_time()
    verdict = verify(path)
    wall, cpu = time.perf_counter() - began, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kept = sum(one.outcome == "kept" for one in verdict.rules)
    return wall, cpu, peak, verdict.count("must"), kept


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=7200)
    parser.add_argument("--rungs", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        into = Path(name)
        synthetic.make(into, long_title(chosen.seconds, chosen.rungs))
        for _ in range(chosen.runs):
            with get_context("spawn").Pool(1) as pool:
                wall, cpu, peak, must, kept = pool.apply(measured, (into,))
            figures = f"{wall:.2f} s, {cpu:.2f} s CPU, {peak:.0f} MB"
            print(f"{figures}, {must} must broken, {kept} rules kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
