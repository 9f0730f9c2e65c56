"""Files against a reference: alignment is checked, then every metric in one decode of each file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.errors import MeasureError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import Progress
from encoder.media.frames import FrameRange
from encoder.media.pairs import MetricResult, PairScore, Pools
from encoder.score.alignment import Fit, fit
from encoder.score.compared import Pair, compared_size
from encoder.score.judge import Verdict, judge
from encoder.score.metrics import Metric, why_not
from encoder.score.onepass import Measured, run_pass
from encoder.score.pass_graph import Pass
from encoder.score.pool import pool
from encoder.score.sampled import sampled_scores
from encoder.score.sides import Side, common_format
from encoder.score.signatures import Signatures

# Renditions at a time: as in encoder.score.measure.
_BATCH = 8
_BATCH_PIXELS = 16 * 1920 * 1080

# How many frames scikit-image is asked about; at 1080p it takes 0.8 s for each.
SAMPLES = 8
_UNKNOWN_SAMPLE = 50


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    ``automatic`` is whether what can be aligned exactly is, ``every`` the distance between scored
    frames, ``sampled`` whether scikit-image's definitions are wanted as well.
    """

    metrics: tuple[Metric, ...]
    automatic: bool = False
    can_conform: bool = False
    every: int = 1
    sampled: bool = False
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Scored:
    """A pair's result so far: not pooled yet, as shots are known from the signatures only."""

    side: Side
    fit: Fit
    verdict: Verdict
    size: tuple[int, int]
    pixel_format: str
    frames: NDArray[np.int32]
    values: dict[str, NDArray[np.float64]]
    sampled: dict[str, float]
    sampled_frames: int


@dataclass(frozen=True, slots=True)
class Result:
    """All pairs, and the signatures of all the reference's frames, mapped from the folder.

    Where a pair is compared at a lower rate, they are of every ``step``-th frame.
    """

    scored: tuple[Scored, ...]
    signatures: Signatures
    step: int


def score_files(
    ffmpeg: Ffmpeg,
    reference: Side,
    distorted: Sequence[Side],
    request: Request,
    folder: Path,
    on_progress: Callable[[int], None] | None = None,
) -> Result:
    """Compares files with a reference.

    Args:
        ffmpeg: the program.
        reference: the reference.
        distorted: the files.
        request: what is wanted.
        folder: an existing, empty folder for logs.
        on_progress: called with the number of frames done.

    Raises:
        MachineError: when FFmpeg lacks what is needed.
        MeasureError: when a pair may not be compared, a file is damaged, or no metric applies.
    """
    fits = [
        fit(
            reference,
            side,
            automatic=request.automatic,
            can_conform=request.can_conform and side.conform is None,
        )
        for side in distorted
    ]
    pairs = [
        _applicable(reference, Pair(side, how, request.metrics))
        for side, how in zip(distorted, fits, strict=True)
    ]
    done: list[Scored] = []
    signatures: Signatures | None = None
    batches = list(_batches(pairs, reference))
    for number, batch in enumerate(batches):
        own = folder / f"batch-{number}"
        own.mkdir()
        report = _share(on_progress, number, len(batches), reference.frames)
        found, ours = _score_batch(ffmpeg, reference, batch, request, own, report)
        signatures = ours if signatures is None else signatures
        done += found
    if signatures is None:
        raise ValueError("nothing to compare")
    return Result(tuple(done), signatures, fits[0].reference_step)


def _applicable(reference: Side, pair: Pair) -> Pair:
    """The pair with those of its metrics that apply to its pictures.

    Raises:
        MeasureError: when none does.
    """
    size, form = compared_size(reference, pair), common_format(reference, pair.side)
    reasons = [why_not(metric, reference.colour, size, form) for metric in pair.metrics]
    metrics = tuple(m for m, reason in zip(pair.metrics, reasons, strict=True) if not reason)
    if metrics:
        return replace(pair, metrics=metrics)
    raise MeasureError(
        "No metric that was asked for applies to these pictures",
        where=reference.name,
        why=reasons[0],
        hint="Ask for psnr or ssim: they compare code values, whatever their size and transfer",
    )


def _batches(pairs: Sequence[Pair], reference: Side) -> list[list[Pair]]:
    size = max(1, min(_BATCH, _BATCH_PIXELS // (reference.width * reference.height)))
    return [list(pairs[start : start + size]) for start in range(0, len(pairs), size)]


def _share(
    on_progress: Callable[[int], None] | None, batch: int, batches: int, frames: int | None
) -> Callable[[Progress], None] | None:
    if on_progress is None:
        return None
    if frames is None:
        return lambda progress: on_progress(progress.frame)
    return lambda progress: on_progress(
        min(frames, (batch * frames + min(progress.frame, frames)) // batches)
    )


def _score_batch(
    ffmpeg: Ffmpeg,
    reference: Side,
    batch: list[Pair],
    request: Request,
    folder: Path,
    report: Callable[[Progress], None] | None,
) -> tuple[list[Scored], Signatures]:
    sample = 0
    if request.sampled:
        frames = reference.frames
        sample = max(1, frames // SAMPLES) if frames is not None else _UNKNOWN_SAMPLE
    settings = Pass(request.every, sample, request.threads)
    first = folder / "first"
    first.mkdir()
    # Where headers already say that the frames differ, the long work waits for a look at them.
    looked = [pair if not pair.fit.frames_differ else _bare(pair) for pair in batch]
    if any(not pair.metrics for pair in looked):
        looked = [_bare(pair) for pair in batch]
    measured = run_pass(ffmpeg, reference, looked, settings, first, report)
    verdicts = [
        _judge(reference, pair, one, request) for pair, one in zip(batch, measured, strict=True)
    ]
    again = [
        number
        for number, (pair, one, verdict) in enumerate(zip(looked, measured, verdicts, strict=True))
        if not pair.metrics or not _covers(verdict, one)
    ]
    if again:
        second = folder / "second"
        second.mkdir()
        windowed = [
            Pair(
                batch[n].side,
                batch[n].fit,
                batch[n].metrics,
                None if _covers(verdicts[n], measured[n]) else verdicts[n].window,
            )
            for n in again
        ]
        _readable_twice(reference, windowed)
        for n, one in zip(
            again,
            run_pass(ffmpeg, reference, windowed, settings, second, report),
            strict=True,
        ):
            measured[n] = one
    scored = [
        _scored(reference, pair, one, verdict, request, sample)
        for pair, one, verdict in zip(batch, measured, verdicts, strict=True)
    ]
    return scored, measured[0].reference


def _readable_twice(reference: Side, pairs: Sequence[Pair]) -> None:
    for side in (reference, *(pair.side for pair in pairs)):
        if not side.path.is_file():
            raise MeasureError(
                "Standard input cannot be aligned",
                where=side.name,
                why="aligning reads both sides twice, and standard input can be read only once",
                hint="Write it to a file first",
            )


def _bare(pair: Pair) -> Pair:
    return Pair(pair.side, pair.fit, ())


def _judge(reference: Side, pair: Pair, measured: Measured, request: Request) -> Verdict:
    return judge(
        reference,
        pair.side,
        measured.reference,
        measured.distorted,
        automatic=request.automatic,
        cut=pair.fit.crop is not None,
    )


def _covers(verdict: Verdict, measured: Measured) -> bool:
    count = verdict.window.frames
    return count == len(measured.reference) == len(measured.distorted)


def _scored(
    reference: Side,
    pair: Pair,
    measured: Measured,
    verdict: Verdict,
    request: Request,
    sample: int,
) -> Scored:
    expected = np.arange(0, verdict.window.frames, request.every, dtype=np.int32)
    if not np.array_equal(measured.frames, expected):
        raise MeasureError(
            "The metrics were not measured on the frames they should have been",
            where=pair.side.name,
            why=f"{expected.size} frames were to be scored, {measured.frames.size} are in the log, "
            "or they are other ones",
            hint="Run the same command again; if it stays so, a file is damaged",
        )
    sampled: dict[str, float] = {}
    count = 0
    form = common_format(reference, pair.side)
    size = compared_size(reference, pair)
    if measured.samples is not None:
        sampled, count = sampled_scores(*measured.samples, size, form)
    return Scored(
        pair.side,
        pair.fit,
        verdict,
        size,
        form,
        (measured.frames + verdict.window.reference_start) * pair.fit.reference_step,
        measured.values,
        sampled,
        count,
    )


def pooled(
    scored: Scored, request: Request, colour_of: Side, shots: Sequence[FrameRange]
) -> PairScore:
    """A pair's result, pooled over all frames and over each shot.

    Args:
        scored: the values.
        request: its metrics give the order.
        colour_of: the reference, for the metrics that do not apply.
        shots: ranges of reference frames.
    """
    results = []
    for metric in request.metrics:
        values = scored.values.get(metric.name)
        reason = why_not(metric, colour_of.colour, scored.size, scored.pixel_format)
        if values is None and not reason:
            reason = "grey pictures have no chroma"
        if values is None:
            results.append(_result(metric, None, reason, 0, ()))
            continue
        perfect = 0 if metric.cap is None else int(np.count_nonzero(values >= metric.cap))
        pieces = []
        for shot in shots:
            start, end = np.searchsorted(scored.frames, [shot.start, shot.end])
            piece = slice(int(start), int(end))
            pieces.append(
                _pools(values[piece], scored.frames[piece], metric) if end > start else None
            )
        own = _pools(values, scored.frames, metric)
        results.append(_result(metric, own, "", perfect, tuple(pieces)))
    window = scored.verdict.window
    return PairScore(
        id=scored.side.name,
        path=str(scored.side.path),
        width=scored.size[0],
        height=scored.size[1],
        pixel_format=scored.pixel_format,
        reference_start=window.reference_start * scored.fit.reference_step,
        distorted_start=window.distorted_start,
        frames=window.frames,
        every=request.every,
        notes=(*scored.fit.notes, *scored.verdict.notes),
        aligned=scored.verdict.certain,
        metrics=tuple(results),
        sampled=tuple(sorted(scored.sampled.items())),
        sampled_frames=scored.sampled_frames,
    )


def _result(
    metric: Metric,
    pools: Pools | None,
    reason: str,
    perfect: int,
    shots: tuple[Pools | None, ...],
) -> MetricResult:
    return MetricResult(
        metric.name,
        metric.model,
        metric.unit,
        metric.better,
        metric.digits,
        pools,
        reason,
        perfect,
        shots,
    )


def _pools(values: NDArray[np.float64], frames: NDArray[np.int32], metric: Metric) -> Pools:
    # XPSNR and PSNR of utterly different pictures stay positive; all others are above -1.
    base = pool(values)
    place = int(values.argmin() if metric.better == "higher" else values.argmax())
    p50, p95, p99 = (float(v) for v in np.percentile(values, [50, 95, 99], method="linear"))
    return Pools(
        base.mean,
        base.harmonic_mean,
        base.p1,
        base.p5,
        p50,
        p95,
        p99,
        base.min,
        float(values.max()),
        float(values[place]),
        int(frames[place]),
    )
