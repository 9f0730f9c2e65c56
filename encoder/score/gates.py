"""Gates: whether a candidate is worse than its baseline by more than noise and allowance."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from encoder.errors import MeasureError
from encoder.media.regression import (
    RATES,
    Check,
    Gate,
    RegressionReport,
    RungMeasure,
    RunMeasure,
    shown,
    shown_change,
)
from encoder.score.bd import bd_rate

SCORES = ("vmaf", "psnr_y", "ssim")
POOLINGS = ("mean", "harmonic_mean", "p1", "p5", "min", "shot")
METRICS = (
    *SCORES,
    "psnr_u",
    "psnr_v",
    *RATES,
    "encode_time",
    *(f"bd_rate_{score}" for score in SCORES),
)

# What a team would set first: a half of the least difference that viewers note (1 VMAF on a whole
# title, 2 on a shot), a per cent of bits at equal quality, and room for what threads and machines
# do. Noise is what two runs of the same encode with other threads were seen to differ by.
DEFAULT_GATES = (
    Gate("vmaf", "mean", worse=0.5, noise=0.1),
    Gate("vmaf", "p5", worse=1.0, noise=0.2),
    Gate("vmaf", "shot", worse=2.0, noise=0.2),
    Gate("psnr_y", "mean", worse=0.25, noise=0.03),
    Gate("ssim", "mean", worse=0.003, noise=0.0005),
    Gate("average_bitrate", worse_percent=5.0, noise_percent=0.5),
    Gate("peak_bitrate", worse_percent=10.0, noise_percent=1.0),
    Gate("bytes", worse_percent=5.0, noise_percent=0.5),
    Gate("bd_rate_vmaf", most=1.0, noise=0.3),
    Gate("bd_rate_psnr_y", most=1.5, noise=0.3),
    Gate("bd_rate_ssim", most=1.5, noise=0.3),
    # Of short clips, starting processes takes as long as the encode.
    Gate("encode_time", worse_percent=50.0, noise=2.0, noise_percent=10.0),
)

# The frame that lost most, if the values of frames are there: of clip, metric, rung and shot (None:
# of the whole title).
WorstFrame = Callable[[str, str, str, int | None], int | None]


def _nowhere(clip: str, metric: str, rung: str, shot: int | None) -> int | None:
    return None


def compare_runs(
    baseline: RunMeasure,
    candidate: RunMeasure,
    gates: tuple[Gate, ...],
    worst_frame: WorstFrame = _nowhere,
) -> RegressionReport:
    """Checks every gate at every rung it is for.

    Args:
        baseline: what was.
        candidate: what is.
        gates: what may change.
        worst_frame: the frame that lost most.

    Raises:
        MeasureError: when they are runs of different clips.
    """
    conditions = _differing(baseline, candidate)
    if baseline.digest != candidate.digest:
        raise MeasureError(
            "The runs are of different masters",
            where=f"{baseline.clip} and {candidate.clip}",
            why="; ".join(("the digests of their content differ", *conditions)),
            hint="Compare runs of the same clip",
        )
    ours = {rung.id: rung for rung in baseline.rungs}
    theirs = {rung.id: rung for rung in candidate.rungs}
    checks = [
        Check("rungs", name, None, None, None, "every rung of the baseline", False, why)
        for name, why in [
            *((n, f"rung {n} is gone") for n in ours if n not in theirs),
            *((n, f"rung {n} is new") for n in theirs if n not in ours),
        ]
    ]
    bd_rates = {score: _bd(baseline, candidate, score) for score in SCORES}
    ratio = (
        candidate.encode_seconds / baseline.encode_seconds
        if baseline.encode_seconds > 0 and candidate.encode_seconds > 0
        else None
    )
    for gate in gates:
        if gate.metric.startswith("bd_rate_"):
            found = bd_rates.get(gate.metric.removeprefix("bd_rate_"))
            checks.append(_judge(gate, "", None, found))
        elif gate.metric == "encode_time":
            if ratio is not None:
                times = baseline.encode_seconds, candidate.encode_seconds
                checks.append(_judge(gate, "", *times))
        else:
            names = [n for n in ours if n in theirs and gate.rung in ("all", n)]
            if gate.rung != "all" and not names:
                checks.append(_missing(gate, gate.rung, "there is no such rung on both sides"))
            checks += [
                _at_rung(gate, ours[n], theirs[n], _Places(baseline, candidate, worst_frame))
                for n in names
            ]
    return RegressionReport(candidate.clip, tuple(checks), bd_rates, ratio, conditions)


def _differing(baseline: RunMeasure, candidate: RunMeasure) -> tuple[str, ...]:
    """The conditions that are others than they were, in words."""
    was, found = baseline.conditions, candidate.conditions
    return tuple(
        f"{name} was {was.get(name, '-')}, is {found.get(name, '-')}"
        for name in sorted({*was, *found})
        if was.get(name) != found.get(name)
    )


def _bd(baseline: RunMeasure, candidate: RunMeasure, score: str) -> float | None:
    curves = [
        [
            (rung.rates["average_bitrate"], rung.scores[score]["mean"])
            for rung in run.rungs
            if score in rung.scores
        ]
        for run in (baseline, candidate)
    ]
    if any(len(curve) < 2 for curve in curves):
        return None
    return bd_rate(*curves)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where in the title something is worst."""

    baseline: RunMeasure
    candidate: RunMeasure
    worst_frame: WorstFrame

    def frame(self, gate: Gate, rung: str, shot: int | None) -> int | None:
        return self.worst_frame(self.candidate.clip, gate.metric, rung, shot)

    def shot_of(self, frame: int | None) -> int | None:
        starts = self.candidate.shots
        return None if frame is None or not starts else max(0, bisect_right(starts, frame) - 1)


def _at_rung(gate: Gate, ours: RungMeasure, theirs: RungMeasure, places: _Places) -> Check:
    if gate.metric in RATES:
        return _judge(gate, ours.id, ours.rates.get(gate.metric), theirs.rates.get(gate.metric))
    if gate.pooling == "shot":
        return _of_shots(gate, ours, theirs, places)
    was = ours.scores.get(gate.metric, {}).get(gate.pooling)
    found = theirs.scores.get(gate.metric, {}).get(gate.pooling)
    check = _judge(gate, ours.id, was, found)
    if check.passed or found is None:
        return check
    frame = places.frame(gate, ours.id, None)
    return _located(check, places, places.shot_of(frame), frame)


def _of_shots(gate: Gate, ours: RungMeasure, theirs: RungMeasure, places: _Places) -> Check:
    """Every shot by itself; the check is that of the worst, and says how many others fail."""
    if places.baseline.shots != places.candidate.shots:
        return _missing(gate, ours.id, "the shots are cut elsewhere than in the baseline")
    both = zip(ours.shots.get(gate.metric, ()), theirs.shots.get(gate.metric, ()), strict=False)
    judged = [
        (number, _judge(gate, ours.id, was, found))
        for number, (was, found) in enumerate(both)
        if was is not None and found is not None and gate.shot in (None, number)
    ]
    if not judged:
        where = "of shots" if gate.shot is None else f"of shot {gate.shot}"
        return _missing(gate, ours.id, f"there are no scores {where} on both sides")
    relative = gate.worse is not None or gate.worse_percent is not None

    def badness(one: tuple[int, Check]) -> tuple[bool, float]:
        check = one[1]
        found = check.change if relative else check.candidate
        return check.passed, found if found is not None else 0.0

    number, check = min(judged, key=badness)
    if check.passed:
        return _located(check, places, number, None)
    failed = sum(not one.passed for _, one in judged)
    check = _located(check, places, number, places.frame(gate, ours.id, number))
    if failed == 1:
        return check
    return replace(check, message=f"{check.message}; {failed} of {len(judged)} shots fail")


def _located(check: Check, places: _Places, shot: int | None, frame: int | None) -> Check:
    place = []
    if shot is not None:
        starts = places.candidate.shots
        start = f" (from frame {starts[shot]})" if shot < len(starts) else ""
        place.append(f"shot {shot}{start}")
    place += [] if frame is None else [f"frame {frame}"]
    message = f"{check.message}, worst at {', '.join(place)}" if place else check.message
    return replace(check, message=message, shot=shot, frame=frame)


def is_of_run(metric: str) -> bool:
    """Whether a metric is one of all rungs together."""
    return metric == "encode_time" or metric.startswith("bd_rate_")


def is_score(metric: str) -> bool:
    """Whether a metric is a score, which has poolings, and of which more is better."""
    return metric not in RATES and not is_of_run(metric)


def gate_name(gate: Gate) -> str:
    """``vmaf.mean``, ``vmaf.shot 3``, or the metric alone where there is no pooling."""
    if not is_score(gate.metric):
        return gate.metric
    one = "" if gate.shot is None else f" {gate.shot}"
    return f"{gate.metric}.{gate.pooling}{one}"


def _missing(gate: Gate, rung: str, why: str) -> Check:
    return Check(gate_name(gate), rung, None, None, None, _allowed(gate), False, why)


def _judge(gate: Gate, rung: str, was: float | None, found: float | None) -> Check:
    sign = 1 if is_score(gate.metric) else -1
    name = gate_name(gate)
    allowed = _allowed(gate)
    if gate.metric.startswith("bd_rate_") and found is None:
        # Too little in common, or a single rung: the gates of the rungs have to do.
        return Check(name, rung, None, None, None, allowed, True, "no BD-rate: curves too short")
    if found is None or (was is None and not gate.metric.startswith("bd_rate_")):
        return _missing(gate, rung, "it was not measured on both sides")
    noise = gate.noise + (abs(was) * gate.noise_percent / 100 if was is not None else 0.0)
    change = found - was if was is not None else found
    failures = []
    if was is not None:
        loss = -sign * change
        for limit in (
            gate.worse,
            None if gate.worse_percent is None else abs(was) * gate.worse_percent / 100,
        ):
            if limit is not None and loss > limit + noise:
                failures.append(f"worse by {shown(gate.metric, loss)}")
                break
    if gate.least is not None and found < gate.least - noise:
        failures.append(f"below {gate.least:g}")
    if gate.most is not None and found > gate.most + noise:
        failures.append(f"above {gate.most:g}")
    text = shown(gate.metric, found)
    if was is not None:
        text = f"{shown(gate.metric, was)} -> {text} ({shown_change(gate.metric, was, change)})"
    if failures:
        text += f": {', '.join(failures)}"
    elif abs(change) <= noise:
        text += ", no more than noise"
    return Check(name, rung, was, found, change, allowed, not failures, text)


def _allowed(gate: Gate) -> str:
    word = "drop" if is_score(gate.metric) else "rise"
    parts = []
    if gate.worse is not None:
        parts.append(f"{word} of {gate.worse:g}")
    if gate.worse_percent is not None:
        parts.append(f"{word} of {gate.worse_percent:g}%")
    if gate.least is not None:
        parts.append(f"at least {gate.least:g}")
    if gate.most is not None:
        parts.append(f"at most {gate.most:g}")
    noise = f" and noise of {gate.noise:g}" if gate.noise else ""
    noise += f" and noise of {gate.noise_percent:g}%" if gate.noise_percent else ""
    return ", ".join(parts) + noise


def compare_clips(
    baseline: Sequence[RunMeasure],
    candidate: Sequence[RunMeasure],
    gates: tuple[Gate, ...],
    worst_frame: WorstFrame = _nowhere,
) -> tuple[RegressionReport, ...]:
    """Compares runs by the names of their clips; single runs whatever their names.

    A clip that is on one side only fails.

    Raises:
        MeasureError: when runs of one clip are of different masters.
    """
    if len(baseline) == len(candidate) == 1:
        return (compare_runs(baseline[0], candidate[0], gates, worst_frame),)
    ours = {run.clip: run for run in baseline}
    theirs = {run.clip: run for run in candidate}
    reports = []
    for clip in sorted({*ours, *theirs}):
        if clip in ours and clip in theirs:
            reports.append(compare_runs(ours[clip], theirs[clip], gates, worst_frame))
            continue
        why = "it has no run" if clip in ours else "it is not in the baseline"
        check = Check("clips", "", None, None, None, "every clip on both sides", False, why)
        reports.append(RegressionReport(clip, (check,), {}, None, ()))
    return tuple(reports)
