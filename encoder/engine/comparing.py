"""Two ladders of a title, encoded and measured under the same conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from encoder.encode.chunk_command import Measuring
from encoder.engine.pipeline import Pipeline
from encoder.engine.remaining import Remaining
from encoder.engine.scoring import pass_score
from encoder.errors import MeasureError, UsageError
from encoder.ladder.compare import compare_ladders
from encoder.ladder.decide import VMAF_MODEL, decide_ladder, fixed_points
from encoder.ladder.evidence import EffortName, surfaces
from encoder.ladder.read_audience import DEFAULT_AUDIENCE, load_audience
from encoder.media.comparison import Comparison, Conditions, MeasuredLadder, MeasuredRung
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.ladder import Ladder, RateQualityPoint, Rung
from encoder.media.master import Master
from encoder.media.policy import Policy
from encoder.media.shots import Analysis
from encoder.report.sizes import frame_bytes

# Frames between those that are scored.
_EVERY = 5


def compare(
    pipeline: Pipeline,
    master: Master,
    conform: Conform,
    analysis: Analysis,
    ladder: Ladder,
    policy: Policy,
    against: Policy,
    effort: EffortName,
) -> Comparison:
    """Encodes and measures a ladder and that of another policy.

    Both are made with the first policy's codec, preset and kind of rate control. A rung of a fixed
    ladder is encoded at the one CRF at which the title is expected to cost its bitrate, and counts
    with what it really costs.

    Args:
        pipeline: what runs the encodes; they are kept, as those of an ingest.
        master: the source.
        conform: how its pictures become reference pictures.
        analysis: its frames and shots.
        ladder: that of ``policy``.
        policy: what was wanted; its audience, or else the default one, says what is received.
        against: what it is compared with.
        effort: how much to spend on the decision of ``against``, where there is one to make.

    Raises:
        EncodeError: when an encode fails.
        MeasureError: when a measurement fails.
        UsageError: when ``policy`` is a fixed one.
    """
    if policy.kind == "fixed":
        raise UsageError(
            "A fixed ladder cannot be compared",
            where=policy.name,
            why="its rungs are encoded to a bitrate, those of others to a quality",
            hint=f"Compare the other way round: --policy {against.name} --compare {policy.name}",
        )
    alike = replace(against, codec=policy.codec, preset=ladder.preset)
    if against.kind == "fixed":
        found = surfaces(conform, analysis, policy, ladder.trials)
        other = _at_qualities(ladder, alike, fixed_points(alike, conform, found), analysis)
    else:
        trials = pipeline.ladder(master, conform, analysis, alike, effort).trials
        other = decide_ladder(conform, analysis, alike, None, trials)
    return compare_ladders(
        _measured(pipeline, master, conform, analysis, ladder, policy, policy.name),
        _measured(pipeline, master, conform, analysis, other, alike, against.name),
        policy.audience or load_audience(DEFAULT_AUDIENCE),
        frame_time(analysis.frames, conform.frame_rate),
        policy.top_vmaf,
        policy.audio.stereo_bitrate if master.audio else 0,
    )


def _at_qualities(
    ladder: Ladder, against: Policy, points: Sequence[RateQualityPoint], analysis: Analysis
) -> Ladder:
    """A fixed ladder whose rungs are points of the title: each at one CRF."""
    rungs = []
    for number, point in enumerate(sorted(points, key=lambda p: -p.bitrate), start=1):
        most = round(point.bitrate * against.peak_over_average)
        rungs.append(
            Rung(
                id=f"{against.codec}-{min(point.width, point.height)}p-{number:02d}",
                codec=against.codec,
                width=point.width,
                height=point.height,
                preset=ladder.preset,
                crf_per_shot=(round(2 * point.crf) / 2,) * len(analysis.shots),
                target_bitrate=None,
                max_bitrate=most,
                buffer_bits=round(most * against.buffer_seconds),
                expected=None,
                why=f"rung of the fixed ladder {against.name}",
            )
        )
    return replace(ladder, policy=against.name, rungs=tuple(rungs), savings=None)


def _measured(
    pipeline: Pipeline,
    master: Master,
    conform: Conform,
    analysis: Analysis,
    ladder: Ladder,
    policy: Policy,
    name: str,
) -> MeasuredLadder:
    """A ladder as it comes out: the encodes' own bits and scores."""
    how = Measuring(VMAF_MODEL, _EVERY)
    plan, encoded = pipeline.encode_rungs(
        master, conform, analysis, ladder.rungs, policy, how, Remaining(conform, how)
    )
    renditions = pipeline.join(master, conform, plan, encoded)
    seconds = frame_time(analysis.frames, conform.frame_rate)
    rungs = []
    with pipeline.store.work() as folder:
        for rung, rendition in zip(encoded, renditions, strict=True):
            score = pass_score(rung, conform, analysis, how, Path(folder))
            if score is None:
                raise MeasureError("A rung was encoded but not measured", where=rendition.id)
            bits = 8 * int(frame_bytes(rendition.path).sum())
            rungs.append(
                MeasuredRung(
                    rendition.width,
                    rendition.height,
                    max(1, round(bits / seconds)),
                    score.metric("vmaf").title.mean,
                    score.metric("psnr_y").title.mean,
                    score.metric("ssim").title.mean,
                )
            )
    conditions = Conditions(
        ladder.codec,
        ladder.preset,
        "CRF with VBV",
        VMAF_MODEL,
        conform.width,
        conform.height,
        conform.frame_rate,
    )
    return MeasuredLadder(name, conditions, tuple(rungs))
