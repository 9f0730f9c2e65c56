"""Fits the prior of a codec's rate-quality surfaces, and says how far off it is.

    python scripts/train/fit.py SHOTS.json [-o encoder/ladder/priors/h264.npz]

SHOTS is what ``scripts/train/measure.py`` made: a folder with a JSON file for each shot, or the
file that they were merged into. Written are the prior and, beside it, ``<name>.errors.json``: the
errors of shots whose origin was left out of the fit, and the bits lost against exhaustive search
for random titles of such shots, with no trial, with one, with two and with three.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder.ladder.prior import Belief, Prior, believe, features, from_logit, logit
from encoder.ladder.surface import Projection, Surfaces, crf_grid, from_beliefs, upper_hull
from encoder.ladder.sweep import Limits, TitlePoint, sweep
from encoder.media.ladder import Trial
from encoder.media.shots import Complexity
from encoder.score.bd import bd_rate

Array = NDArray[np.float64]
# How far surfaces are smooth (octaves of scale, steps of CRF), and how much that counts beside what
# the examples show.
_SMOOTH_OCTAVES, _SMOOTH_CRFS, _SMOOTH_SHARE = 1.2, 12.0, 0.3
_RIDGES = (10.0, 30.0, 100.0)
# Below that a shot of 40 frames has more than one IDR picture.
_LEAST_FRAME_RATE = 20.0
_LIMITS = Limits(peak_over_average=1e9, floor=100.0)


@dataclass(frozen=True, slots=True)
class Example:
    """A measured shot: its clip, features, surface and how its short window differs."""

    clip: str
    features: Array
    surface: Array
    window: Array
    width: int
    height: int
    frame_rate: float
    frames: int
    window_frames: int
    shot: dict[str, Any]


def read(path: Path) -> list[dict[str, Any]]:
    """The measured shots of a folder or a merged file."""
    if path.is_dir():
        return [json.loads(p.read_text(encoding="utf-8")) for p in sorted(path.glob("*.json"))]
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["shots"]
    return found


def example(shot: dict[str, Any]) -> Example:
    """A shot as numbers; scales ascend, as in a prior."""
    rate = shot["frame_rate"][0] / shot["frame_rate"][1]
    pixels = shot["width"] * shot["height"]
    whole, short = (_surface(shot[name], pixels) for name in ("truth", "short"))
    return Example(
        clip=shot["clip"],
        features=features(Complexity(**shot["complexity"]), shot["width"], shot["height"], rate),
        surface=whole,
        window=short - whole,
        width=shot["width"],
        height=shot["height"],
        frame_rate=rate,
        frames=shot["truth"]["frames"],
        window_frames=shot["short"]["frames"],
        shot=shot,
    )


def _surface(grid: dict[str, Any], pixels: int) -> Array:
    others = grid["frames"] - 1
    key = np.log2(np.maximum(np.array(grid["idr"]), 8.0) / pixels)
    rest = np.log2(np.maximum(np.array(grid["rest"]), 8.0 * others) / others / pixels)
    return np.concatenate(
        [part[::-1].ravel() for part in (key, rest, logit(np.array(grid["vmaf"])))]
    )


def fit(
    examples: Sequence[Example], ridge: float, scales: Array, crfs: Array, codec: str, preset: str
) -> Prior:
    """The Gaussian prior of these examples: ridge regression on features, and what that leaves."""
    raw = np.array([one.features for one in examples])
    surfaces = np.array([one.surface for one in examples])
    windows = np.array([one.window for one in examples])
    centre, spread = raw.mean(axis=0), raw.std(axis=0) + 1e-3
    standard = np.clip((raw - centre) / spread, -3, 3)
    coefficients, fitted, leverage = _ridge(standard, surfaces, ridge)
    # Residuals as they would be of examples that were left out.
    residuals = (surfaces - fitted) / (1 - leverage)[:, None]
    return Prior(
        codec=codec,
        preset=preset,
        scales=scales,
        crfs=crfs,
        centre=centre,
        spread=spread,
        coefficients=coefficients,
        covariance=_shrunk(_typical(residuals), scales, crfs),
        window_mean=windows.mean(axis=0),
        window_covariance=_shrunk(_typical(windows - windows.mean(axis=0)), scales, crfs),
        alike=0.0,
        widening=1.0,
    )


def _ridge(x: Array, y: Array, ridge: float) -> tuple[Array, Array, Array]:
    design = np.hstack([x, np.ones((len(x), 1))])
    penalty = ridge * np.eye(design.shape[1])
    penalty[-1, -1] = 1e-9
    inverse = np.linalg.inv(design.T @ design + penalty)
    coefficients = inverse @ design.T @ y
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    return coefficients, design @ coefficients, np.minimum(leverage, 0.9)


def _typical(residuals: Array) -> Array:
    """Residuals of which the few that are far greater than most are made as great as most are.

    How errors go together is learned from all shots then, and not from those alone that are like no
    other: a shot that is off by four times as much would count for sixteen.
    """
    usual = 1.4826 * np.median(np.abs(residuals), axis=0) + 1e-3
    size = np.sqrt(np.mean((residuals / usual) ** 2, axis=1))
    weight = np.median(size) / np.maximum(size, 1.0)
    return np.asarray(residuals * weight[:, None])


def _shrunk(residuals: Array, scales: Array, crfs: Array) -> Array:
    """A covariance between that of the residuals and one that knows only that surfaces are smooth.

    Of few examples the former has too few dimensions: it would be sure of what it has never seen.
    """
    raw = residuals.T @ residuals / len(residuals)
    nodes = len(scales) * len(crfs)
    kinds = len(raw) // nodes
    x = np.repeat(np.log2(scales), len(crfs)) / _SMOOTH_OCTAVES
    y = np.tile(crfs, len(scales)) / _SMOOTH_CRFS
    near = np.exp(-0.5 * ((x[:, None] - x) ** 2 + (y[:, None] - y) ** 2))
    blocks = raw.reshape(kinds, nodes, kinds, nodes)
    shared = np.einsum("inkn->ik", blocks) / nodes
    smooth = np.einsum("ik,nm->inkm", shared, near).reshape(raw.shape)
    mixed = (1 - _SMOOTH_SHARE) * raw + _SMOOTH_SHARE * smooth
    return np.asarray(mixed + 1e-5 * np.eye(len(raw)))


def choose_ridge(
    examples: Sequence[Example], make: Callable[[Sequence[Example], float], Prior]
) -> float:
    """The ridge with the least error on origins that were left out."""
    errors = {}
    for ridge in _RIDGES:
        left_out = [
            one.surface - prior.mean(one.features) for one, prior in held_out(examples, ridge, make)
        ]
        errors[ridge] = float(np.mean(np.square(left_out)))
    return min(errors, key=lambda ridge: errors[ridge])


def held_out(
    examples: Sequence[Example], ridge: float, make: Callable[[Sequence[Example], float], Prior]
) -> list[tuple[Example, Prior]]:
    """Each example with the prior of the clips of all other origins."""
    origins = sorted({origin(one) for one in examples})
    priors = {its: make([one for one in examples if origin(one) != its], ridge) for its in origins}
    return [(one, priors[origin(one)]) for one in examples]


def origin(one: Example) -> str:
    """Where a clip is from: what its name has before ``__``."""
    return one.clip.partition("__")[0]


def trials_of(one: Example, places: Sequence[tuple[int, int]]) -> list[Trial]:
    """Short trials of an example at nodes (scale from the largest down, CRF)."""
    shot, short = one.shot, one.shot["short"]
    return [
        Trial(
            shot=0,
            start=0,
            frames=short["frames"],
            width=shot["sizes"][size][0],
            height=shot["sizes"][size][1],
            crf=shot["crfs"][crf],
            key_frames=1,
            key_bits=int(short["idr"][size][crf]),
            other_bits=int(short["rest"][size][crf]),
            vmaf=short["vmaf"][size][crf],
        )
        for size, crf in places
    ]


# No trial; one in the middle; two; three.
DESIGNS: dict[str, tuple[tuple[int, int], ...]] = {
    "no trial": (),
    "one": ((2, 2),),
    "two": ((1, 1), (3, 2)),
    "three": ((0, 1), (2, 2), (4, 3)),
}


def belief_of(one: Example, prior: Prior, places: Sequence[tuple[int, int]]) -> Belief:
    """What is known of an example after short trials."""
    side = max(one.width, one.height)
    trials = trials_of(one, places)
    return believe(prior, one.features, one.frames, trials, one.width * one.height, side)


def errors(pairs: Sequence[tuple[Example, Prior]]) -> dict[str, Any]:
    """Errors of examples that were left out: of rates in per cent and of VMAF."""
    found = {}
    for name, places in DESIGNS.items():
        rates, vmafs, ratios = [], [], []
        for one, prior in pairs:
            n = prior.nodes
            belief = belief_of(one, prior, places)
            quality = from_logit(one.surface[2 * n :])
            inside = (quality > 30) & (quality < 97)
            off = belief.mean - one.surface
            deviation = np.sqrt(np.diag(belief.covariance))
            rates += list(100 * (np.exp2(off[n : 2 * n][inside]) - 1))
            vmafs += list((from_logit(belief.mean[2 * n :]) - quality)[inside])
            ratios += list(np.abs(off / deviation)[n:][np.tile(inside, 2)])
        found[name] = {
            "median_rate_error_percent": round(float(np.median(np.abs(rates))), 2),
            "median_vmaf_error": round(float(np.median(np.abs(vmafs))), 2),
            "p90_rate_error_percent": round(float(np.percentile(np.abs(rates), 90)), 2),
            "p90_vmaf_error": round(float(np.percentile(np.abs(vmafs), 90)), 2),
            "deviations_of_80_percent": round(float(np.percentile(ratios, 80)), 2),
        }
    return found


def losses(pairs: Sequence[tuple[Example, Prior]], titles: int, shots: int) -> dict[str, Any]:
    """BD-rate in per cent lost against exhaustive search, for random titles of left-out shots."""
    random = np.random.default_rng(1)
    picks = [random.choice(len(pairs), shots, replace=False) for _ in range(titles)]
    truths = [_title([pairs[i] for i in pick], None) for pick in picks]
    found = {}
    for name, places in DESIGNS.items():
        lost = []
        for pick, truth in zip(picks, truths, strict=True):
            guess = _title([pairs[i] for i in pick], places)
            best, chosen = _delivered(truth, truth), _delivered(guess, truth)
            loss = bd_rate(best, chosen)
            if loss is not None:
                lost.append(loss)
        found[name] = {
            "mean": round(float(np.mean(lost)), 2),
            "p90": round(float(np.percentile(lost, 90)), 2),
            "max": round(float(np.max(lost)), 2),
            "titles": len(lost),
        }
    return found


def _title(
    pairs: Sequence[tuple[Example, Prior]], places: Sequence[tuple[int, int]] | None
) -> Surfaces:
    """Surfaces of a title of such shots: as they are, or as believed after trials."""
    prior = pairs[0][1]
    crfs = crf_grid((15.0, 43.0), 0.5)
    sizes = [(round(1280 * s), round(720 * s)) for s in prior.scales[::-1]]
    parts = []
    for one, own in pairs:
        belief = (
            Belief(one.surface, own.covariance, own.covariance)
            if places is None
            else belief_of(one, own, places)
        )
        projection = Projection.make(own, sizes, crfs, (1280, 720))
        # As if all were of one size and rate: what counts is how their curves differ.
        parts.append(from_beliefs(own, [belief], projection, [40], [1], 25.0))
    return replace(
        parts[0],
        frames=np.full(len(parts), 40.0),
        rates=np.concatenate([part.rates for part in parts]),
        vmafs=np.concatenate([part.vmafs for part in parts]),
        rate_errors=np.concatenate([part.rate_errors for part in parts]),
        vmaf_errors=np.concatenate([part.vmaf_errors for part in parts]),
    )


def _delivered(guess: Surfaces, truth: Surfaces) -> list[tuple[float, float]]:
    """What the points of a guess's hull really give, a dozen evenly spaced in expected VMAF."""
    hull = [
        p
        for p in upper_hull([p for c in sweep(guess, _LIMITS) for p in c])
        if isinstance(p, TitlePoint)
    ]
    quality = [p.vmaf for p in hull]
    wanted = np.linspace(max(35.0, quality[0]), min(96.0, quality[-1]), 12)
    picked = sorted({int(np.argmin(np.abs(np.array(quality) - w))) for w in wanted})
    rows = np.arange(len(truth.frames))
    found = []
    for point in (hull[i] for i in picked):
        at = rows, point.size, point.choice
        found.append(
            (float(truth.weights @ truth.rates[at]), float(truth.weights @ truth.vmafs[at]))
        )
    return found


def likeness(pairs: Sequence[tuple[Example, Prior]]) -> float:
    """The correlation of what features leave open between different clips with like features."""
    total = weight = 0.0
    for i, (one, prior) in enumerate(pairs):
        mine = one.surface - prior.mean(one.features)
        scale = np.sqrt(np.diag(prior.covariance))
        for other, its in pairs[i + 1 :]:
            if (one.shot["width"], one.frame_rate) != (other.shot["width"], other.frame_rate):
                continue
            apart = float(
                np.mean((prior.standard(one.features) - prior.standard(other.features)) ** 2)
            )
            near = float(np.exp(-0.5 * apart / 0.25))
            if near > 0.3:
                theirs = other.surface - its.mean(other.features)
                total += near * float(np.mean(mine * theirs / scale**2))
                weight += near**2
    return float(np.clip(total / weight, 0.0, 0.9)) if weight else 0.3


def save(prior: Prior, path: Path) -> None:
    """Writes a prior in single precision."""
    names = (
        "scales",
        "crfs",
        "centre",
        "spread",
        "coefficients",
        "covariance",
        "window_mean",
        "window_covariance",
    )
    arrays: dict[str, Any] = {name: getattr(prior, name).astype(np.float32) for name in names}
    with path.open("wb") as file:
        np.savez_compressed(
            file, preset=prior.preset, alike=prior.alike, widening=prior.widening, **arrays
        )


def main(argv: Sequence[str]) -> int:
    """Fits, measures, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shots", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("encoder/ladder/priors/h264.npz"))
    parser.add_argument("--titles", type=int, default=60)
    asked = parser.parse_args(argv)
    measured = read(asked.shots)
    examples = [
        one
        for one in map(example, measured)
        if one.frame_rate >= _LEAST_FRAME_RATE and one.frames >= 24
    ]
    first = measured[0]
    crfs = np.array(first["crfs"])
    scales = np.array([1 / 5, 1 / 3, 1 / 2, 3 / 5, 3 / 4, 1.0])

    def make(some: Sequence[Example], ridge: float) -> Prior:
        return fit(some, ridge, scales, crfs, first["codec"], first["preset"])

    ridge = choose_ridge(examples, make)
    pairs = held_out(examples, ridge, make)
    found = errors(pairs)
    # 80% of a normal distribution lie within 1.2816 deviations.
    widening = max(1.0, found["two"]["deviations_of_80_percent"] / 1.2816)
    alike = likeness(pairs)
    prior = replace(make(examples, ridge), alike=round(alike, 2), widening=round(widening, 2))
    save(prior, asked.output)
    report = {
        "shots": len(examples),
        "clips": len({one.clip for one in examples}),
        "origins": len({origin(one) for one in examples}),
        "ridge": ridge,
        "alike": prior.alike,
        "widening": prior.widening,
        "errors": found,
        "bd_rate_lost_percent": losses(pairs, asked.titles, 4),
    }
    text = json.dumps(report, indent=2) + "\n"
    asked.output.with_suffix(".errors.json").write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
