"""What packaging costs beside the encode of the same run.

    python scripts/bench/package.py MASTER [--effort instant] [--runs N]

The master is ingested once into a store of its own, encrypted with new keys and without measuring
scores. Shares are of the CPU seconds of that run's encode, of all its processes. Then, while all
else is in the store, packages are made ``--runs`` times each, clear and encrypted, of which medians
are taken. The goal is 1%. A Markdown table goes to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

GOAL = 0.01
KINDS: dict[str, tuple[str, ...]] = {"encrypted": ("--protect", "generate"), "clear": ()}


def stages(text: str) -> dict[str, float]:
    """CPU seconds of every stage of a run, from its events."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        event = json.loads(line)
        if event["event"] == "stage_finished":
            found[event["stage"]] = found.get(event["stage"], 0.0) + event["cpu_seconds"]
    return found


def ingest(master: Path, into: Path, store: Path, kind: str, effort: str) -> dict[str, float]:
    """Ingests a master into a new folder; the CPU seconds of the stages."""
    events = into.with_suffix(".events")
    argv = [sys.executable, "-m", "encoder", "ingest", str(master), "-o", str(into), "-q"]
    argv += ["--effort", effort, "--score", "none", "--events", str(events), *KINDS[kind]]
    environment = {**os.environ, "ENCODER_CACHE": str(store)}
    subprocess.run(argv, check=True, env=environment, stdout=subprocess.DEVNULL)
    return stages(events.read_text(encoding="utf-8"))


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("master", type=Path)
    parser.add_argument("--effort", default="instant")
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = folder / "store"
        encode = ingest(chosen.master, folder / "first", store, "encrypted", chosen.effort)[
            "encode"
        ]
        print(f"encode: {encode:.1f} s of CPU\n\n| package | CPU | of the encode | goal |")
        print("| --- | --- | --- | --- |")
        for kind in KINDS:
            spent = [
                ingest(chosen.master, folder / f"{kind}-{n}", store, kind, chosen.effort)["package"]
                for n in range(chosen.runs)
            ]
            share = median(spent) / encode
            kept = "kept" if share < GOAL else "missed"
            print(f"| {kind} | {median(spent):.2f} s | {share:.2%} | < {GOAL:.0%}: {kept} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
