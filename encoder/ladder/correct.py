"""Corrects a ladder by what its rungs delivered: predict, verify, repair.

Trials are few and short, so that a rung may come out better or worse than promised. Its encode,
measured as it was made, is the best trial there is: of every shot, on all of its frames, at the
final preset. With these the surfaces are known next to exactly where rungs lie, and a rung that
missed is decided again for the quality that it was to have. Only shots whose CRF changes are
encoded again.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from encoder.codecs import codec_named
from encoder.ladder.decide import identifier, plain, savings, thinned
from encoder.ladder.evidence import surfaces
from encoder.ladder.forecast import buffer_of, expectation, forecast, most_bitrate
from encoder.ladder.geometry import within_level
from encoder.ladder.order import Standing, in_order
from encoder.ladder.shot_hulls import shot_hulls
from encoder.ladder.surface import Surfaces, upper_hull
from encoder.ladder.sweep import Limits, TitlePoint, sweep
from encoder.media.conform import Conform
from encoder.media.ladder import Ladder, Rung, Trial
from encoder.media.policy import Policy
from encoder.media.shots import Analysis

# A rung misses when it is off by more than this: VMAF, and the share of the rate.
MISSED_VMAF, MISSED_RATE = 0.5, 0.05
# An encode is not made again for less than this share of its bits, at the quality that was wanted.
_LEAST_SAVED = 0.03
# Nor at another resolution for less than that: what it costs there is known less well.
_SAVED_ELSEWHERE = 0.08
# Nothing more is encoded again once the title is within so much VMAF of what is wanted.
_NEAR_ENOUGH = 0.3
# The buffer model is kept while it is no tighter than by this beside what the new rate asks for.
_TIGHTER = 1.25
# Beliefs about each shot take memory; of longer titles, the longest shots speak for all.
_MOST_SHOTS = 800


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a rung gave: for every shot its bits per second and mean VMAF, by duration."""

    rates: NDArray[np.float64]
    vmafs: NDArray[np.float64]

    def title(self, weights: NDArray[np.float64]) -> tuple[float, float]:
        """Bits per second and mean VMAF of the title."""
        return float(weights @ self.rates), float(weights @ self.vmafs)


def delivered(trials: Sequence[Trial], frame_rate: float) -> Delivered:
    """What the encodes of a rung gave, one for each shot, in order."""
    bits = [t.key_bits + t.other_bits for t in trials]
    rates = [b * frame_rate / t.frames for b, t in zip(bits, trials, strict=True)]
    return Delivered(np.array(rates), np.array([t.vmaf for t in trials]))


def missed(rung: Rung, found: tuple[float, float]) -> bool:
    """Whether a rung that delivers that rate and VMAF is not what was expected."""
    if rung.expected is None:
        return False
    rate, vmaf = found
    off = rate / rung.expected.average_bitrate - 1.0
    return abs(vmaf - rung.expected.vmaf) > MISSED_VMAF or abs(off) > MISSED_RATE


def correct(
    conform: Conform,
    analysis: Analysis,
    policy: Policy,
    reference: Policy | None,
    ladder: Ladder,
    results: Mapping[str, Sequence[Trial]],
    earlier: Sequence[Trial] = (),
    settled: Container[str] = (),
    parts: Sequence[Sequence[int]] = (),
) -> Ladder:
    """The ladder with rungs that missed decided again, for the VMAF that they were to have.

    A rung keeps its resolution, unless its quality was missed and it would cost clearly less at
    another one that was encoded, between those of its neighbours. A rung whose quality is right,
    and which could not have it for fewer bits, stays as it is: what was wrong of it was the
    expectation. Nor is anything changed that would put neighbours in the wrong order; a rung beyond
    what the policy or its devices allow, and not in order within it, is left out. Curves, hull and
    savings are those of what is known now; of a ladder that missed
    nothing they stay as they were.

    Args:
        conform: what the reference pictures are.
        analysis: the title's shots.
        policy: what was wanted.
        reference: the fixed policy that savings are measured against.
        ladder: what was encoded.
        results: of every rung, by its id, the encode of each shot.
        earlier: the same of encodes that were corrected since.
        settled: rungs, by their ids, that stay whatever they gave.
        parts: shots that are encoded together, of which none is encoded again without the others;
            every shot is alone by default.
    """
    policy = within_level(policy)
    weights = np.array([len(shot.frames) for shot in analysis.shots], dtype=np.float64)
    weights /= weights.sum()
    together = parts or [(shot,) for shot in range(len(weights))]
    rate = float(conform.frame_rate)
    known = {name: delivered(trials, rate) for name, trials in results.items()}
    off = [
        rung
        for rung in ladder.rungs
        if rung.id in known
        and rung.id not in settled
        and missed(rung, known[rung.id].title(weights))
    ]
    if not off:
        return ladder
    now = (t for rung in ladder.rungs for t in results.get(rung.id, ()))
    measured = list(dict.fromkeys((*earlier, *now)))
    found = surfaces(conform, analysis, policy, (*ladder.trials, *longest(measured, analysis)))
    curves = sweep(found, Limits(policy.peak_over_average, policy.shot_floor))
    sizes = sorted({(trial.width, trial.height) for trial in measured})
    before = [_standing(rung, known.get(rung.id), weights) for rung in ladder.rungs]
    ways: list[list[Standing | None]] = []
    wanted = list(ladder.rungs)
    for number, is_now in enumerate(before):
        rung = is_now.rung
        which = [size for size in sizes if _between(size, wanted, number)]
        tried = [
            _again(rung, known[rung.id], found, curves, policy, conform, weights, allowed, together)
            for allowed in ((which, ()) if rung in off else ())
        ]
        new = [_standing(one, None, weights) for one in tried if one != rung]
        wanted[number] = new[0].rung if new else rung
        may_stay = is_now.rate <= policy.max_bitrate or not new
        ways.append([*new, is_now if may_stay else None])
    after = [one for one in in_order(before, ways, policy.spacing.min_vmaf / 2) if one]
    rungs = [one.rung for one in after]
    points = [(one.rate, one.vmaf) for one in after]
    return replace(
        ladder,
        rungs=tuple(rungs),
        curves=thinned(curves),
        hull=tuple(plain(p) for p in upper_hull([p for curve in curves for p in curve])),
        savings=savings(reference, conform, found, points) if reference else None,
        shot_hulls=shot_hulls(found, rungs),
    )


def _standing(rung: Rung, given: Delivered | None, weights: NDArray[np.float64]) -> Standing:
    """Where a rung stands by what it gave; by what is expected of it, if that is not known."""
    if given is not None:
        return Standing(rung, *given.title(weights))
    expected = rung.expected
    return Standing(
        rung,
        float(expected.average_bitrate) if expected else 0.0,
        expected.vmaf if expected else 0.0,
    )


def number_of(rung: Rung) -> int:
    """A rung's number in its ladder, which stays when its resolution changes."""
    return int(rung.id.rsplit("-", 1)[1])


def longest(trials: Sequence[Trial], analysis: Analysis) -> list[Trial]:
    """Those of the longest shots: no more of them than beliefs have room for."""
    lengths = [len(shot.frames) for shot in analysis.shots]
    kept = set(np.argsort(lengths, kind="stable")[::-1][:_MOST_SHOTS].tolist())
    return [trial for trial in trials if trial.shot in kept]


def _again(
    rung: Rung,
    given: Delivered,
    found: Surfaces,
    curves: Sequence[Sequence[TitlePoint]],
    policy: Policy,
    conform: Conform,
    weights: NDArray[np.float64],
    sizes: Sequence[tuple[int, int]],
    parts: Sequence[Sequence[int]],
) -> Rung:
    """A rung that missed, with the CRFs that give what was wanted; itself, if nothing is gained.

    It may be of another one of the ``sizes``.
    """
    if rung.expected is None:
        return rung
    size = found.sizes.index((rung.width, rung.height))
    allowed = [p for p in curves[size] if p.bitrate <= policy.max_bitrate]
    if not allowed:
        return rung
    wanted = min(rung.expected.vmaf, policy.top_vmaf)
    nearest = min(allowed, key=lambda p: (abs(p.vmaf - wanted), p.bitrate))
    old = np.array([int(np.argmin(np.abs(found.crfs - crf))) for crf in rung.crf_per_shot])
    choice = np.asarray(nearest.choice, dtype=np.intp)
    rate, vmaf = given.title(weights)
    off = abs(vmaf - wanted) > MISSED_VMAF
    if not codec_named(rung.codec).varies_crf:
        # Where the CRF changes a chunk ends: all shots move alike, so that chunks stay the same.
        choice = _moved(old, found, size, weights, given, wanted)
    elif off and rate <= policy.max_bitrate:
        choice = _fewest(old, choice, found, size, weights, given, wanted, parts)
    rates, vmafs = _forecast(choice, old, found, size, given)
    new_rate, new_vmaf = float(weights @ rates), float(weights @ vmafs)
    elsewhere = [
        point
        for curve, other in zip(curves, found.sizes, strict=True)
        if other in sizes
        and other != (rung.width, rung.height)
        and codec_named(rung.codec).varies_crf
        for point in curve
        if abs(point.vmaf - wanted) <= MISSED_VMAF / 2 and point.bitrate <= policy.max_bitrate
    ]
    least = min(elsewhere, key=lambda p: (p.bitrate, p.width), default=None)
    if off and least is not None and least.bitrate < new_rate * (1 - _SAVED_ELSEWHERE):
        name = identifier(rung.codec, least.width, least.height, number_of(rung))
        there = replace(rung, id=name, width=least.width, height=least.height)
        return _rung(there, found, least, policy, conform)
    closer = off and abs(new_vmaf - wanted) < abs(vmaf - wanted) - 0.1
    cheaper = new_rate < rate * (1 - _LEAST_SAVED) and new_vmaf > wanted - MISSED_VMAF / 2
    if (choice == old).all() or not (closer or cheaper or rate > policy.max_bitrate):
        return rung
    point = replace(
        nearest, bitrate=max(1, round(new_rate)), vmaf=new_vmaf, choice=choice.astype(np.int16)
    )
    return _rung(rung, found, point, policy, conform)


def _between(size: tuple[int, int], rungs: Sequence[Rung], number: int) -> bool:
    """Whether a resolution is between those of the neighbours of a rung."""
    pixels = size[0] * size[1]
    above, below = rungs[:number][-1:], rungs[number + 1 :][:1]
    return all(pixels <= r.width * r.height for r in above) and all(
        pixels >= r.width * r.height for r in below
    )


def _forecast(
    choice: NDArray[np.intp],
    old: NDArray[np.intp],
    found: Surfaces,
    size: int,
    given: Delivered,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rates and VMAF of the shots: from what was delivered, by the surfaces' differences."""
    rows = np.arange(len(old))
    rates = found.rates[:, size].astype(np.float64)
    vmafs = found.vmafs[:, size].astype(np.float64)
    rate = given.rates * rates[rows, choice] / rates[rows, old]
    vmaf = given.vmafs + vmafs[rows, choice] - vmafs[rows, old]
    return rate, np.clip(vmaf, 0.0, 100.0)


def _fewest(
    old: NDArray[np.intp],
    choice: NDArray[np.intp],
    found: Surfaces,
    size: int,
    weights: NDArray[np.float64],
    given: Delivered,
    wanted: float,
    parts: Sequence[Sequence[int]],
) -> NDArray[np.intp]:
    """The choice, with as many parts left alone as does for the title.

    Parts are changed until the title is near enough to what is wanted, first those whose change
    brings it the nearest for their length.
    """
    _, before = _forecast(old, old, found, size, given)
    _, after = _forecast(choice, old, found, size, given)
    gains = weights * (after - before)
    missing = wanted - float(weights @ before)

    def worth(part: Sequence[int]) -> float:
        shots = list(part)
        return float(np.sign(missing) * gains[shots].sum() / weights[shots].sum())

    kept = old.copy()
    for part in sorted(parts, key=worth, reverse=True):
        if abs(missing) <= _NEAR_ENOUGH:
            break
        shots = list(part)
        kept[shots] = choice[shots]
        missing -= float(gains[shots].sum())
    return kept


def _moved(
    old: NDArray[np.intp],
    found: Surfaces,
    size: int,
    weights: NDArray[np.float64],
    given: Delivered,
    wanted: float,
) -> NDArray[np.intp]:
    """The old choice, moved by the same number of steps everywhere."""
    last = len(found.crfs) - 1

    def off(steps: int) -> float:
        _, vmafs = _forecast(np.clip(old + steps, 0, last), old, found, size, given)
        return abs(float(weights @ vmafs) - wanted)

    low, high = -int(old.min()), last - int(old.max())
    best = min(range(low, high + 1), key=lambda steps: (off(steps), abs(steps)))
    return np.asarray(old + best)


def _rung(rung: Rung, found: Surfaces, point: TitlePoint, policy: Policy, conform: Conform) -> Rung:
    seconds = float(policy.segment_seconds)
    most, asked = rung.max_bitrate, most_bitrate(point.bitrate, policy)
    if not most <= asked <= most * _TIGHTER:
        most = asked
    found_there = forecast(found, point, float(conform.frame_rate), seconds)
    return replace(
        rung,
        crf_per_shot=tuple(float(crf) for crf in found.crfs[point.choice]),
        max_bitrate=most,
        buffer_bits=buffer_of(most, policy),
        expected=expectation(point, found_there, most, policy),
    )
