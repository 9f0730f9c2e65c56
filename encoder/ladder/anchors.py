"""Encodes some rungs first, and decides the others by what these gave.

The encode of a rung, measured as it is made, is the best trial there is: of every shot, on all of
its frames, at the final preset. It costs nothing as long as the rung stays in the ladder. So a few
rungs, the anchors, are encoded while the others are still open; what they gave conditions the
surfaces; the ladder is decided again, around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from encoder.codecs import codec_named
from encoder.ladder.correct import delivered, longest
from encoder.ladder.decide import Made, decide_ladder
from encoder.media.conform import Conform
from encoder.media.ladder import Ladder, Rung, Trial
from encoder.media.policy import Policy
from encoder.media.shots import Analysis

# A rung is known well enough if its interval is within so much VMAF and that share of its rate to
# either side: it seldom misses then, and is encoded with all others. If more were asked for, more
# rungs would be anchors, which are decided when less is known: what they promise is further off.
_SURE_VMAF, _SURE_RATE = 0.7, 0.05
# No more are begun once there are so many: some ladders never come to rest.
_MOST = 8
# A ladder of fewer rungs leaves nothing to be decided around them.
_FEWEST_RUNGS = 4


@dataclass(frozen=True, slots=True)
class Anchor:
    """A rung that is encoded, and the encode of each of its shots."""

    rung: Rung
    trials: tuple[Trial, ...]


def next_anchors(ladder: Ladder, anchors: Sequence[Anchor]) -> tuple[Rung, ...]:
    """The rungs to encode before the others of a ladder that was decided around some anchors.

    The first is that of the middle; then, of those that are not known well enough, the one whose
    bitrate is nearest to an anchor's, which is known best, and with it the next such one that is no
    neighbour of it. Never the best, which is held to its quality wherever the others come to lie,
    and is encoded when most is known. None once all are, or all but one; nor where the encode of
    some rungs is of no use to the whole ladder: chunks of an encoder that cannot vary its CRF end
    where any rung changes it.
    """
    rungs = ladder.rungs
    if len(rungs) < _FEWEST_RUNGS or not codec_named(ladder.codec).varies_crf:
        return ()
    left = [n for n, rung in enumerate(rungs) if not is_anchor(rung, anchors)]
    unsure = [n for n in left if n and not _sure(rungs[n])]
    if not unsure or len(left) < 2 or len(anchors) >= _MOST:
        return ()
    if not anchors:
        return (rungs[(len(rungs) - 1) // 2],)
    known = np.log([_given(anchor, float(ladder.frame_rate))[0] for anchor in anchors])

    def away(number: int) -> float:
        expected = _expected(rungs[number])
        return np.inf if expected is None else float(np.abs(known - np.log(expected[0])).min())

    first, *others = sorted(unsure, key=away)
    second = [n for n in others if abs(n - first) > 1][:1]
    return tuple(rungs[n] for n in (first, *second))


def is_anchor(rung: Rung, anchors: Sequence[Anchor]) -> bool:
    """Whether a rung is encoded as an anchor: it may have got another number since."""
    return any(replace(rung, id=a.rung.id, why=a.rung.why) == a.rung for a in anchors)


def _sure(rung: Rung) -> bool:
    expected = rung.expected
    if expected is None:
        return False
    vmaf, rate = expected.vmaf_interval, expected.average_bitrate_interval
    return (
        vmaf.high - vmaf.low <= 2 * _SURE_VMAF
        and rate.high - rate.low <= 2 * _SURE_RATE * expected.average_bitrate
    )


def _given(anchor: Anchor, frame_rate: float) -> tuple[float, float]:
    """Bits per second and mean VMAF of what an anchor gave."""
    lengths = np.array([trial.frames for trial in anchor.trials], dtype=np.float64)
    return delivered(anchor.trials, frame_rate).title(lengths / lengths.sum())


def decide_around(
    conform: Conform,
    analysis: Analysis,
    policy: Policy,
    reference: Policy | None,
    trials: Sequence[Trial],
    anchors: Sequence[Anchor],
) -> Ladder:
    """The ladder of a title of which some rungs are encoded.

    An anchor is a rung of it as it is, if it is worth its bits, where another would do no better;
    it keeps what was expected of it before it was encoded. Else it was a trial like others.

    Args:
        conform: what the reference pictures are.
        analysis: the title's frames and shots.
        policy: what is wanted.
        reference: the fixed policy that savings are measured against.
        trials: those the first decision was based on.
        anchors: what was encoded.
    """
    measured = [trial for anchor in anchors for trial in anchor.trials]
    known = [*trials, *longest(measured, analysis)]
    made = []
    for anchor in anchors:
        rate, vmaf = _given(anchor, float(conform.frame_rate))
        made.append(Made(anchor.rung, round(rate), vmaf))
    ladder = decide_ladder(conform, analysis, policy, reference, known, made)
    return replace(ladder, trials=tuple(trials))


def _expected(rung: Rung) -> tuple[float, float] | None:
    found = rung.expected
    return None if found is None else (float(found.average_bitrate), found.vmaf)
