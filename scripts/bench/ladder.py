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
- how many more bits its rungs cost than the exhaustive hull at the same VMAF, on average: the same
  without what a curve through a handful of rungs makes up between them
- BD-rate against the fixed ladder, beside what exhaustive search gains
- what the default audience receives against the fixed ladder: expected bits and expected VMAF
- with `--encode`, how far the delivered rates and VMAF are from the predicted ones, and the loss of
  the ladder that was delivered, which what was encoded first and corrected has changed

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
from encoder.ladder.audience import expected_delivery
from encoder.ladder.decide import fixed_points
from encoder.ladder.evidence import EffortName, surfaces
from encoder.ladder.policy import load_policy
from encoder.ladder.read_audience import DEFAULT_AUDIENCE, load_audience
from encoder.ladder.surface import Surfaces
from encoder.media.audience import ExpectedDelivery
from encoder.media.ladder import Ladder, RateQualityPoint, Rung
from encoder.probe.probe import probe
from encoder.score.bd import bd_rate

WIDTH, HEIGHT, RATE = 1280, 720, 25
SUFFIXES = {".mp4", ".mkv", ".mov", ".mpg", ".webm", ".ts", ".m4v", ".avi"}
Points = list[tuple[float, float]]
# Of a rung: width, height and the CRF of each shot.
Choice = tuple[int, int, tuple[float, ...]]


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
    hull_loss_percent: float
    audience_bits_percent: float
    audience_vmaf: float
    decision_cpu_seconds: float
    encode_cpu_seconds: float | None
    rate_errors_percent: tuple[float, ...]
    vmaf_errors: tuple[float, ...]
    delivered_loss_percent: float | None


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


def delivered(rungs: Sequence[Choice], truth: Surfaces) -> Points:
    """What rungs really cost and reach, by the exhaustive measurements: (rate, VMAF)."""
    rows = np.arange(len(truth.frames))
    found = []
    for width, height, crfs in rungs:
        size = truth.sizes.index((width, height))
        at = np.searchsorted(truth.crfs, np.array(crfs))
        found.append(
            (
                float(truth.weights @ truth.rates[rows, size, at]),
                float(truth.weights @ truth.vmafs[rows, size, at]),
            )
        )
    return found


def choices(rungs: Sequence[Rung]) -> list[Choice]:
    """What is decided of rungs."""
    return [(rung.width, rung.height, rung.crf_per_shot) for rung in rungs]


def above_hull(points: Points, hull: Sequence[RateQualityPoint]) -> float:
    """How many per cent more bits points cost than the hull at the same VMAF, on average."""
    vmafs = [p.vmaf for p in hull]
    rates = np.log([float(p.bitrate) for p in hull])
    within = [(rate, vmaf) for rate, vmaf in points if vmafs[0] <= vmaf <= vmafs[-1]]
    more = [np.log(rate) - np.interp(vmaf, vmafs, rates) for rate, vmaf in within]
    return float(100 * (np.exp(np.mean(more)) - 1))


def received(points: Points) -> ExpectedDelivery:
    """What the default audience receives of a ladder."""
    rungs = [RateQualityPoint(0, 0, 0.0, round(rate), vmaf) for rate, vmaf in points]
    policy = load_policy("per-title")
    audience = load_audience(DEFAULT_AUDIENCE)
    return expected_delivery(rungs, audience, policy.top_vmaf, policy.audio.stereo_bitrate)


def bench(title: Title, efforts: Sequence[EffortName], work: Path, encode: bool) -> list[Row]:
    """All rows of a title."""
    policy, fixed = load_policy("per-title"), load_policy("apple-hls")
    with pipeline(work / "store") as steps:
        master = steps.master(title.path)
        conform, analysis = steps.reference(master, policy)
        best: Ladder = steps.ladder(master, conform, analysis, policy, "exhaustive")
    truth = surfaces(conform, analysis, policy, best.trials)
    reference = [(float(p.bitrate), p.vmaf) for p in fixed_points(fixed, conform, truth)]
    ideal = delivered(choices(best.rungs), truth)
    rows = []
    for effort in efforts:
        scratch = Path(tempfile.mkdtemp(dir=work))
        before = cpu()
        with pipeline(scratch) as steps:
            again = steps.master(title.path)
            shape, found = steps.reference(again, policy)
            ladder = steps.ladder(again, shape, found, policy, effort)
        spent = cpu() - before
        ours = delivered(choices(ladder.rungs), truth)
        encoded = _encoded(title, effort, scratch) if encode else _NOTHING
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
                hull_loss_percent=above_hull(ours, best.hull),
                audience_bits_percent=100
                * (received(ours).bitrate / received(reference).bitrate - 1),
                audience_vmaf=received(ours).vmaf - received(reference).vmaf,
                decision_cpu_seconds=spent,
                encode_cpu_seconds=encoded.cpu_seconds,
                rate_errors_percent=encoded.rate_errors_percent,
                vmaf_errors=encoded.vmaf_errors,
                delivered_loss_percent=bd_rate(ideal, delivered(encoded.rungs, truth))
                if encode
                else None,
            )
        )
        sys.stderr.write(f"{rows[-1]}\n")
    return rows


@dataclass(frozen=True, slots=True)
class Encoded:
    """What encoding a title's ladder gave: the rungs as delivered, and how far each is off."""

    cpu_seconds: float | None
    rate_errors_percent: tuple[float, ...]
    vmaf_errors: tuple[float, ...]
    rungs: tuple[Choice, ...]


_NOTHING = Encoded(None, (), (), ())


def _encoded(title: Title, effort: EffortName, cache: Path) -> Encoded:
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
    rungs = document["ladder"]["rungs"]
    return Encoded(
        document["cost"]["encode_cpu_seconds"],
        tuple(one["bitrate_percent"] for one in errors),
        tuple(one["vmaf"] for one in errors),
        tuple((one["width"], one["height"], tuple(one["crf_per_shot"])) for one in rungs),
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table, and a line of means for each effort."""
    lines = [
        "| title | shots | effort | trials | rungs | loss % | over hull % "
        "| gain % (exhaustive) | audience: bits %, VMAF | decision CPU s "
        "| share of encode | median rate error % | median VMAF error | loss as delivered % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
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
            f"| {text(row.loss_percent)} | {text(row.hull_loss_percent)} "
            f"| {text(row.gain_percent, '.1f')} ({text(row.exhaustive_gain_percent, '.1f')}) "
            f"| {row.audience_bits_percent:.1f}, {row.audience_vmaf:+.2f} "
            f"| {text(row.decision_cpu_seconds, '.1f')} "
            f"| {text(share, '.1%')} | {text(rate)} | {text(vmaf)} "
            f"| {text(row.delivered_loss_percent)} |"
        )
    lines.append("")
    for effort in dict.fromkeys(row.effort for row in rows):
        own = [row for row in rows if row.effort == effort]
        lost = [row.loss_percent for row in own if row.loss_percent is not None]
        parts = [f"{effort}: loss mean {np.mean(lost):.2f}%, worst {max(lost):.2f}%"]
        over = float(np.mean([row.hull_loss_percent for row in own]))
        parts.append(f"{over:.2f}% over the exhaustive hull")
        bits = float(np.mean([row.audience_bits_percent for row in own]))
        seen = float(np.mean([row.audience_vmaf for row in own]))
        parts.append(f"an audience receives {bits:+.1f}% bits at {seen:+.2f} VMAF")
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
            after = [
                r.delivered_loss_percent for r in spent if r.delivered_loss_percent is not None
            ]
            parts.append(f"loss as delivered mean {np.mean(after):.2f}%, worst {max(after):.2f}%")
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
