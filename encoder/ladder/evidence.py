"""What a decision rests on: trials of a title, and the surfaces that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from encoder.codecs import Codec, codec_named
from encoder.encode.keyframes import gop_frames, plan_gops
from encoder.ladder.geometry import allowed_sizes
from encoder.ladder.prior import (
    WINDOW_FRAMES,
    Array,
    Belief,
    Prior,
    believe,
    features,
    inherit,
    likeness,
    load_prior,
    mixed,
)
from encoder.ladder.sample import (
    Window,
    nearest,
    representatives,
    short_window,
    whole_windows,
)
from encoder.ladder.search import STARTING, Subject, cost_of, search
from encoder.ladder.surface import (
    Projection,
    Surfaces,
    crf_grid,
    from_beliefs,
    from_measurements,
)
from encoder.ladder.trials import Encode
from encoder.media.conform import Conform
from encoder.media.ladder import Trial
from encoder.media.policy import Policy
from encoder.media.shots import Analysis

EffortName = Literal["instant", "quick", "standard", "thorough", "exhaustive"]
# Makes encodes of windows of the title, VMAF being taken on every n-th frame.
Maker = Callable[[Sequence[Window], Sequence[Encode], int], Sequence[Trial]]

_LEAST_TRIALS = 3
_ALWAYS_TRIED = 6
# So many at a resolution need no prior.
_MANY_CRFS = 5
# The prior of another preset, and of another codec, is off by so many octaves and logits.
_OTHER_PRESET = (0.25, 0.15)
_OTHER_CODEC = (1.0, 0.6)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is spent on the decision.

    ``share`` is of the cost of encoding a ladder, ``shots`` how many are tried at the most,
    ``window`` how many frames of each, ``trials`` how often each is tried where the budget allows,
    ``every`` the distance of frames that VMAF is taken on.
    ``whole``: every shot is tried at every resolution on all of its frames, at ``crfs`` CRFs.
    """

    share: float
    shots: int
    window: int
    every: int
    trials: int = 3
    whole: bool = False
    crfs: int = 8


EFFORTS: dict[EffortName, Effort] = {
    "instant": Effort(share=0.0, shots=0, window=WINDOW_FRAMES, every=3),
    "quick": Effort(share=0.12, shots=24, window=WINDOW_FRAMES, every=3),
    "standard": Effort(share=0.3, shots=80, window=WINDOW_FRAMES, every=3, trials=6),
    # What more short windows of the same frames tell is little; longer ones tell more of a shot.
    "thorough": Effort(share=1.0, shots=400, window=48, every=6, trials=8),
    "exhaustive": Effort(share=1.0, shots=0, window=0, every=1, whole=True),
}


def prior_for(codec: Codec, preset: str) -> Prior:
    """What is known before any trial, of a codec at a preset."""
    own = load_prior(codec.name)
    if own is not None:
        return own if own.preset == preset else own.without_knowledge_of(*_OTHER_PRESET)
    known = load_prior("h264")
    if known is None:
        raise FileNotFoundError("the prior for h264 is missing from the install")
    # Quality scales of encoders are alike but for their ends.
    ours, theirs = codec.trial_span, codec_named("h264").trial_span
    steps = (known.crfs - theirs[0]) / (theirs[1] - theirs[0])
    return known.without_knowledge_of(*_OTHER_CODEC).at_crfs(
        codec.name, ours[0] + steps * (ours[1] - ours[0])
    )


def shot_features(conform: Conform, analysis: Analysis) -> Array:
    """The features of every shot, shape (shots, features)."""
    rate = float(conform.frame_rate)
    return np.array(
        [features(s.complexity, conform.width, conform.height, rate) for s in analysis.shots]
    )


def gather(
    conform: Conform,
    analysis: Analysis,
    policy: Policy,
    effort: Effort,
    make: Maker,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Trial, ...]:
    """Makes the trials of a title.

    They depend on the policy's codec, preset, resolutions and groups of pictures only, not on what
    it wants of rungs, so that other wishes reuse them.

    Args:
        conform: what the reference pictures are.
        analysis: the title's shots.
        policy: gives codec, preset, resolutions and the length of a group of pictures.
        effort: how much to spend.
        make: makes trials.
        stop: asked before each round; what is known by then is what there is.
    """
    codec = codec_named(policy.codec)
    sizes = allowed_sizes(conform, policy)
    if effort.whole:
        longest = gop_frames(conform.frame_rate, policy.gop_seconds)
        windows = whole_windows(analysis.shots, plan_gops(analysis.shots, longest))
        encodes = [
            Encode(*size, number, crf)
            for number in range(len(windows))
            for size in sizes
            for crf in spread(codec.crf_range, effort.crfs)
        ]
        return tuple(make(windows, encodes, effort.every))
    if effort.share == 0:
        return ()
    preset = policy.preset or codec.default_preset
    prior = prior_for(codec, preset)
    reference = (conform.width, conform.height)
    work = codec.relative_cost(preset)
    pixels = sum(width * height for width, height in sizes) / 1e6
    budget = effort.share * pixels * analysis.frames * work
    # A few trials a shot tell what matters; more shots than the budget has for that wait. What it
    # has beyond goes into more of them, not into longer ones: the prior knows how windows of this
    # length differ from their shots.
    middle = sizes[len(sizes) // 2]
    price = cost_of(effort.window, middle, reference, work)
    # A short title's shots are tried whatever their share: what is unlike anything known would
    # else be decided blindly.
    few = min(len(analysis.shots), _ALWAYS_TRIED)
    budget = max(budget, effort.trials * (few * price + STARTING))
    most = max(few, min(effort.shots, len(analysis.shots), int(budget / (_LEAST_TRIALS * price))))
    lengths = np.array([len(shot.frames) for shot in analysis.shots], dtype=np.float64)
    found = shot_features(conform, analysis)
    standard = np.array([prior.standard(one) for one in found])
    tried = np.sort(representatives(standard, lengths, most))
    stands_for = nearest(standard, tried)
    windows = tuple(short_window(analysis.shots, int(i), effort.window) for i in tried)
    shares = np.bincount(stands_for, weights=lengths, minlength=len(tried)) / lengths.sum()
    subjects = [
        Subject(window, found[index], len(analysis.shots[int(index)].frames), float(share))
        for window, index, share in zip(windows, tried, shares, strict=True)
    ]
    return search(
        prior,
        subjects,
        sizes,
        spread(codec.trial_span, 7),
        reference,
        budget,
        work,
        lambda encodes: make(windows, encodes, effort.every),
        stop,
    )


def spread(span: tuple[float, float], count: int) -> tuple[float, ...]:
    """CRFs at even distances over a span, its ends among them; rounded to halves."""
    low, high = span
    return tuple(round(2 * (low + (high - low) * n / (count - 1))) / 2 for n in range(count))


def surfaces(
    conform: Conform, analysis: Analysis, policy: Policy, trials: Sequence[Trial]
) -> Surfaces:
    """The surfaces of all shots, as far as the trials and the prior tell.

    Args:
        conform: what the reference pictures are.
        analysis: the title's shots.
        policy: gives codec, preset, resolutions and the length of a group of pictures.
        trials: from :func:`gather`.
    """
    codec = codec_named(policy.codec)
    crfs = crf_grid(codec.crf_range, codec.crf_step)
    frames = [len(shot.frames) for shot in analysis.shots]
    rate = float(conform.frame_rate)
    sizes = allowed_sizes(conform, policy)
    if _complete(trials, frames, sizes):
        return from_measurements(trials, crfs, frames, rate)
    prior = prior_for(codec, policy.preset or codec.default_preset)
    found = shot_features(conform, analysis)
    own: dict[int, list[Trial]] = {}
    for trial in trials:
        own.setdefault(trial.shot, []).append(trial)
    pixels, side = conform.width * conform.height, max(conform.width, conform.height)
    known = {
        shot: believe(prior, found[shot], frames[shot], its, pixels, side)
        for shot, its in sorted(own.items())
    }
    tried = np.array(sorted(known), dtype=np.intp)
    beliefs: list[Belief] = []
    nothing = np.zeros((0, 0))
    shared: dict[tuple[int, float], Array] = {}
    if len(tried):
        standard = np.array([prior.standard(one) for one in found])
        like = nearest(standard, tried)
    for shot in range(len(frames)):
        if shot in known:
            beliefs.append(known[shot])
        elif len(tried):
            other = int(tried[like[shot]])
            share = likeness(prior, found[shot], found[other])
            if (other, share) not in shared:
                shared[other, share] = mixed(prior, known[other], share)
            beliefs.append(
                inherit(prior, found[shot], found[other], known[other], share, shared[other, share])
            )
        else:
            beliefs.append(Belief(prior.mean(found[shot]), prior.covariance, nothing))
    longest = gop_frames(conform.frame_rate, policy.gop_seconds)
    starts = np.array([gop.start for gop in plan_gops(analysis.shots, longest)])
    bounds = [*(shot.frames.start for shot in analysis.shots), analysis.frames]
    groups = [
        int(np.searchsorted(starts, end) - np.searchsorted(starts, start))
        for start, end in pairwise(bounds)
    ]
    projection = Projection.make(prior, sizes, crfs, (conform.width, conform.height))
    return from_beliefs(prior, beliefs, projection, frames, groups, rate)


def _complete(
    trials: Sequence[Trial], frames: Sequence[int], sizes: Sequence[tuple[int, int]]
) -> bool:
    """Whether every shot was tried on all of its frames, at every resolution and many CRFs."""
    tried: dict[tuple[int, int, int], set[float]] = {}
    for trial in trials:
        if trial.frames == frames[trial.shot]:
            place = (trial.shot, trial.width, trial.height)
            tried.setdefault(place, set()).add(trial.crf)
    enough = sum(len(crfs) >= _MANY_CRFS for crfs in tried.values())
    return enough == len(frames) * len(sizes)
