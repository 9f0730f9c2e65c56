"""How good and how cheap the ladder's decision is, against exhaustive search and a fixed ladder.

    python scripts/bench/ladder.py CLIPS [--titles N] [--seconds S] [--efforts instant,standard]
        [--work FOLDER] [--encode] [--no-reference] [--json FILE] [--markdown FILE]

CLIPS is a folder of videos. Titles are made of several different clips each, joined at 1280x720
and 25 frames a second. The reference is `--effort exhaustive`: every shot at every resolution of
the policy and eight CRFs, at the final preset, on all frames; its trials stay in the folder WORK,
so that the benchmark can be repeated in minutes. What it took in CPU seconds is kept there too: it
is what a plain grid of resolutions and CRFs costs. Of each effort it says

- the BD-rate its ladder loses against the exhaustive one, both read off the exhaustive measurements
- CPU seconds of probing, analysing and deciding (with nothing kept from before), what part that is
  of the exhaustive search's, and with `--encode` of those of encoding the ladder
- how many more bits its rungs cost than the exhaustive hull at the same VMAF, on average: the same
  without what a curve through a handful of rungs makes up between them
- BD-rate against the fixed ladder, beside what exhaustive search gains
- what the default audience receives against the fixed ladder: expected bits and expected VMAF
- with `--encode`, how far the delivered rates and VMAF are from the predicted ones, and the loss of
  the ladder that was delivered, which what was encoded first and corrected has changed

`--no-reference` leaves the exhaustive search out, and all that is compared with it: the shares of
long titles can be had in less than a day. A prior of one's own is named by the environment variable
ENCODER_PRIORS.
"""

from __future__ import annotations

import argparse
import json
import os
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
from titles import Title, make_titles

from encoder.engine.events import silent
from encoder.engine.pipeline import Pipeline
from encoder.engine.store import Store
from encoder.ffmpeg.locate import locate
from encoder.ladder.audience import expected_delivery
from encoder.ladder.decide import fixed_points
from encoder.ladder.evidence import EffortName, surfaces
from encoder.ladder.policy import load_policy
from encoder.ladder.read_audience import DEFAULT_AUDIENCE, load_audience
from encoder.ladder.surface import Surfaces
from encoder.media.audience import ExpectedDelivery
from encoder.media.ladder import Ladder, RateQualityPoint, Rung
from encoder.score.bd import bd_rate

Points = list[tuple[float, float]]
# Of a rung: width, height and the CRF of each shot.
Choice = tuple[int, int, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """What one effort gave for one title; see the columns of :func:`markdown`."""

    title: str
    shots: int
    frames: int
    effort: str
    trials: int
    rungs: int
    compared: Compared | None
    decision_cpu_seconds: float
    encode_cpu_seconds: float | None
    rate_errors_percent: tuple[float, ...]
    vmaf_errors: tuple[float, ...]
    delivered_loss_percent: float | None


@dataclass(frozen=True, slots=True)
class Compared:
    """What a ladder is beside the exhaustive and the fixed one."""

    loss_percent: float | None
    gain_percent: float | None
    exhaustive_gain_percent: float | None
    hull_loss_percent: float
    audience_bits_percent: float
    audience_vmaf: float
    exhaustive_cpu_seconds: float | None


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


@dataclass(frozen=True, slots=True)
class Reference:
    """The exhaustive search of a title, and what it says of any ladder."""

    best: Ladder
    truth: Surfaces
    fixed: Points
    cpu_seconds: float | None

    @property
    def ideal(self) -> Points:
        """What the exhaustive ladder's rungs cost and reach."""
        return delivered(choices(self.best.rungs), self.truth)

    def compare(self, rungs: Sequence[Choice]) -> Compared:
        """A ladder beside the exhaustive and the fixed one."""
        ours = delivered(rungs, self.truth)
        ours_seen, fixed_seen = received(ours), received(self.fixed)
        return Compared(
            loss_percent=bd_rate(self.ideal, ours),
            gain_percent=bd_rate(self.fixed, ours),
            exhaustive_gain_percent=bd_rate(self.fixed, self.ideal),
            hull_loss_percent=above_hull(ours, self.best.hull),
            audience_bits_percent=100 * (ours_seen.bitrate / fixed_seen.bitrate - 1),
            audience_vmaf=ours_seen.vmaf - fixed_seen.vmaf,
            exhaustive_cpu_seconds=self.cpu_seconds,
        )


def refer(title: Title, work: Path) -> Reference:
    """The exhaustive search of a title, from the store if it is there."""
    policy, fixed = load_policy("per-title"), load_policy("apple-hls")
    cost, store = work / f"{title.path.stem}.cpu", work / "store"
    before, kept = cpu(), _trials_in(store)
    with pipeline(store) as steps:
        master = steps.master(title.path)
        conform, analysis = steps.reference(master, policy)
        best: Ladder = steps.ladder(master, conform, analysis, policy, "exhaustive")
    # What a search took that was ended and went on is not known.
    if _trials_in(store) - kept == len(best.trials):
        cost.write_text(f"{cpu() - before:.1f}\n", encoding="utf-8")
    truth = surfaces(conform, analysis, policy, best.trials)
    return Reference(
        best,
        truth,
        [(float(p.bitrate), p.vmaf) for p in fixed_points(fixed, conform, truth)],
        float(cost.read_text(encoding="utf-8")) if cost.exists() else None,
    )


def _trials_in(store: Path) -> int:
    return sum(1 for _ in (store / "trials").glob("*/*/entry.json"))


def bench(
    title: Title, efforts: Sequence[EffortName], work: Path, encode: bool, against: bool
) -> list[Row]:
    """All rows of a title; ``against`` compares with the exhaustive search."""
    policy = load_policy("per-title")
    reference = refer(title, work) if against else None
    rows = []
    for effort in efforts:
        scratch = Path(tempfile.mkdtemp(dir=work))
        before = cpu()
        with pipeline(scratch) as steps:
            again = steps.master(title.path)
            shape, found = steps.reference(again, policy)
            ladder = steps.ladder(again, shape, found, policy, effort)
        spent = cpu() - before
        encoded = _encoded(title, effort, scratch) if encode else _NOTHING
        shutil.rmtree(scratch)
        later = None
        if reference is not None and encode:
            later = bd_rate(reference.ideal, delivered(encoded.rungs, reference.truth))
        rows.append(
            Row(
                title=title.path.stem,
                shots=len(found.shots),
                frames=found.frames,
                effort=effort,
                trials=len(ladder.trials),
                rungs=len(ladder.rungs),
                compared=reference.compare(choices(ladder.rungs)) if reference else None,
                decision_cpu_seconds=spent,
                encode_cpu_seconds=encoded.cpu_seconds,
                rate_errors_percent=encoded.rate_errors_percent,
                vmaf_errors=encoded.vmaf_errors,
                delivered_loss_percent=later,
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
        "| gain % (exhaustive) | audience: bits %, VMAF | decision CPU s | of exhaustive "
        "| share of encode | median rate error % | median VMAF error | loss as delivered % |",
        "| --- " * 15 + "|",
    ]
    for row in rows:
        one, spent = row.compared, row.decision_cpu_seconds
        share = spent / row.encode_cpu_seconds if row.encode_cpu_seconds else None
        whole = one.exhaustive_cpu_seconds if one else None
        cells: list[object] = [row.title, row.shots, row.effort, row.trials, row.rungs]
        if one is None:
            cells += ["-"] * 4
        else:
            cells += [text(one.loss_percent), text(one.hull_loss_percent)]
            cells.append(
                f"{text(one.gain_percent, '.1f')} ({text(one.exhaustive_gain_percent, '.1f')})"
            )
            cells.append(f"{one.audience_bits_percent:.1f}, {one.audience_vmaf:+.2f}")
        cells += [f"{spent:.1f}", text(spent / whole if whole else None, ".1%")]
        cells.append(text(share, ".1%"))
        cells += [text(_middle(row.rate_errors_percent)), text(_middle(row.vmaf_errors))]
        cells.append(text(row.delivered_loss_percent))
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines.append("")
    for effort in dict.fromkeys(row.effort for row in rows):
        own = [row for row in rows if row.effort == effort]
        lines.append(f"- {effort}: " + "; ".join([*_beside(own), *_spent(own)]))
    return "\n".join(lines) + "\n"


def text(value: float | None, form: str = ".2f") -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else format(value, form)


def _middle(errors: Sequence[float]) -> float | None:
    return median(map(abs, errors)) if errors else None


def _beside(rows: Sequence[Row]) -> list[str]:
    """What the rows say together of how good the decision is."""
    found = [row.compared for row in rows if row.compared is not None]
    if not found:
        return []
    lost = [one.loss_percent for one in found if one.loss_percent is not None]
    over = float(np.mean([one.hull_loss_percent for one in found]))
    bits = float(np.mean([one.audience_bits_percent for one in found]))
    seen = float(np.mean([one.audience_vmaf for one in found]))
    parts = [
        f"loss mean {np.mean(lost):.2f}%, worst {max(lost):.2f}%",
        f"{over:.2f}% over the exhaustive hull",
        f"an audience receives {bits:+.1f}% bits at {seen:+.2f} VMAF",
    ]
    gained = [
        one.gain_percent / one.exhaustive_gain_percent
        for one in found
        if one.gain_percent is not None and one.exhaustive_gain_percent
    ]
    if gained:
        parts.append(f"{np.mean(gained):.1%} of the exhaustive gain")
    after = [r.delivered_loss_percent for r in rows if r.delivered_loss_percent is not None]
    if after:
        parts.append(f"loss as delivered mean {np.mean(after):.2f}%, worst {max(after):.2f}%")
    return parts


def _spent(rows: Sequence[Row]) -> list[str]:
    """What the rows say together of its cost, and of how far what it promised is off."""
    parts = []
    known = [
        (row.decision_cpu_seconds, row.compared.exhaustive_cpu_seconds)
        for row in rows
        if row.compared is not None and row.compared.exhaustive_cpu_seconds
    ]
    if known:
        share = sum(mine for mine, _ in known) / sum(whole or 0.0 for _, whole in known)
        parts.append(f"decision {share:.1%} of the exhaustive search's CPU")
    encoded = [row for row in rows if row.encode_cpu_seconds]
    if encoded:
        mine = sum(row.decision_cpu_seconds for row in encoded)
        share = mine / sum(row.encode_cpu_seconds or 0.0 for row in encoded)
        rates = [abs(error) for row in encoded for error in row.rate_errors_percent]
        vmafs = [abs(error) for row in encoded for error in row.vmaf_errors]
        parts.append(f"decision {share:.1%} of the encode's CPU")
        parts.append(f"median error {median(rates):.1f}% rate, {median(vmafs):.2f} VMAF")
    return parts or [f"decision {sum(row.decision_cpu_seconds for row in rows):.1f} CPU seconds"]


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
    parser.add_argument("--no-reference", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    asked = parser.parse_args(argv)
    asked.work.mkdir(parents=True, exist_ok=True)
    titles = make_titles(asked.clips, asked.titles, asked.seconds, asked.parts, asked.work)
    rows = [
        row
        for title in titles
        for row in bench(
            title, asked.efforts.split(","), asked.work, asked.encode, not asked.no_reference
        )
    ]
    table = markdown(rows)
    sys.stdout.write(table)
    if asked.markdown:
        asked.markdown.write_text(table, encoding="utf-8")
    if asked.json:
        document = {
            "schema": "encoder.bench.ladder/2",
            "titles": {t.path.stem: list(t.clips) for t in titles},
            "rows": [asdict(row) for row in rows],
        }
        asked.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
