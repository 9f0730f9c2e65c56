"""How good decisions are over many titles, without encoding any: encodes are read off measurements.

    python scripts/bench/replay.py CLIPS [--titles N] [--seconds S] [--parts P] [--mixtures N]
        [--shots LEAST,MOST] [--effort NAME] [--seed N] [--work FOLDER] [--json FILE]

``ladder.py`` says what a handful of titles lose, of which one more or less of a resolution changes
the mean. Here the shots of these titles, each measured at every resolution and eight CRFs on all of
its frames (in WORK, by ``ladder.py`` or by this), are mixed into as many titles as one likes.
Trials are real, and kept. What is encoded of a ladder, its anchors, the others and corrections, is
read off the measurements, so that a title takes seconds and two versions of a rule can be compared
on the same titles. Of every title it says

- the BD-rate that the decided ladder, and the one that would be delivered, lose against the
  exhaustive one, and how many more bits their rungs cost than the exhaustive hull at the same VMAF
- their BD-rate against the fixed ladder beside what exhaustive search gains
- how much is encoded in all, anchors that were not kept and corrections included, to what the
  delivered ladder takes: 1 is every rung once. Pictures count by their pixels, and by as many more
  as measuring takes
- how far its rungs are off what is expected of them

Buffer model and seams are not played; what real encodes give differs a little from shot to shot.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from ladder import Reference, above_hull, choices, delivered, pipeline
from titles import make_titles

from encoder.engine.store import Store
from encoder.engine.trials import TrialMaker
from encoder.ladder.anchors import Anchor, decide_around, is_anchor, next_anchors
from encoder.ladder.correct import correct
from encoder.ladder.correct import delivered as given_by
from encoder.ladder.decide import decide_ladder, fixed_points
from encoder.ladder.evidence import EFFORTS, EffortName, gather, surfaces
from encoder.ladder.policy import load_policy
from encoder.ladder.prior import from_logit, logit
from encoder.ladder.sample import Window
from encoder.ladder.trials import Encode
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.ladder import Ladder, Rung, Trial
from encoder.media.shots import Analysis, Shot
from encoder.score.bd import bd_rate, pchip

POLICY, FIXED = load_policy("per-title"), load_policy("apple-hls")
# Shots of fewer frames are left out: they are hardly of a title, and decide nothing.
LEAST_FRAMES = 20
# Measuring a picture takes as long as encoding this many pixels at x264's medium.
MEASURING = 0.75 * 1280 * 720
# As often as an ingest corrects, see encoder/engine/correcting.py.
ROUNDS = 2


class Source:
    """A title whose shots were measured, and a maker of its trials."""

    def __init__(self, path: Path, work: Path, folder: Path) -> None:
        with pipeline(work / "store") as steps:
            master = steps.master(path)
            self.conform, self.analysis = steps.reference(master, POLICY)
            best: Ladder = steps.ladder(master, self.conform, self.analysis, POLICY, "exhaustive")
            ffmpeg = steps.ffmpeg

        def maker() -> TrialMaker:
            return TrialMaker(
                ffmpeg,
                Store(work / "replayed"),
                {"digest": master.digest},
                master,
                self.conform,
                POLICY,
                Path(tempfile.mkdtemp(dir=folder)),
                jobs=2,
                at_once=False,
                on_report=lambda *_: None,
                on_missing=lambda _: None,
            )

        # One for each window, which takes it from the title once.
        self._makers: defaultdict[FrameRange, TrialMaker] = defaultdict(maker)
        self.measured = best.trials
        self._by_place: dict[tuple[int, int, int], list[Trial]] = {}
        for trial in sorted(best.trials, key=lambda t: t.crf):
            place = (trial.shot, trial.width, trial.height)
            self._by_place.setdefault(place, []).append(trial)

    def tried(self, window: Window, encode: Encode, every: int) -> Trial:
        """A trial of a window of this title."""
        (found,) = self._makers[window.frames]([window], [replace(encode, window=0)], every)
        return found

    def encoded(self, shot: int, rung: Rung, crf: float) -> Trial:
        """What a rung gives of a shot, between what was measured of it."""
        own = self._by_place[shot, rung.width, rung.height]
        crfs = np.array([trial.crf for trial in own])

        def at(values: Sequence[float]) -> float:
            return float(pchip(crfs, np.array(values))(crf))

        key_bits = 2 ** at([np.log2(trial.key_bits) for trial in own])
        other_bits = 2 ** at([np.log2(max(8, trial.other_bits)) for trial in own])
        vmaf = at([float(logit(np.array(trial.vmaf))) for trial in own])
        return replace(
            own[0],
            crf=crf,
            key_bits=round(key_bits),
            other_bits=round(other_bits),
            vmaf=float(from_logit(np.array(vmaf))),
        )


class Mixture:
    """A title of shots of several sources."""

    def __init__(self, picks: Sequence[tuple[Source, int]]) -> None:
        self.picks = picks
        self.conform: Conform = picks[0][0].conform
        shots, end, measured = [], 0, []
        for number, (source, index) in enumerate(picks):
            shot = source.analysis.shots[index]
            frames = FrameRange(end, end + len(shot.frames))
            shots.append(Shot(frames, True, shot.complexity))
            end = frames.end
            own = (trial for trial in source.measured if trial.shot == index)
            measured += [replace(trial, shot=number, start=frames.start) for trial in own]
        self.analysis = Analysis(end, self.conform.frame_rate, tuple(shots))
        best = decide_ladder(self.conform, self.analysis, POLICY, FIXED, measured)
        truth = surfaces(self.conform, self.analysis, POLICY, measured)
        fixed = [(float(p.bitrate), p.vmaf) for p in fixed_points(FIXED, self.conform, truth)]
        self.reference = Reference(best, truth, fixed, None)
        self.lengths = np.array([len(shot.frames) for shot in shots], dtype=np.float64)

    def decide(self, effort: EffortName) -> Ladder:
        """The ladder before any encode."""
        trials = gather(self.conform, self.analysis, POLICY, EFFORTS[effort], self._make)
        return decide_ladder(self.conform, self.analysis, POLICY, FIXED, trials)

    def _make(
        self, windows: Sequence[Window], encodes: Sequence[Encode], every: int
    ) -> list[Trial]:
        found = []
        for encode in encodes:
            window = windows[encode.window]
            source, index = self.picks[window.shot]
            moved = source.analysis.shots[index].frames.start
            moved -= self.analysis.shots[window.shot].frames.start
            frames = FrameRange(window.frames.start + moved, window.frames.end + moved)
            trial = source.tried(Window(frames, index), encode, every)
            found.append(replace(trial, shot=window.shot, start=window.frames.start))
        return found

    def encode(self, rung: Rung) -> tuple[Trial, ...]:
        """What a rung gives of every shot."""
        return tuple(
            replace(
                source.encoded(index, rung, rung.crf_per_shot[number]),
                shot=number,
                start=self.analysis.shots[number].frames.start,
            )
            for number, (source, index) in enumerate(self.picks)
        )

    def off(self, rung: Rung) -> tuple[float, float]:
        """By how many per cent of its rate and how many VMAF a rung is off what is expected."""
        given = given_by(self.encode(rung), float(self.conform.frame_rate))
        rate, vmaf = given.title(self.lengths / self.lengths.sum())
        if rung.expected is None:
            raise ValueError("nothing is expected of the rung")
        return 100 * (rate / rung.expected.average_bitrate - 1), vmaf - rung.expected.vmaf


@dataclass(frozen=True, slots=True)
class Row:
    """A title: see the module. ``encodes`` is the share of work, ``corrected`` that of it which
    corrections are, ``passes`` how often the title is decoded for anchors; losses, gains and
    ``rate_error`` are in per cent. Errors are medians over the rungs, of what is expected of each
    before its last encode."""

    shots: int
    trials: int
    loss: float
    over_hull: float
    gain: float
    delivered_loss: float
    delivered_over_hull: float
    delivered_gain: float
    exhaustive_gain: float
    encodes: float
    corrected: float
    passes: int
    rate_error: float
    vmaf_error: float


def work_of(rung: Rung, frames: float) -> float:
    """What encoding and measuring so many frames of a rung takes."""
    return frames * (rung.width * rung.height + MEASURING)


def replay(title: Mixture, effort: EffortName) -> Row:
    """Decides a title's ladder and goes through its encodes, as an ingest does."""
    first = ladder = title.decide(effort)
    made: set[tuple[int, int, int, int, float]] = set()

    def encode(rungs: Sequence[Rung]) -> tuple[dict[str, tuple[Trial, ...]], float]:
        spent = 0.0
        for rung in rungs:
            for shot, crf in enumerate(rung.crf_per_shot):
                key = (rung.width, rung.height, rung.max_bitrate, shot, crf)
                if key not in made:
                    made.add(key)
                    spent += work_of(rung, float(title.lengths[shot]))
        return {rung.id: title.encode(rung) for rung in rungs}, spent

    anchors: list[Anchor] = []
    spent = corrected = 0.0
    passes = 0
    while chosen := next_anchors(ladder, anchors):
        results, cost = encode(chosen)
        spent += cost
        passes += 1
        anchors += [Anchor(rung, results[rung.id]) for rung in chosen]
        ladder = decide_around(title.conform, title.analysis, POLICY, FIXED, first.trials, anchors)
    results, cost = encode(ladder.rungs)
    spent += cost
    earlier = [trial for anchor in anchors for trial in anchor.trials]
    for _ in range(ROUNDS):
        settled = {rung.id for rung in ladder.rungs if is_anchor(rung, anchors)}
        better = correct(
            title.conform, title.analysis, POLICY, FIXED, ladder, results, earlier, settled
        )
        if better.rungs == ladder.rungs:
            break
        earlier += [trial for found in results.values() for trial in found]
        ladder = better
        results, cost = encode(ladder.rungs)
        corrected += cost
    kept = sum(work_of(rung, float(title.lengths.sum())) for rung in ladder.rungs)
    known = title.reference
    errors = [title.off(rung) for rung in ladder.rungs]
    before, after = (delivered(choices(one.rungs), known.truth) for one in (first, ladder))
    return Row(
        shots=len(title.picks),
        trials=len(first.trials),
        loss=bd_rate(known.ideal, before) or 0.0,
        over_hull=above_hull(before, known.best.hull),
        gain=bd_rate(known.fixed, before) or 0.0,
        delivered_loss=bd_rate(known.ideal, after) or 0.0,
        delivered_over_hull=above_hull(after, known.best.hull),
        delivered_gain=bd_rate(known.fixed, after) or 0.0,
        exhaustive_gain=bd_rate(known.fixed, known.ideal) or 0.0,
        encodes=(spent + corrected) / kept,
        corrected=corrected / kept,
        passes=passes,
        rate_error=float(np.median([abs(rate) for rate, _ in errors])),
        vmaf_error=float(np.median([abs(vmaf) for _, vmaf in errors])),
    )


def mixtures(
    sources: Sequence[Source], count: int, shots: tuple[int, int], seed: int
) -> Iterator[Mixture]:
    """Titles of different shots; the same seed gives the same ones."""
    chooser = random.Random(seed)
    pool = [
        (source, index)
        for source in sources
        for index, shot in enumerate(source.analysis.shots)
        if len(shot.frames) >= LEAST_FRAMES
    ]
    for _ in range(count):
        yield Mixture(chooser.sample(pool, min(len(pool), chooser.randint(*shots))))


def said(rows: Sequence[Row]) -> str:
    """All titles together; ± is the standard error of a mean."""

    def mean(name: str, form: str = ".2f") -> str:
        values = np.array([getattr(row, name) for row in rows])
        error = values.std() / np.sqrt(len(values))
        return f"{values.mean():{form}} ± {error:{form}}"

    def worst(name: str) -> str:
        return f"{max(getattr(row, name) for row in rows):.2f}"

    whole = sum(row.exhaustive_gain for row in rows)
    lines = ["| | loss % | worst | over hull % | of the exhaustive gain |", "|---|---|---|---|---|"]
    for name, start in (("decided", ""), ("delivered", "delivered_")):
        share = sum(getattr(row, f"{start}gain") for row in rows) / whole
        loss = f"{start}loss"
        lines.append(
            f"| {name} | {mean(loss)} | {worst(loss)} | {mean(f'{start}over_hull')} | {share:.1%} |"
        )
    lines.append("")
    lines.append(
        f"{len(rows)} titles, {mean('trials', '.1f')} trials; encoded {mean('encodes')} times the "
        f"ladder, {mean('corrected')} of it corrections, after {mean('passes', '.1f')} passes of "
        f"anchors; rungs are off by {mean('rate_error', '.1f')}% of the rate and "
        f"{mean('vmaf_error')} VMAF"
    )
    return "\n".join(lines) + "\n"


@contextmanager
def scratch(work: Path) -> Iterator[Path]:
    """A folder that is removed again."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        yield Path(name)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("--titles", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--parts", type=int, default=3)
    parser.add_argument("--mixtures", type=int, default=24)
    parser.add_argument("--shots", default="3,6")
    parser.add_argument("--effort", default="standard", choices=[*EFFORTS])
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "encoder-bench")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(argv)
    asked.work.mkdir(parents=True, exist_ok=True)
    least, most = (int(number) for number in asked.shots.split(","))
    titles = make_titles(asked.clips, asked.titles, asked.seconds, asked.parts, asked.work)
    rows = []
    with scratch(asked.work) as folder:
        sources = [Source(title.path, asked.work, folder) for title in titles]
        for title in mixtures(sources, asked.mixtures, (least, most), asked.seed):
            rows.append(replay(title, asked.effort))
            sys.stderr.write(f"{rows[-1]}\n")
    sys.stdout.write(said(rows))
    if asked.json:
        document = {"schema": "encoder.bench.replay/1", "rows": [asdict(row) for row in rows]}
        asked.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
