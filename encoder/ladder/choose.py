"""Which points of the hull become rungs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from encoder.media.ladder import RateQualityPoint
from encoder.media.policy import Policy


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen point, and why."""

    point: RateQualityPoint
    why: str


def choose_rungs(hull: Sequence[RateQualityPoint], policy: Policy) -> tuple[Choice, ...]:
    """Rungs from the best to the cheapest.

    A policy with an audience gets those that :func:`encoder.ladder.placement.place_rungs` places
    for it. Without one rungs are spaced evenly: the best is the cheapest point that reaches the
    policy's top quality within its cap. Each next one is about ``spacing.vmaf`` lower, kept between
    the least and the greatest ratio of bitrates, and at least ``spacing.min_vmaf`` lower; it ends
    at the policy's lowest bitrate, its floor of quality, or its number of rungs. At least one rung
    is returned; bitrate and quality fall strictly, and resolution never rises.

    Args:
        hull: the points of the upper convex hull or near it, the cheapest first, not empty.
        policy: what is wanted.
    """
    if policy.audience is not None:
        # It takes its best rung from here.
        from encoder.ladder.placement import place_rungs

        return place_rungs(hull, policy.audience, policy)
    top = _top(hull, policy)
    chosen = [top]
    while len(chosen) < policy.max_rungs:
        last = chosen[-1].point
        if last.bitrate <= policy.min_bitrate:
            break
        if last.bitrate <= policy.comfort_bitrate and (
            last.vmaf <= policy.floor_vmaf or last.bitrate <= policy.min_bitrate * 1.2
        ):
            break
        found = _next(hull, last, policy)
        if found is None:
            break
        if found.point.vmaf < policy.floor_vmaf and last.bitrate <= policy.comfort_bitrate:
            break
        chosen.append(found)
    return tuple(chosen)


def _top(hull: Sequence[RateQualityPoint], policy: Policy) -> Choice:
    allowed = [p for p in hull if p.bitrate <= policy.max_bitrate]
    if not allowed:
        return Choice(hull[0], "the cheapest there is, although above the policy's highest bitrate")
    for point in allowed:
        if point.vmaf >= policy.top_vmaf:
            return Choice(point, f"the cheapest point that reaches VMAF {policy.top_vmaf:g}")
    if allowed[-1] is hull[-1]:
        return Choice(hull[-1], "the best that this title reaches")
    return Choice(allowed[-1], "the best below the policy's highest bitrate")


def _next(
    hull: Sequence[RateQualityPoint], last: RateQualityPoint, policy: Policy
) -> Choice | None:
    spacing = policy.spacing
    lower = [
        p
        for p in hull
        if policy.min_bitrate <= p.bitrate <= last.bitrate / spacing.min_ratio
        and p.vmaf <= last.vmaf - spacing.min_vmaf
        and p.width * p.height <= last.width * last.height
    ]
    if not lower:
        return None
    within = [p for p in lower if p.bitrate >= last.bitrate / spacing.max_ratio]
    if not within:
        # The curve is so flat, or so sparse, that the greatest ratio still looks the same.
        point = lower[-1]
        return Choice(point, f"the first that looks different: {last.vmaf - point.vmaf:.1f} below")
    point = min(within, key=lambda p: (abs(last.vmaf - spacing.vmaf - p.vmaf), -p.bitrate))
    drop, ratio = last.vmaf - point.vmaf, last.bitrate / point.bitrate
    if abs(drop - spacing.vmaf) <= 1.0:
        return Choice(point, f"about one visible step down: VMAF {drop:.1f} less")
    if drop < spacing.vmaf:
        return Choice(
            point, f"bitrate {ratio:.2f} times lower: the greatest step the policy allows"
        )
    return Choice(point, f"bitrate {ratio:.2f} times lower: the smallest step the policy allows")
