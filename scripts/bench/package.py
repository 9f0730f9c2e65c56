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


def ingest(master: Path, into: Path, store: Path, kind: str, effort: str) -> dict[str, float]:
    """Ingests a master into a new folder; the CPU seconds of the stages, by its report."""
    argv = [sys.executable, "-m", "encoder", "ingest", str(master), "-o", str(into), "-q"]
    argv += ["--effort", effort, "--score", "none", *KINDS[kind]]
    environment = {**os.environ, "ENCODER_CACHE": str(store)}
    subprocess.run(argv, check=True, env=environment, stdout=subprocess.DEVNULL)
    cost: dict[str, float] = json.loads((into / "report.json").read_text("utf-8"))["cost"]
    return cost


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
            "encode_cpu_seconds"
        ]
        print(f"encode: {encode:.1f} s of CPU\n\n| package | CPU | of the encode | goal |")
        print("| --- | --- | --- | --- |")
        for kind in KINDS:
            spent = [
                ingest(chosen.master, folder / f"{kind}-{n}", store, kind, chosen.effort)[
                    "package_cpu_seconds"
                ]
                for n in range(chosen.runs)
            ]
            share = median(spent) / encode
            kept = "kept" if share < GOAL else "missed"
            print(f"| {kind} | {median(spent):.2f} s | {share:.2%} | < {GOAL:.0%}: {kept} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
