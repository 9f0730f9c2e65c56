"""Which trial to make next: the one that tells most about the decision for what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from encoder.ladder.prior import (
    Array,
    Prior,
    believe,
    from_logit,
    measured_noise,
    scale_of,
    window_part,
)
from encoder.ladder.sample import Window
from encoder.ladder.trials import Encode
from encoder.media.ladder import Trial

# Costs in units of encoding a megapixel at x264's medium: about 0.04 CPU seconds. Measuring VMAF on
# every third frame, scaling up and reading the sample, per megapixel of the reference; starting a
# process.
_MEASURING = 0.35
STARTING = 3.0
# VMAF between which rungs lie.
_RANGE = (35.0, 96.0)
# How many logits of VMAF an octave of rate is worth at one resolution, about.
_LOGITS_AN_OCTAVE = 0.8
# A round encodes at no more than two resolutions: every process starts up and reads the sample.
_SIZES_A_ROUND = 2
_MOST_ROUNDS = 12
# A shot is tried again in a round only if it is worth this share of the best.
_WORTHWHILE = 0.2
# The first trial of a shot is at the largest resolution and so far into the span of CRFs. The rungs
# there cost half the bits of a ladder and more, and what is believed of them from smaller pictures
# can be far off: text that is lost in these, noise that is not in them.
_FIRST_CRF = 1 / 3

Measure = Callable[[Sequence[Encode]], Sequence[Trial]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A shot that may be tried: its window, its features and how much of the title it speaks for.

    ``frames`` is its length; ``share`` is of the title's duration, with the shots that it stands
    for.
    """

    window: Window
    features: Array
    frames: int
    share: float


def cost_of(frames: int, size: tuple[int, int], reference: tuple[int, int], effort: float) -> float:
    """What trying so many frames costs, in megapixels encoded at x264's medium.

    Args:
        frames: of the window.
        size: that is encoded.
        reference: the size of reference pictures.
        effort: of the preset, x264's medium being 1.
    """
    coded, seen = size[0] * size[1] / 1e6, reference[0] * reference[1] / 1e6
    return frames * (coded * effort + seen * _MEASURING)


def search(
    prior: Prior,
    subjects: Sequence[Subject],
    sizes: Sequence[tuple[int, int]],
    crfs: Sequence[float],
    reference: tuple[int, int],
    budget: float,
    effort: float,
    measure: Measure,
    stop: Callable[[], bool],
) -> tuple[Trial, ...]:
    """Makes trials, round by round, until the budget is spent or somebody says stop.

    Args:
        prior: of the codec.
        subjects: the shots that may be tried, by their place in the sample.
        sizes: the resolutions that may be tried.
        crfs: the CRFs that may be tried.
        reference: the size of reference pictures.
        budget: in the units of :func:`cost_of`.
        effort: of the preset, x264's medium being 1.
        measure: makes the trials.
        stop: asked before each round.
    """
    model = _Model(prior, sizes, crfs, reference)
    trials: list[Trial] = []
    own: dict[int, list[Trial]] = {number: [] for number in range(len(subjects))}
    by_shot = {subject.window.shot: number for number, subject in enumerate(subjects)}
    left = budget
    for _ in range(_MOST_ROUNDS):
        if stop():
            break
        encodes, left = _round(model, subjects, own, left, effort)
        if not encodes:
            break
        for trial in measure(encodes):
            trials.append(trial)
            own[by_shot[trial.shot]].append(trial)
    return tuple(trials)


def _round(
    model: _Model,
    subjects: Sequence[Subject],
    own: dict[int, list[Trial]],
    budget: float,
    effort: float,
) -> tuple[list[Encode], float]:
    """The next trials, at most one a shot, and what is left of the budget after them."""
    if not any(own.values()):
        return _first(model, subjects, budget, effort)
    gains = np.array([model.gains(s, own[i]) * s.share for i, s in enumerate(subjects)])
    costs = np.array(
        [
            [cost_of(len(s.window.frames), size, model.reference, effort) for size in model.sizes]
            for s in subjects
        ]
    )
    # (subjects, sizes, crfs), and of each size the best CRF
    values = (gains / costs[:, :, None]).reshape(gains.shape)
    best = values.max(axis=2)
    chosen = np.argsort(-best.sum(axis=0), kind="stable")[:_SIZES_A_ROUND]
    plan: dict[int, list[tuple[int, float]]] = {}
    top = float(best[:, chosen].max())
    if top <= 0:
        return [], budget
    order = np.argsort(-best[:, chosen].max(axis=1), kind="stable")
    left = budget
    for number in order:
        size = int(chosen[int(np.argmax(best[number, chosen]))])
        price = float(costs[number, size]) + (STARTING if size not in plan else 0.0)
        if best[number, size] < _WORTHWHILE * top:
            continue
        if price > left:
            break
        left -= price
        crf = model.crfs[int(np.argmax(values[number, size]))]
        plan.setdefault(size, []).append((int(number), crf))
    encodes = [
        Encode(*model.sizes[size], number, crf)
        for size in sorted(plan)
        for number, crf in sorted(plan[size])
    ]
    return encodes, left


def _first(
    model: _Model, subjects: Sequence[Subject], budget: float, effort: float
) -> tuple[list[Encode], float]:
    """A trial of each shot at the largest resolution, of those that matter most if not of all."""
    size = max(model.sizes, key=lambda one: one[0] * one[1])
    crf = model.crfs[round(_FIRST_CRF * (len(model.crfs) - 1))]
    left = budget - STARTING
    encodes = []
    for number in sorted(range(len(subjects)), key=lambda n: -subjects[n].share):
        price = cost_of(len(subjects[number].window.frames), size, model.reference, effort)
        if price > left:
            break
        left -= price
        encodes.append(Encode(*size, number, crf))
    return encodes, left if encodes else budget


class _Model:
    """What a trial anywhere would tell, for any shot."""

    def __init__(
        self,
        prior: Prior,
        sizes: Sequence[tuple[int, int]],
        crfs: Sequence[float],
        reference: tuple[int, int],
    ) -> None:
        self.prior = prior
        self.sizes = tuple(sizes)
        self.crfs = tuple(crfs)
        self.reference = reference
        side = max(reference)
        self.rows = np.array(
            [prior.weights(scale_of(*size, side), crf) for size in sizes for crf in crfs]
        )

    def gains(self, subject: Subject, trials: Sequence[Trial]) -> Array:
        """How much uncertainty a trial takes away, shape (sizes, crfs), in octaves squared.

        It is that of rate and quality where rungs may lie, given what was tried already.
        """
        prior, nodes = self.prior, self.prior.nodes
        width, height = self.reference
        belief = believe(
            prior, subject.features, subject.frames, trials, width * height, max(width, height)
        )
        quality = from_logit(self.rows @ belief.mean[2 * nodes :])
        matters = (quality >= _RANGE[0]) & (quality <= _RANGE[1])
        if not matters.any():
            matters = np.abs(quality - np.clip(quality, *_RANGE)) <= 5.0
        if not matters.any():
            matters[:] = True
        targets = self.rows[matters]
        joint = belief.joint
        count = 3 * nodes
        part = window_part(len(subject.window.frames), subject.frames)
        gains = np.zeros(len(self.rows))
        for kind, worth in ((1, 1.0), (2, 1.0 / _LOGITS_AN_OCTAVE**2)):
            at = slice(kind * nodes, (kind + 1) * nodes)
            window = slice(count + at.start, count + at.stop)
            # A trial sees the surface and the window's difference; targets are of the surface.
            cross = targets @ (joint[at, at] + part * joint[at, window]) @ self.rows.T
            own = (
                joint[at, at]
                + part * (joint[at, window] + joint[window, at])
                + part**2 * joint[window, window]
            )
            variance = np.einsum("pi,ij,pj->p", self.rows, own, self.rows)
            gains += worth * (cross**2).mean(axis=0) / (variance + measured_noise(kind) ** 2)
        return gains.reshape(len(self.sizes), len(self.crfs))
