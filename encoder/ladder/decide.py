"""Decides the ladder: policy and title in, rungs and the evidence out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from encoder.codecs import Codec, codec_named
from encoder.encode.keyframes import gop_frames, plan_gops
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ladder.choose import choose_rungs
from encoder.ladder.geometry import fit_box, resolutions
from encoder.ladder.sample import choose_windows
from encoder.ladder.surface import Curve, candidates, fit, near_hull, upper_hull
from encoder.ladder.trials import TrialSettings, extract_sample, run_trials, title_point
from encoder.media.conform import Conform
from encoder.media.ladder import Expected, Ladder, RateQualityPoint, Rung, Savings
from encoder.media.master import Master
from encoder.media.policy import FixedRung, Policy
from encoder.media.shots import Analysis
from encoder.score.bd import bd_rate

VMAF_MODEL = "vmaf_v0.6.1"
# A buffer model of a few kilobits would choke even a still picture's first frame.
_LEAST_MAX_BITRATE = 100_000

# Nobody sees half a point of VMAF, nor can trials tell it apart.
_NEAR_HULL = 0.5

EffortName = Literal["quick", "standard", "thorough", "exhaustive"]
# One report of a step: what it is doing, how much is done, of how much.
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is spent on the decision.

    ``share`` of the title is tried, within ``least`` and ``most`` seconds; VMAF is taken on every
    ``every``-th frame; ``crfs`` is how many are tried at each resolution, and of the resolutions
    every ``stride``-th is (always the largest and the smallest). The ``refined`` best of the rungs
    that these trials would give are then tried themselves, so that what they promise is measured
    and not interpolated.
    """

    share: float
    least: int
    most: int
    every: int
    crfs: int
    stride: int
    refined: int


# Interpolated between three CRFs eight apart, points of 24 shots at five resolutions were off by
# 1.1% of rate and 0.3 VMAF on average; between two CRFs sixteen apart by 5.5% and 2.5; a fourth
# gained a tenth. So three it is, even where haste is asked for.
EFFORTS: dict[EffortName, Effort] = {
    "quick": Effort(share=0.05, least=4, most=8, every=5, crfs=3, stride=2, refined=1),
    "standard": Effort(share=0.08, least=6, most=16, every=4, crfs=3, stride=1, refined=4),
    "thorough": Effort(share=0.25, least=12, most=60, every=2, crfs=5, stride=1, refined=20),
    "exhaustive": Effort(
        share=1.0, least=0, most=1_000_000, every=1, crfs=10, stride=1, refined=20
    ),
}


def measure_title(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    analysis: Analysis,
    policy: Policy,
    effort_name: EffortName,
    folder: Path,
    *,
    jobs: int = 1,
    on_report: Report | None = None,
) -> tuple[RateQualityPoint, ...]:
    """Trials of a title at the resolutions that a policy allows.

    Args:
        ffmpeg: the program.
        master: the source.
        conform: how its pictures become reference pictures.
        analysis: its frames and shots.
        policy: gives codec, preset, resolutions and the length of a group of pictures.
        effort_name: how much to spend.
        folder: an empty folder for the sample and logs.
        jobs: FFmpeg processes at a time.
        on_report: told what is going on.

    Raises:
        MachineError: when FFmpeg cannot make trials.
        MeasureError: when a trial fails.
    """
    codec, effort = codec_named(policy.codec), EFFORTS[effort_name]

    def report(what: str, total: int) -> Callable[[int], None]:
        def tell(done: int) -> None:
            if on_report is not None:
                on_report(what, done, total)

        # Said at once, so that speed is reckoned from here.
        tell(0)
        return tell

    rate = float(conform.frame_rate)
    longest = gop_frames(conform.frame_rate, policy.gop_seconds)
    budget = max(effort.least * rate, min(effort.most * rate, effort.share * analysis.frames))
    windows = choose_windows(
        analysis.shots, plan_gops(analysis.shots, longest), round(min(analysis.frames, budget))
    )
    taken = sum(len(window.frames) for window in windows)
    sample = extract_sample(
        ffmpeg, master, conform, windows, folder, on_progress=report("taking the sample", taken)
    )
    sizes = trial_sizes(conform, policy, effort.stride)
    settings = TrialSettings(
        preset=policy.preset or codec.default_preset,
        gop_frames=longest,
        vmaf_model=VMAF_MODEL,
        # Short samples are scored on all frames: a handful of values is no mean.
        every=effort.every if taken > 12 * effort.every else 1,
        threads=os.cpu_count() or 1,
        jobs=jobs,
    )

    def measured(
        what: str, plan: list[tuple[int, int, tuple[float, ...]]]
    ) -> list[RateQualityPoint]:
        count = sum(len(crfs) for _, _, crfs in plan)
        trials = run_trials(
            ffmpeg,
            sample,
            conform,
            windows,
            codec,
            plan,
            settings,
            folder,
            on_progress=report(what, count),
        )
        return [title_point(trial, windows, rate) for trial in trials]

    crfs = spread(codec.trial_span, effort.crfs)
    points = measured("trial encodes", [(width, height, crfs) for width, height in sizes])
    points += measured("refinement", refinement(points, policy, codec, effort.refined))
    # The best rung once more, where it came to lie now that the curve is better known.
    points += measured("refinement", refinement(points, policy, codec, 1))
    return tuple(points)


def refinement(
    points: Sequence[RateQualityPoint], policy: Policy, codec: Codec, most: int
) -> list[tuple[int, int, tuple[float, ...]]]:
    """The trials to add: the best rungs as they would be chosen now, by resolution.

    VMAF saturates, so that a curve between a trial near 100 and one far below is a guess just
    where the best rung lies. What lies within half a CRF of a trial has been measured already.
    """
    plan: dict[tuple[int, int], list[float]] = {}
    for choice in choose_rungs(_selectable(fit(points), codec)[1], policy)[:most]:
        size, crf = (choice.point.width, choice.point.height), choice.point.crf
        tried = [p.crf for p in points if (p.width, p.height) == size]
        if min(abs(crf - other) for other in tried) > 0.5:
            plan.setdefault(size, []).append(crf)
    return [(*size, tuple(sorted(crfs))) for size, crfs in plan.items()]


def trial_sizes(conform: Conform, policy: Policy, stride: int) -> list[tuple[int, int]]:
    """The resolutions that are tried: every ``stride``-th, and always the smallest."""
    sizes = resolutions(conform.width, conform.height, policy.heights)
    return [s for i, s in enumerate(sizes) if i % stride == 0 or i == len(sizes) - 1]


def decide_ladder(
    conform: Conform,
    analysis: Analysis,
    policy: Policy,
    reference: Policy | None,
    trials: Sequence[RateQualityPoint],
) -> Ladder:
    """The ladder of a title under a policy.

    Args:
        conform: what the reference pictures are.
        analysis: the title's frames and shots.
        policy: what is wanted.
        reference: the fixed policy that savings are measured against.
        trials: from :func:`measure_title`; not needed by a fixed policy.
    """
    codec = codec_named(policy.codec)
    policy = replace(policy, preset=policy.preset or codec.default_preset)
    if policy.kind == "fixed":
        return _fixed_ladder(conform, policy)
    curves = fit(trials)
    hull, selectable = _selectable(curves, codec)
    choices = choose_rungs(selectable, policy)
    rungs = tuple(
        _rung(policy, len(analysis.shots), number, choice.point, choice.why)
        for number, choice in enumerate(choices, start=1)
    )
    top = choices[0]
    notes = []
    if top.point.vmaf < policy.top_vmaf:
        notes.append(
            f"The best rung is expected at VMAF {top.point.vmaf:.1f}, below the policy's "
            f"{policy.top_vmaf:g}: it is {top.why}."
        )
    return Ladder(
        policy=policy.name,
        policy_digest=policy.digest,
        codec=policy.codec,
        preset=str(policy.preset),
        frame_rate=conform.frame_rate,
        rungs=rungs,
        trials=tuple(trials),
        hull=hull,
        vmaf_model=VMAF_MODEL,
        savings=_savings(reference, conform, curves, codec, rungs) if reference else None,
        notes=tuple(notes),
    )


def _selectable(
    curves: Sequence[Curve], codec: Codec
) -> tuple[tuple[RateQualityPoint, ...], tuple[RateQualityPoint, ...]]:
    """The hull, and the points near enough to it to become rungs."""
    points = candidates(curves, codec.crf_range, codec.crf_step)
    hull = upper_hull(points)
    return hull, near_hull(points, hull, _NEAR_HULL)


def spread(span: tuple[float, float], count: int) -> tuple[float, ...]:
    """CRFs at even distances over a span, its ends among them; rounded to halves."""
    low, high = span
    return tuple(round(2 * (low + (high - low) * n / (count - 1))) / 2 for n in range(count))


def _rung(policy: Policy, shots: int, number: int, point: RateQualityPoint, why: str) -> Rung:
    most = max(_LEAST_MAX_BITRATE, round(point.bitrate * policy.peak_over_average))
    most = min(most, max(policy.max_bitrate, point.bitrate))
    return Rung(
        id=_identifier(policy.codec, point.width, point.height, number),
        codec=policy.codec,
        width=point.width,
        height=point.height,
        preset=str(policy.preset),
        crf_per_shot=(point.crf,) * shots,
        target_bitrate=None,
        max_bitrate=most,
        buffer_bits=round(most * policy.buffer_seconds),
        expected=Expected(point.bitrate, round(point.vmaf, 2)),
        why=why,
    )


def _identifier(codec: str, width: int, height: int, number: int) -> str:
    """A name for a rung that is safe in file names; rungs are numbered from the best."""
    return f"{codec}-{min(width, height)}p-{number:02d}"


def _fitting(conform: Conform, rungs: Sequence[FixedRung]) -> list[tuple[FixedRung, int, int]]:
    """The rungs that do not scale the title up, with their size; the lowest at its own if none."""
    fitting = []
    for rung in rungs:
        size = fit_box(conform.width, conform.height, rung.width, rung.height)
        if size is not None:
            fitting.append((rung, *size))
    return fitting or [(rungs[0], conform.width, conform.height)]


def _fixed_ladder(conform: Conform, policy: Policy) -> Ladder:
    rungs = []
    fitting = reversed(_fitting(conform, policy.rungs))
    for number, (fixed, width, height) in enumerate(fitting, start=1):
        most = round(fixed.bitrate * policy.peak_over_average)
        rungs.append(
            Rung(
                id=_identifier(policy.codec, width, height, number),
                codec=policy.codec,
                width=width,
                height=height,
                preset=str(policy.preset),
                crf_per_shot=(),
                target_bitrate=fixed.bitrate,
                max_bitrate=most,
                buffer_bits=round(most * policy.buffer_seconds),
                expected=None,
                why=f"rung of the fixed ladder {policy.name}",
            )
        )
    left_out = len(policy.rungs) - len(rungs)
    notes = (
        (f"{left_out} rungs above the master's resolution are left out.",) if left_out > 0 else ()
    )
    return Ladder(
        policy=policy.name,
        policy_digest=policy.digest,
        codec=policy.codec,
        preset=str(policy.preset),
        frame_rate=conform.frame_rate,
        rungs=tuple(rungs),
        trials=(),
        hull=(),
        vmaf_model=VMAF_MODEL,
        savings=None,
        notes=notes,
    )


def _savings(
    reference: Policy,
    conform: Conform,
    curves: Sequence[Curve],
    codec: Codec,
    rungs: Sequence[Rung],
) -> Savings:
    """Compares with the fixed ladder on the same surface: same codec, preset and rate control.

    A rung of the fixed ladder is the point of its resolution's curve at its bitrate; of a size
    that was not tried, of the curve nearest in size.
    """
    points = []
    for fixed, width, height in _fitting(conform, reference.rungs):
        curve = min(curves, key=lambda c: abs(c.width * c.height - width * height))
        crf = curve.crf_for_rate(fixed.bitrate, *codec.crf_range)
        point = curve.at(crf)
        points.append(replace(point, width=width, height=height, bitrate=fixed.bitrate))
    ours = [
        (float(r.expected.average_bitrate), r.expected.vmaf)
        for r in rungs
        if r.expected is not None
    ]
    return Savings(
        reference_policy=reference.name,
        bd_rate_vmaf=bd_rate([(float(p.bitrate), p.vmaf) for p in points], ours),
        reference_points=tuple(points),
    )
