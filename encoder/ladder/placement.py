"""Which points become rungs where an audience is known: those that give it the most quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from encoder.ladder.audience import (
    USABLE,
    Floats,
    carrying,
    expected_delivery,
    share_below,
)
from encoder.ladder.choose import Choice, choose_rungs, is_made
from encoder.media.audience import Audience
from encoder.media.ladder import RateQualityPoint
from encoder.media.policy import Policy

#: What a rung must add to the quality that the audience is expected to receive, in points of VMAF:
#: a sixtieth of a just noticeable difference (six points) over all viewers, which is one visible
#: step for one viewer in sixty. Less is not worth encoding and storing a rung.
LEAST_GAIN = 0.1
#: What it is worth, beyond that, that a rung need not be encoded any more.
SPARED = 0.05
# Below what scores can tell; so that equal ladders are equal on every machine.
_DIGITS = 9


def place_rungs(
    points: Sequence[RateQualityPoint],
    audience: Audience,
    policy: Policy,
    *,
    made: Sequence[RateQualityPoint] = (),
    least_gain: float = LEAST_GAIN,
    usable: float = USABLE,
) -> tuple[Choice, ...]:
    """Rungs from the best to the cheapest, where viewers are.

    The best is the one that the policy would have without an audience: the cheapest that
    reaches the policy's top quality within its cap. The others are, of all sets that the policy
    allows, those that give the audience the greatest expected quality, as
    :func:`encoder.ladder.audience.expected_delivery` has it, less ``least_gain`` for each rung.
    Found by dynamic programming over pairs of neighbours: the quality of a ladder is a sum over
    these. Of equal ladders the one of fewer and cheaper rungs is taken.

    Allowed are at most ``max_rungs`` rungs, neighbours at least ``spacing.min_vmaf`` and
    ``spacing.min_ratio`` apart, the lower of no higher resolution, none below ``min_bitrate`` but
    the best where it is the only one, and none below ``floor_vmaf`` under one that is at
    ``comfort_bitrate`` or less.

    Args:
        points: those that may become rungs, the cheapest first, bitrate and VMAF rising strictly;
            not empty.
        audience: who watches.
        policy: what is wanted; the sound that is played along is its stereo track.
        made: those of the points that are encoded already: they need not add ``least_gain``, and
            are worth :data:`SPARED` more than others.
        least_gain: what a rung must add, in points of expected VMAF.
        usable: the part of the bandwidth that a player counts on.
    """
    best = choose_rungs(points, replace(policy, max_rungs=1, audience=None), made)[0]
    low = [p for p in points if policy.min_bitrate <= p.bitrate < best.point.bitrate]
    within = [*low, best.point]
    gains = _Gains(within, audience, policy, usable)
    costs = np.array([-SPARED if is_made(p, made) else least_gain for p in within])
    chosen = [within[i] for i in _sequence(gains, within, policy, costs)]
    return _explained(chosen, best, audience, policy, usable)


class _Gains:
    """What rungs add to the expected quality: ``base`` as the lowest, ``step`` above another."""

    def __init__(
        self,
        points: Sequence[RateQualityPoint],
        audience: Audience,
        policy: Policy,
        usable: float,
    ) -> None:
        rates = np.array([p.bitrate for p in points], dtype=np.float64)
        seen = np.minimum([p.vmaf for p in points], policy.top_vmaf)
        needed = carrying(rates, policy.audio.stereo_bitrate, usable)
        reached = 1.0 - share_below(audience, needed)
        self.base: Floats = seen * reached
        # By the upper rung, then the lower: those that it reaches see that much more.
        self.step: Floats = (seen[:, None] - seen[None, :]) * reached[:, None]


def _sequence(
    gains: _Gains, points: Sequence[RateQualityPoint], policy: Policy, costs: Floats
) -> list[int]:
    """Indices of the best set that ends with the last point, from that to the cheapest."""
    step = np.where(_allowed(points, policy), gains.step - costs[:, None], -np.inf)
    # best[i] is the most that a set of so many rungs adds whose highest is point i.
    best = gains.base - costs
    below: list[np.ndarray[tuple[int, ...], np.dtype[np.intp]]] = []
    top = len(points) - 1
    found, count = round(float(best[top]), _DIGITS), 1
    for rungs in range(2, policy.max_rungs + 1):
        through = np.round(best[None, :] + step, _DIGITS)
        lower = through.argmax(axis=1)
        best = through[np.arange(len(points)), lower]
        if not np.isfinite(best[top]) and not np.isfinite(best).any():
            break
        below.append(lower)
        if best[top] > found:
            found, count = float(best[top]), rungs
    chosen = [top]
    for level in range(count - 2, -1, -1):
        chosen.append(int(below[level][chosen[-1]]))
    return chosen


def _allowed(
    points: Sequence[RateQualityPoint], policy: Policy
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which point may be next below which: by the upper one, then the lower."""
    rates = np.array([p.bitrate for p in points], dtype=np.float64)
    scores = np.array([p.vmaf for p in points], dtype=np.float64)
    upper, lower = rates[:, None], rates[None, :]
    apart = lower <= upper / policy.spacing.min_ratio
    apart &= scores[None, :] <= scores[:, None] - policy.spacing.min_vmaf
    pixels = np.array([p.width * p.height for p in points])
    apart &= pixels[None, :] <= pixels[:, None]
    needless = (scores[None, :] < policy.floor_vmaf) & (upper <= policy.comfort_bitrate)
    return np.asarray(apart & ~needless)


def _explained(
    chosen: Sequence[RateQualityPoint],
    best: Choice,
    audience: Audience,
    policy: Policy,
    usable: float,
) -> tuple[Choice, ...]:
    def delivered(rungs: Sequence[RateQualityPoint]) -> tuple[float, tuple[float, ...]]:
        found = expected_delivery(
            rungs, audience, policy.top_vmaf, policy.audio.stereo_bitrate, usable=usable
        )
        return found.vmaf, found.shares

    whole, shares = delivered(chosen)
    choices = []
    for point, share in zip(chosen, shares, strict=True):
        played = f"{share * 100:.0f}% of the audience" if share >= 0.005 else "few viewers"
        if point is best.point:
            choices.append(Choice(point, f"{best.why}; {played} play it"))
            continue
        less = whole - delivered([p for p in chosen if p is not point])[0]
        choices.append(
            Choice(
                point,
                f"{played} play it; it adds {less:.1f} to the mean VMAF that is received",
            )
        )
    return tuple(choices)
