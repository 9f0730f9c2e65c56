"""Says of each rung why it is this one and not its neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from encoder.media.ladder import Alternative, Explanation, Ladder, RateQualityPoint, Rung
from encoder.media.shots import Shot

# A neighbour that a viewer could just not tell apart.
_NEIGHBOUR = 2.0


def explain(ladder: Ladder, shots: Sequence[Shot]) -> tuple[Explanation, ...]:
    """An explanation of each rung; none for those of a fixed ladder.

    Args:
        ladder: the decision.
        shots: of the title, in order.
    """
    curves: dict[tuple[int, int], list[RateQualityPoint]] = {}
    for point in sorted(ladder.curves, key=lambda p: p.bitrate):
        curves.setdefault((point.width, point.height), []).append(point)
    return tuple(
        _explain(ladder, number, rung, curves, shots)
        for number, rung in enumerate(ladder.rungs)
        if rung.expected is not None
    )


def _explain(
    ladder: Ladder,
    number: int,
    rung: Rung,
    curves: dict[tuple[int, int], list[RateQualityPoint]],
    shots: Sequence[Shot],
) -> Explanation:
    expected = rung.expected
    if expected is None:
        raise ValueError(f"{rung.id} has no expectation to explain")
    rate = expected.average_bitrate
    others = tuple(
        Alternative(*size, _vmaf_at(curve, rate))
        for size, curve in curves.items()
        if size != (rung.width, rung.height)
    )
    own = curves.get((rung.width, rung.height), [])
    better = _at_vmaf(own, expected.vmaf + _NEIGHBOUR)
    cheaper = _at_vmaf(own, expected.vmaf - _NEIGHBOUR)
    sentences = [f"{rung.why[0].upper()}{rung.why[1:]}."]
    reachable = [one for one in others if one.vmaf is not None]
    if reachable:
        best = max(reachable, key=lambda one: one.vmaf or 0.0)
        told = ", ".join(f"{min(o.width, o.height)}p {o.vmaf:.1f}" for o in reachable)
        lead = expected.vmaf - (best.vmaf or 0.0)
        sentences.append(
            f"{min(rung.width, rung.height)}p looks best for {rate / 1000:.0f} kb/s: VMAF "
            f"{expected.vmaf:.1f}, against {told}."
            if lead >= 0
            else f"{min(best.width, best.height)}p would look {-lead:.1f} better for "
            f"{rate / 1000:.0f} kb/s, less than can be told apart; between the resolutions' curves "
            "the hull has no point of its own."
        )
    sentences += _about_crfs(rung, expected.slope, shots)
    if better is not None:
        sentences.append(
            f"{better.vmaf - expected.vmaf:.1f} VMAF more would cost "
            f"{100 * (better.bitrate / rate - 1):.0f}% more bits"
            + (", and the policy wants no more" if number == 0 else "")
            + "."
        )
    if cheaper is not None:
        sentences.append(
            f"{expected.vmaf - cheaper.vmaf:.1f} VMAF less would save "
            f"{100 * (1 - cheaper.bitrate / rate):.0f}% of them."
        )
    if number + 1 < len(ladder.rungs):
        below = ladder.rungs[number + 1]
        if below.expected is not None:
            sentences.append(
                f"The next rung, {below.id}, is {expected.vmaf - below.expected.vmaf:.1f} VMAF "
                f"lower at {rate / below.expected.average_bitrate:.2f} times fewer bits."
            )
    return Explanation(rung.id, others, better, cheaper, tuple(sentences))


def _about_crfs(rung: Rung, slope: float, shots: Sequence[Shot]) -> list[str]:
    crfs = rung.crf_per_shot
    if len(set(crfs)) == 1:
        return [f"CRF {crfs[0]:g}: a bit more buys {slope:.3g} VMAF a Mb/s."]
    low, high = int(np.argmin(crfs)), int(np.argmax(crfs))
    return [
        f"A bit more buys the same in every shot, {slope:.3g} VMAF a Mb/s, with CRF {crfs[low]:g} "
        f"in shot {low + 1} (frames {_range(shots, low)}) up to {crfs[high]:g} in shot {high + 1} "
        f"(frames {_range(shots, high)}), where bits buy least."
    ]


def _range(shots: Sequence[Shot], index: int) -> str:
    frames = shots[index].frames
    return f"{frames.start} to {frames.end - 1}"


def _vmaf_at(curve: Sequence[RateQualityPoint], bitrate: int) -> float | None:
    rates = [p.bitrate for p in curve]
    if not rates[0] <= bitrate <= rates[-1]:
        return None
    return float(np.interp(np.log(bitrate), np.log(rates), [p.vmaf for p in curve]))


def _at_vmaf(curve: Sequence[RateQualityPoint], vmaf: float) -> RateQualityPoint | None:
    if len(curve) < 2 or not curve[0].vmaf <= vmaf <= curve[-1].vmaf:
        return None
    quality = [p.vmaf for p in curve]
    first = curve[0]
    rate = float(np.exp(np.interp(vmaf, quality, np.log([p.bitrate for p in curve]))))
    crf = float(np.interp(vmaf, quality, [p.crf for p in curve]))
    return RateQualityPoint(first.width, first.height, crf, round(rate), vmaf)
