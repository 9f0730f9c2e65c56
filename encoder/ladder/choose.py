"""Which points of the hull become rungs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from encoder.media.ladder import RateQualityPoint
from encoder.media.policy import Policy

# An encode that is there already may be the best rung if it is so near, in VMAF, to what is wanted.
_TOP_AS_WANTED = 0.5
# On the way to one, steps of bitrate may be that share of the policy's least, and the greatest that
# share of them.
_NEARLY = 0.9


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen point, and why."""

    point: RateQualityPoint
    why: str


def choose_rungs(
    hull: Sequence[RateQualityPoint], policy: Policy, made: Sequence[RateQualityPoint] = ()
) -> tuple[Choice, ...]:
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
        made: those of the points that are encoded already: rungs as well, as long as that needs
            no steps that are much smaller or greater than without them.
    """
    if policy.audience is not None:
        # It takes its best rung from here.
        from encoder.ladder.placement import place_rungs

        return place_rungs(hull, policy.audience, policy, made=made)
    top = _top(hull, policy, made)
    chosen = [top]
    for point in sorted(made, key=lambda p: -p.bitrate):
        chosen += _steps_to(hull, chosen[-1].point, point, policy)
    del chosen[policy.max_rungs :]
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


def is_made(point: RateQualityPoint, made: Sequence[RateQualityPoint]) -> bool:
    """Whether a point is one of those that are encoded already."""
    return any(point is one for one in made)


def _top(
    hull: Sequence[RateQualityPoint], policy: Policy, made: Sequence[RateQualityPoint]
) -> Choice:
    best = _best(hull, policy)
    near = [
        p
        for p in hull
        if is_made(p, made)
        and abs(p.vmaf - best.point.vmaf) <= _TOP_AS_WANTED
        and p.bitrate <= policy.max_bitrate
    ]
    if not near:
        return best
    return Choice(min(near, key=lambda p: abs(p.vmaf - best.point.vmaf)), best.why)


def _best(hull: Sequence[RateQualityPoint], policy: Policy) -> Choice:
    allowed = [p for p in hull if p.bitrate <= policy.max_bitrate]
    if not allowed:
        return Choice(hull[0], "the cheapest there is, although above the policy's highest bitrate")
    for point in allowed:
        if point.vmaf >= policy.top_vmaf:
            return Choice(point, f"the cheapest point that reaches VMAF {policy.top_vmaf:g}")
    if allowed[-1] is hull[-1]:
        return Choice(hull[-1], "the best that this title reaches")
    return Choice(allowed[-1], "the best below the policy's highest bitrate")


def _steps_to(
    hull: Sequence[RateQualityPoint],
    last: RateQualityPoint,
    wanted: RateQualityPoint,
    policy: Policy,
) -> list[Choice]:
    """The rungs below one to another that is encoded already, and that one.

    They are spaced as without it, all steps a little greater or smaller. None if there is no room
    for it.
    """
    if not policy.min_bitrate <= wanted.bitrate < last.bitrate:
        return []
    if wanted.width * wanted.height > last.width * last.height:
        return []
    free: list[RateQualityPoint] = []
    while True:
        found = _next(hull, free[-1] if free else last, policy)
        if found is None:
            break
        free.append(found.point)
        if found.point.bitrate <= wanted.bitrate:
            break
    steps = [a.bitrate / b.bitrate for a, b in pairwise([last, *free])]
    greatest = max([policy.spacing.max_ratio, *steps]) / _NEARLY
    whole = math.log(last.bitrate / wanted.bitrate)
    ways = []
    # With the last of them in its place, or the one before that.
    for count in {len(free), max(1, len(free) - 1)}:
        ends = free[count - 1].bitrate if free else wanted.bitrate
        scale = whole / math.log(last.bitrate / ends)
        between = [
            last.bitrate * math.exp(-scale * math.log(last.bitrate / p.bitrate))
            for p in free[: count - 1]
        ]
        path = _path(hull, last, wanted, between, policy, greatest)
        if path is not None:
            ways.append((abs(math.log(scale)), path))
    if not ways:
        return []
    path = min(ways, key=lambda way: way[0])[1]
    return [
        *(Choice(p, "evenly between the rungs that were encoded first") for p in path),
        Choice(wanted, "one of those that were encoded first, to decide the others by"),
    ]


def _path(
    hull: Sequence[RateQualityPoint],
    last: RateQualityPoint,
    wanted: RateQualityPoint,
    bitrates: Sequence[float],
    policy: Policy,
    greatest: float,
) -> list[RateQualityPoint] | None:
    """Points near some bitrates, between two others; None if a step would be too small, greater
    than that ratio of bitrates, or one that the policy has no use for."""
    path: list[RateQualityPoint] = []
    least, spacing = wanted.width * wanted.height, policy.spacing
    for bitrate in bitrates:
        above = path[-1] if path else last
        allowed = [
            p
            for p in hull
            if wanted.bitrate < p.bitrate < above.bitrate
            and least <= p.width * p.height <= above.width * above.height
        ]
        if not allowed:
            return None
        path.append(min(allowed, key=lambda p: abs(math.log(p.bitrate / bitrate))))
    ends = [last, *path, wanted]
    for better, worse in pairwise(ends):
        ratio = better.bitrate / worse.bitrate
        if not spacing.min_ratio * _NEARLY <= ratio <= greatest:
            return None
        if better.vmaf - worse.vmaf < spacing.min_vmaf:
            return None
        if worse.vmaf < policy.floor_vmaf and better.bitrate <= policy.comfort_bitrate:
            return None
    return path


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
