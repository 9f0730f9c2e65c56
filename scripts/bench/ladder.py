"""How good and how cheap the ladder's decision is, against exhaustive search and a fixed ladder.

    python scripts/bench/ladder.py CLIPS [--titles N] [--seconds S] [--efforts instant,standard]
        [--work FOLDER] [--encode] [--json FILE] [--markdown FILE]

CLIPS is a folder of videos. Titles are made of several different clips each, joined at 1280x720
and 25 frames a second. The reference is `--effort exhaustive`: every shot at every resolution of
the policy and eight CRFs, at the final preset, on all frames; its trials stay in the folder WORK,
so that the benchmark can be repeated in minutes. Of each effort it says

- the BD-rate its ladder loses against the exhaustive one, both read off the exhaustive measurements
- CPU seconds of probing, analysing and deciding (with nothing kept from before), and with
  `--encode` their share of those of encoding the ladder
- BD-rate against the fixed ladder, beside what exhaustive search gains
- with `--encode`, how far the delivered rates and VMAF are from the predicted ones

A prior trained without the clips is named by the environment variable ENCODER_PRIORS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from encoder.engine.events import silent
from encoder.engine.pipeline import Pipeline
from encoder.engine.store import Store
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.ladder.decide import fixed_points
from encoder.ladder.evidence import EffortName, surfaces
from encoder.ladder.policy import load_policy
from encoder.ladder.surface import Surfaces
from encoder.media.conform import Conform
from encoder.media.ladder import Ladder, Rung
from encoder.media.shots import Analysis
from encoder.probe.probe import probe
from encoder.score.bd import bd_rate

WIDTH, HEIGHT, RATE = 1280, 720, 25
SUFFIXES = {".mp4", ".mkv", ".mov", ".mpg", ".webm", ".ts", ".m4v", ".avi"}
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Title:
    """A benchmark title: its file and what it was made of."""

    path: Path
    clips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What one effort gave for one title; see the columns of :func:`markdown`."""

    title: str
    shots: int
    frames: int
    effort: str
    trials: int
    rungs: int
    loss_percent: float | None
    gain_percent: float | None
    exhaustive_gain_percent: float | None
    decision_cpu_seconds: float
    encode_cpu_seconds: float | None
    rate_errors_percent: tuple[float, ...]
    vmaf_errors: tuple[float, ...]


def make_titles(clips: Path, count: int, seconds: float, parts: int, folder: Path) -> list[Title]:
    """Joins clips into titles; the same clips give the same titles."""
    names = sorted(p for p in clips.iterdir() if p.suffix.lower() in SUFFIXES)
    usable = [p for p in names if _seconds(p) >= 1.2]
    if len(usable) < parts:
        raise SystemExit(f"at least {parts} clips of 1.2 s or more are needed in {clips}")
    chooser = random.Random(7)
    deck: list[Path] = []
    titles = []
    for number in range(count):
        while len(deck) < parts:
            fresh = usable[:]
            chooser.shuffle(fresh)
            deck += [p for p in fresh if p not in deck]
        chosen, deck = deck[:parts], deck[parts:]
        path = folder / f"title-{number + 1}-{seconds:g}s.mp4"
        if not path.exists():
            _join(chosen, seconds, path)
        titles.append(Title(path, tuple(p.name for p in chosen)))
    return titles


def _seconds(path: Path) -> float:
    try:
        return float(probe(path, locate(), digest="").video.duration)
    except Exception as error:  # a benchmark takes what it can read of a folder of odd clips
        sys.stderr.write(f"left out: {path.name}: {type(error).__name__}\n")
        return 0.0


def _join(clips: Sequence[Path], seconds: float, path: Path) -> None:
    frames = round(seconds * RATE / len(clips))
    arguments, chains = [], []
    for number, clip in enumerate(clips):
        arguments += ["-stream_loop", "-1", "-i", f"file:{clip}"]
        chains.append(
            f"[{number}:v:0]fps={RATE},scale={WIDTH}:{HEIGHT}:force_original_aspect_ratio=increase,"
            f"crop={WIDTH}:{HEIGHT},setsar=1,format=yuv420p,trim=end_frame={frames},"
            f"setpts=N/({RATE}*TB)[p{number}]"
        )
    joined = "".join(f"[p{n}]" for n in range(len(clips))) + f"concat=n={len(clips)}[out]"
    draft = path.with_suffix(".part.mp4")
    arguments += ["-filter_complex", ";".join([*chains, joined]), "-map", "[out]"]
    arguments += ["-c:v", "libx264", "-crf", "12", "-preset", "fast", "-an", "-y", f"file:{draft}"]
    run(locate(), arguments, folder=path.parent)
    draft.rename(path)


@contextmanager
def pipeline(cache: Path, jobs: int = 2) -> Any:
    """A pipeline with a store of its own."""
    yield Pipeline(locate(), Store(cache), silent, jobs=jobs)


def cpu() -> float:
    """CPU seconds of this process and the children that it waited for."""
    found = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


def delivered(rungs: Sequence[Rung], truth: Surfaces) -> Points:
    """What rungs really cost and reach, by the exhaustive measurements: (rate, VMAF)."""
    rows = np.arange(len(truth.frames))
    found = []
    for rung in rungs:
        size = truth.sizes.index((rung.width, rung.height))
        at = np.searchsorted(truth.crfs, np.array(rung.crf_per_shot))
        found.append(
            (
                float(truth.weights @ truth.rates[rows, size, at]),
                float(truth.weights @ truth.vmafs[rows, size, at]),
            )
        )
    return found


def bench(title: Title, efforts: Sequence[EffortName], work: Path, encode: bool) -> list[Row]:
    """All rows of a title."""
    policy, fixed = load_policy("per-title"), load_policy("apple-hls")
    with pipeline(work / "store") as steps:
        master = steps.master(title.path)
        conform: Conform = steps.conform(master, policy)
        analysis: Analysis = steps.analysis(master, conform)
        best: Ladder = steps.ladder(master, conform, analysis, policy, "exhaustive")
    truth = surfaces(conform, analysis, policy, best.trials)
    reference = [(float(p.bitrate), p.vmaf) for p in fixed_points(fixed, conform, truth)]
    ideal = delivered(best.rungs, truth)
    rows = []
    for effort in efforts:
        scratch = Path(tempfile.mkdtemp(dir=work))
        before = cpu()
        with pipeline(scratch) as steps:
            again = steps.master(title.path)
            shape = steps.conform(again, policy)
            found = steps.analysis(again, shape)
            ladder = steps.ladder(again, shape, found, policy, effort)
        spent = cpu() - before
        ours = delivered(ladder.rungs, truth)
        cost: float | None = None
        rates: tuple[float, ...] = ()
        vmafs: tuple[float, ...] = ()
        if encode:
            cost, rates, vmafs = _encoded(title, effort, scratch)
        shutil.rmtree(scratch)
        rows.append(
            Row(
                title=title.path.stem,
                shots=len(analysis.shots),
                frames=analysis.frames,
                effort=effort,
                trials=len(ladder.trials),
                rungs=len(ladder.rungs),
                loss_percent=bd_rate(ideal, ours),
                gain_percent=bd_rate(reference, ours),
                exhaustive_gain_percent=bd_rate(reference, ideal),
                decision_cpu_seconds=spent,
                encode_cpu_seconds=cost,
                rate_errors_percent=rates,
                vmaf_errors=vmafs,
            )
        )
        sys.stderr.write(f"{rows[-1]}\n")
    return rows


def _encoded(
    title: Title, effort: EffortName, cache: Path
) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """CPU seconds of encoding the ladder, and how far its rungs are from what was predicted."""
    out = cache / "out"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "encoder", "ingest", str(title.path), "-o", str(out)),
            *("--json", "-q", "--effort", effort, "--score", "full"),
        ],
        env={**os.environ, "ENCODER_CACHE": str(cache)},
        check=True,
        capture_output=True,
        text=True,
    )
    document = json.loads(done.stdout)
    errors = [one["against_expected"] for one in document["renditions"]]
    return (
        document["cost"]["encode_cpu_seconds"],
        tuple(one["bitrate_percent"] for one in errors),
        tuple(one["vmaf"] for one in errors),
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table, and a line of means for each effort."""
    lines = [
        "| title | shots | effort | trials | rungs | loss % | gain % (exhaustive) | decision CPU s "
        "| share of encode | median rate error % | median VMAF error |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]

    def text(value: float | None, form: str = ".2f") -> str:
        return "-" if value is None else format(value, form)

    for row in rows:
        share = (
            row.decision_cpu_seconds / row.encode_cpu_seconds if row.encode_cpu_seconds else None
        )
        rate = median(map(abs, row.rate_errors_percent)) if row.rate_errors_percent else None
        vmaf = median(map(abs, row.vmaf_errors)) if row.vmaf_errors else None
        lines.append(
            f"| {row.title} | {row.shots} | {row.effort} | {row.trials} | {row.rungs} "
            f"| {text(row.loss_percent)} | {text(row.gain_percent, '.1f')} "
            f"({text(row.exhaustive_gain_percent, '.1f')}) "
            f"| {text(row.decision_cpu_seconds, '.1f')} "
            f"| {text(share, '.1%')} | {text(rate)} | {text(vmaf)} |"
        )
    lines.append("")
    for effort in dict.fromkeys(row.effort for row in rows):
        own = [row for row in rows if row.effort == effort]
        lost = [row.loss_percent for row in own if row.loss_percent is not None]
        parts = [f"{effort}: loss mean {np.mean(lost):.2f}%, worst {max(lost):.2f}%"]
        gained = [
            row.gain_percent / row.exhaustive_gain_percent
            for row in own
            if row.gain_percent is not None and row.exhaustive_gain_percent
        ]
        if gained:
            parts.append(f"{np.mean(gained):.1%} of the exhaustive gain")
        spent = [r for r in own if r.encode_cpu_seconds]
        if spent:
            share = sum(r.decision_cpu_seconds for r in spent) / sum(
                r.encode_cpu_seconds or 0.0 for r in spent
            )
            rates = [abs(e) for r in spent for e in r.rate_errors_percent]
            vmafs = [abs(e) for r in spent for e in r.vmaf_errors]
            parts.append(f"decision {share:.1%} of the encode's CPU")
            parts.append(f"median error {median(rates):.1f}% rate, {median(vmafs):.2f} VMAF")
        lines.append("- " + "; ".join(parts))
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("--titles", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--efforts", default="instant,quick,standard")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "encoder-bench")
    parser.add_argument("--encode", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    asked = parser.parse_args(argv)
    asked.work.mkdir(parents=True, exist_ok=True)
    titles = make_titles(asked.clips, asked.titles, asked.seconds, asked.parts, asked.work)
    rows = [
        row
        for title in titles
        for row in bench(title, asked.efforts.split(","), asked.work, asked.encode)
    ]
    table = markdown(rows)
    sys.stdout.write(table)
    if asked.markdown:
        asked.markdown.write_text(table, encoding="utf-8")
    if asked.json:
        document = {
            "schema": "encoder.bench.ladder/1",
            "titles": {t.path.stem: list(t.clips) for t in titles},
            "rows": [asdict(row) for row in rows],
        }
        asked.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
