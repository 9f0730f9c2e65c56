"""Encodes a ladder so that it delivers what it promises.

Some rungs are encoded first, two at a time, until the others are known well enough by what these
gave (see :mod:`encoder.ladder.anchors`); what misses all the same is corrected (see
:mod:`encoder.ladder.correct`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from encoder.encode.chunk_command import Measuring
from encoder.encode.feedback import shot_results
from encoder.engine.events import Notice
from encoder.engine.pipeline import Pipeline
from encoder.engine.remaining import Remaining
from encoder.engine.video import EncodedRung, EncodedTitle, EncodePlan
from encoder.ladder.anchors import Anchor, decide_around, is_anchor, next_anchors
from encoder.ladder.correct import correct, number_of
from encoder.ladder.policy import load_policy
from encoder.media.conform import Conform
from encoder.media.ladder import Ladder, Rung, Trial
from encoder.media.master import Master
from encoder.media.policy import Policy
from encoder.media.shots import Analysis
from encoder.report.text import some

# What a correction is based on is next to exact: what is still off after two is off for good.
_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Corrected:
    """The ladder and its encodes, after corrections.

    ``promised`` is the ladder with what was expected of each rung before it was encoded.
    """

    ladder: Ladder
    encoded: EncodedTitle
    promised: Ladder


def encode_corrected(
    pipeline: Pipeline,
    master: Master,
    conform: Conform,
    analysis: Analysis,
    ladder: Ladder,
    policy: Policy,
    measuring: Measuring | None,
    *,
    again: bool,
) -> Corrected:
    """Encodes a ladder; if ``again``, some rungs first, and once more what missed in the end.

    Nothing is changed when nothing was measured, or of a fixed ladder, which promises nothing.

    Raises:
        EncodeError: when an encode fails or is not what was asked for.
        MeasureError: when a frame was not measured.
        KeyboardInterrupt: when it was interrupted, after chunks under way were finished.
    """
    if not again or measuring is None or policy.kind != "per-title":
        whole = pipeline.encode(master, conform, analysis, ladder, policy, measuring)
        return Corrected(ladder, whole, ladder)

    def encode(rungs: Sequence[Rung], why: str = "") -> tuple[EncodePlan, tuple[EncodedRung, ...]]:
        return pipeline.encode_rungs(
            master, conform, analysis, rungs, policy, measuring, remaining, why
        )

    reference = load_policy(policy.reference) if policy.reference else None
    remaining = Remaining(conform, measuring)
    anchors: list[Anchor] = []
    first = ladder
    while chosen := next_anchors(ladder, anchors):
        later = (r for r in ladder.rungs if r not in chosen and not is_anchor(r, anchors))
        remaining.expect(analysis.frames, later)
        named = " and ".join(rung.id for rung in chosen)
        plan, made = encode(chosen, f"first {named}: others are decided by that")
        found = [(one.rung, whole_trials(one, analysis, plan.keyframes)) for one in made]
        if not all(trials for _, trials in found):
            break
        anchors += [Anchor(rung, trials) for rung, trials in found]
        ladder = decide_around(conform, analysis, policy, reference, first.trials, anchors)
    promised = ladder
    remaining.expect(analysis.frames, ())
    plan, encoded = encode(ladder.rungs)
    earlier = [trial for anchor in anchors for trial in anchor.trials]
    for _ in range(_ROUNDS):
        results = {one.rung.id: whole_trials(one, analysis, plan.keyframes) for one in encoded}
        known = {name: found for name, found in results.items() if found}
        # The ladder was decided around its anchors: they are right as they are.
        settled = {rung.id for rung in ladder.rungs if is_anchor(rung, anchors)}
        parts = encoded_together(plan)
        better = correct(
            conform, analysis, policy, reference, ladder, known, earlier, settled, parts
        )
        now = {number_of(rung): rung for rung in better.rungs}
        changed = [(r, now.get(number_of(r))) for r in ladder.rungs if r not in better.rungs]
        ladder = better
        if not changed:
            break
        earlier += [trial for found in known.values() for trial in found]
        for old, new in changed:
            pipeline.emit(Notice("info", said(old, new)))
        plan, encoded = encode(ladder.rungs)
    finished = pipeline.finish(master, conform, analysis, policy, plan, encoded)
    return Corrected(ladder, finished, promised)


def encoded_together(plan: EncodePlan) -> list[list[int]]:
    """The shots of a title, in groups: no chunk has frames of two of them."""
    chunks = sorted((chunk.coded for chunk in plan.chunks), key=lambda coded: coded.start)
    groups: list[list[int]] = []
    reach, seen = 0, 0
    for number, shot in enumerate(plan.analysis.shots):
        if groups and shot.frames.start < reach:
            groups[-1].append(number)
        else:
            groups.append([number])
        while seen < len(chunks) and chunks[seen].start < shot.frames.end:
            reach = max(reach, chunks[seen].end)
            seen += 1
    return groups


def said(old: Rung, new: Rung | None) -> str:
    """What a correction changes, for people."""
    if new is None:
        return (
            f"{old.id} is left out: at a bitrate that the policy and its devices allow, it would "
            "be no better than the next rung"
        )
    shots = sum(a != b for a, b in zip(old.crf_per_shot, new.crf_per_shot, strict=True))
    if old.max_bitrate != new.max_bitrate:
        shots = len(new.crf_per_shot)
    wanted = f" for VMAF {new.expected.vmaf:.1f}" if new.expected else ""
    there = ""
    if (old.width, old.height) != (new.width, new.height):
        shots, there = len(new.crf_per_shot), f" at {new.width}x{new.height}"
    of = some(len(new.crf_per_shot), "shot")
    return (
        f"{old.id} did not deliver what was expected: {shots} of {of} "
        f"{'is' if shots == 1 else 'are'} encoded again{there}{wanted}"
    )


def whole_trials(
    encoded: EncodedRung, analysis: Analysis, keyframes: tuple[int, ...]
) -> tuple[Trial, ...]:
    """The encode of every shot of a rung as a trial of all its frames; none if nothing was scored.

    A shot so short that none of its frames was scored counts with the mean of the others.
    """
    rung = encoded.rung
    frames = [shot.frames for shot in analysis.shots]
    results = shot_results(encoded.chunks, frames, keyframes)
    scored = [(len(shot), r.vmaf) for shot, r in zip(frames, results, strict=True)]
    known = [(length, vmaf) for length, vmaf in scored if vmaf is not None]
    if not known:
        return ()
    mean = sum(length * vmaf for length, vmaf in known) / sum(length for length, _ in known)
    return tuple(
        Trial(
            shot=number,
            start=shot.start,
            frames=len(shot),
            width=rung.width,
            height=rung.height,
            crf=crf,
            key_frames=found.key_frames,
            key_bits=found.key_bits,
            other_bits=found.bits - found.key_bits,
            vmaf=mean if found.vmaf is None else found.vmaf,
        )
        for number, (shot, crf, found) in enumerate(
            zip(frames, rung.crf_per_shot, results, strict=True)
        )
    )
