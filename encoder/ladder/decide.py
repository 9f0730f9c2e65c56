"""Decides the ladder: policy, title and trials in, rungs and the evidence out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from encoder.codecs import codec_named
from encoder.ladder.choose import Choice, choose_rungs
from encoder.ladder.evidence import surfaces
from encoder.ladder.forecast import Forecast, buffer_of, expectation, forecast, most_bitrate
from encoder.ladder.geometry import fit_box, level_of_policy, within_level
from encoder.ladder.shot_hulls import shot_hulls
from encoder.ladder.surface import Surfaces, near_hull, upper_hull
from encoder.ladder.sweep import Limits, TitlePoint, sweep
from encoder.media.conform import Conform
from encoder.media.ladder import (
    Ladder,
    RateQualityPoint,
    Rung,
    Savings,
    Trial,
)
from encoder.media.policy import FixedRung, Policy
from encoder.media.shots import Analysis
from encoder.score.bd import bd_rate

VMAF_MODEL = "vmaf_v0.6.1"
# Nobody sees half a point of VMAF, nor can trials tell it apart.
_NEAR_HULL = 0.5
# What is encoded already may cost so much more than the least that its quality can be had for.
_MOST_BITS = 1.06
# Points of each resolution's curve that are kept for pictures and reports.
_CURVE_POINTS = 24


@dataclass(frozen=True, slots=True)
class Made:
    """A rung that is encoded, and the bits per second and mean VMAF that it gave."""

    rung: Rung
    bitrate: int
    vmaf: float


def decide_ladder(
    conform: Conform,
    analysis: Analysis,
    policy: Policy,
    reference: Policy | None,
    trials: Sequence[Trial],
    made: Sequence[Made] = (),
) -> Ladder:
    """The ladder of a title under a policy.

    Args:
        conform: what the reference pictures are.
        analysis: the title's frames and shots.
        policy: what is wanted.
        reference: the fixed policy that savings are measured against.
        trials: from :func:`encoder.ladder.evidence.gather`; not needed by a fixed policy.
        made: what is encoded already, whose encodes are among the trials. Those that are worth
            their bits become rungs as they are, with what was expected of them before, where others
            would do no better.
    """
    codec = codec_named(policy.codec)
    policy = within_level(replace(policy, preset=policy.preset or codec.default_preset))
    if policy.kind == "fixed":
        return _fixed_ladder(conform, policy)
    found = surfaces(conform, analysis, policy, trials)
    curves = sweep(found, Limits(policy.peak_over_average, policy.shot_floor))
    points = [point for curve in curves for point in curve]
    hull = upper_hull(points)
    there = _worth_it(made, found, hull, policy)
    selectable = _with([point for point, _ in there], near_hull(points, hull, _NEAR_HULL))
    rate = float(conform.frame_rate)
    forecasts = {
        id(point): forecast(found, point, rate, float(policy.segment_seconds))
        for point in selectable
        if isinstance(point, TitlePoint)
    }
    chosen = choose_rungs(selectable, policy, [point for point, _ in there])
    choices = _apart(chosen, forecasts)
    encoded = {id(point): rung for point, rung in there}
    rungs = tuple(
        _placed(encoded[id(choice.point)], number, choice)
        if id(choice.point) in encoded
        else _rung(policy, found, number, choice, forecasts[id(choice.point)])
        for number, choice in enumerate(choices, start=1)
    )
    ours = [(float(choice.point.bitrate), choice.point.vmaf) for choice in choices]
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
        curves=thinned(curves),
        hull=tuple(plain(point) for point in hull),
        vmaf_model=VMAF_MODEL,
        savings=savings(reference, conform, found, ours) if reference else None,
        notes=tuple(notes),
        shot_hulls=shot_hulls(found, rungs),
    )


def _apart(choices: Sequence[Choice], forecasts: dict[int, Forecast]) -> list[Choice]:
    """The choices without those that cannot be told from the next better one.

    Two rungs' errors go mostly together; about half of the greater one does not.
    """
    kept = [choices[0]]
    for choice in choices[1:]:
        above = kept[-1]
        doubt = 0.5 * max(
            forecasts[id(choice.point)].vmaf_margin, forecasts[id(above.point)].vmaf_margin
        )
        if above.point.vmaf - choice.point.vmaf > doubt:
            kept.append(choice)
    return kept


def thinned(curves: Sequence[Sequence[TitlePoint]]) -> tuple[RateQualityPoint, ...]:
    """Some points of each curve, its ends among them: what pictures and reports show."""
    found = []
    for curve in curves:
        steps = np.unique(np.linspace(0, len(curve) - 1, _CURVE_POINTS).round().astype(int))
        found += [plain(curve[int(step)]) for step in steps]
    return tuple(found)


def plain(point: RateQualityPoint) -> RateQualityPoint:
    """A point without what is known of each shot."""
    return RateQualityPoint(point.width, point.height, point.crf, point.bitrate, point.vmaf)


def _worth_it(
    made: Sequence[Made], found: Surfaces, hull: Sequence[RateQualityPoint], policy: Policy
) -> list[tuple[TitlePoint, Rung]]:
    """What is encoded already and costs little more than the least its quality can be had for.

    From the cheapest up; bitrate and VMAF rise strictly.
    """
    points: list[tuple[TitlePoint, Rung]] = []
    rates, vmafs = [float(p.bitrate) for p in hull], [p.vmaf for p in hull]
    for one in sorted(made, key=lambda m: (m.bitrate, -m.vmaf)):
        rung = one.rung
        least = float(np.interp(one.vmaf, vmafs, rates))
        if one.bitrate > min(least * _MOST_BITS, policy.max_bitrate):
            continue
        if points and (one.vmaf <= points[-1][0].vmaf or one.bitrate <= points[-1][0].bitrate):
            continue
        choice = [int(np.argmin(np.abs(found.crfs - crf))) for crf in rung.crf_per_shot]
        point = TitlePoint(
            rung.width,
            rung.height,
            float(found.weights @ np.array(rung.crf_per_shot)),
            one.bitrate,
            one.vmaf,
            found.sizes.index((rung.width, rung.height)),
            np.array(choice, dtype=np.int16),
            rung.expected.slope if rung.expected is not None else 0.0,
        )
        points.append((point, rung))
    return points


def _with(
    made: Sequence[TitlePoint], points: Sequence[RateQualityPoint]
) -> tuple[RateQualityPoint, ...]:
    """The points and those that are made, without points that make these useless or are so beside
    them: bitrate and VMAF rise strictly."""
    kept = [p for p in points if all((p.bitrate - m.bitrate) * (p.vmaf - m.vmaf) > 0 for m in made)]
    return tuple(sorted([*kept, *made], key=lambda p: p.bitrate))


def _placed(rung: Rung, number: int, choice: Choice) -> Rung:
    """A rung that is there already, by its place in the ladder."""
    name = identifier(rung.codec, rung.width, rung.height, number)
    return replace(rung, id=name, why=choice.why)


def _rung(policy: Policy, found: Surfaces, number: int, choice: Choice, expected: Forecast) -> Rung:
    point = choice.point
    if not isinstance(point, TitlePoint):
        raise TypeError("a rung is chosen from title points")
    most = most_bitrate(point.bitrate, policy)
    return Rung(
        id=identifier(policy.codec, point.width, point.height, number),
        codec=policy.codec,
        width=point.width,
        height=point.height,
        preset=str(policy.preset),
        crf_per_shot=tuple(float(crf) for crf in found.crfs[point.choice]),
        target_bitrate=None,
        max_bitrate=most,
        buffer_bits=buffer_of(most, policy),
        expected=expectation(point, expected, most, policy),
        why=choice.why,
        max_level=policy.max_level,
    )


def identifier(codec: str, width: int, height: int, number: int) -> str:
    """A name for a rung that is safe in file names; rungs are numbered from the best."""
    return f"{codec}-{min(width, height)}p-{number:02d}"


def _fitting(conform: Conform, policy: Policy) -> list[tuple[FixedRung, int, int]]:
    """The rungs that do not scale the title up, with their size; the lowest at its own if none.

    Those beyond the policy's level are left out, unless all are.
    """
    level = level_of_policy(policy)
    fitting = []
    for rung in policy.rungs:
        size = fit_box(conform.width, conform.height, rung.width, rung.height)
        if size is not None:
            fitting.append((rung, *size))
    decodable = [one for one in fitting if level.holds(one[1], one[2], conform.frame_rate)]
    return decodable or fitting or [(policy.rungs[0], conform.width, conform.height)]


def _fixed_ladder(conform: Conform, policy: Policy) -> Ladder:
    rungs = []
    fitting = reversed(_fitting(conform, policy))
    for number, (fixed, width, height) in enumerate(fitting, start=1):
        most = most_bitrate(fixed.bitrate, policy)
        rungs.append(
            Rung(
                id=identifier(policy.codec, width, height, number),
                codec=policy.codec,
                width=width,
                height=height,
                preset=str(policy.preset),
                crf_per_shot=(),
                target_bitrate=fixed.bitrate,
                max_bitrate=most,
                buffer_bits=buffer_of(most, policy),
                expected=None,
                why=f"rung of the fixed ladder {policy.name}",
                max_level=policy.max_level,
            )
        )
    left_out = len(policy.rungs) - len(rungs)
    why = f"{left_out} rungs above the master's resolution or the policy's level are left out."
    notes = (why,) if left_out > 0 else ()
    return Ladder(
        policy=policy.name,
        policy_digest=policy.digest,
        codec=policy.codec,
        preset=str(policy.preset),
        frame_rate=conform.frame_rate,
        rungs=tuple(rungs),
        trials=(),
        curves=(),
        hull=(),
        vmaf_model=VMAF_MODEL,
        savings=None,
        notes=notes,
    )


def fixed_points(
    reference: Policy, conform: Conform, found: Surfaces
) -> tuple[RateQualityPoint, ...]:
    """What a fixed ladder's rungs give for a title, with one CRF for all of it.

    A rung is the point of its resolution's curve at its bitrate; of a size that was not tried, of
    the curve nearest in size. The rate control is the same as that of our rungs.
    """
    points = []
    for fixed, width, height in _fitting(conform, reference):
        index = min(
            range(len(found.sizes)),
            key=lambda i: abs(found.sizes[i][0] * found.sizes[i][1] - width * height),
        )
        rates = found.weights @ found.rates[:, index].astype(np.float64)
        vmafs = found.weights @ found.vmafs[:, index].astype(np.float64)
        at = np.log(float(fixed.bitrate))
        crf = float(np.interp(at, np.log(rates[::-1]), found.crfs[::-1]))
        vmaf = float(np.interp(at, np.log(rates[::-1]), vmafs[::-1]))
        points.append(RateQualityPoint(width, height, crf, fixed.bitrate, vmaf))
    return tuple(points)


def savings(
    reference: Policy, conform: Conform, found: Surfaces, ours: Sequence[tuple[float, float]]
) -> Savings:
    """Compares with the fixed ladder on the same surfaces: same codec, preset and rate control.

    Args:
        reference: the fixed policy.
        conform: what the reference pictures are.
        found: the surfaces.
        ours: bits per second and VMAF of each of our rungs.
    """
    points = fixed_points(reference, conform, found)
    return Savings(
        reference_policy=reference.name,
        bd_rate_vmaf=bd_rate([(float(p.bitrate), p.vmaf) for p in points], list(ours)),
        reference_points=points,
    )
