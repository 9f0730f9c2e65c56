"""Compares two ladders: bits at equal quality, quality at equal bits, storage, and what is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from encoder.ladder.audience import expected_delivery
from encoder.media.audience import Audience
from encoder.media.comparison import (
    AtBitrate,
    AtQuality,
    BdRates,
    Comparison,
    EqualBits,
    EqualQuality,
    MeasuredLadder,
    MeasuredRung,
    Side,
)
from encoder.score.bd import bd_rate, front, pchip

#: The qualities and bitrates at which two ladders are read off beside each other.
QUALITIES = (40.0, 60.0, 70.0, 80.0, 85.0, 90.0, 93.0, 95.0)
BITRATES = (250_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000)
# Integrals of the exponential of a cubic have no closed form; Gauss-Legendre with so many nodes on
# each stretch between two rungs is exact to the last digits.
_NODES = 16


def compare_ladders(
    ours: MeasuredLadder,
    reference: MeasuredLadder,
    audience: Audience | None,
    duration: Fraction,
    top_vmaf: float,
    audio_bitrate: int,
    *,
    qualities: Sequence[float] = QUALITIES,
    bitrates: Sequence[int] = BITRATES,
) -> Comparison:
    """Our ladder against another.

    Curves between rungs are those of Bjontegaard's delta rate: PCHIP through the logarithm of the
    bitrate over quality, and for quality at equal bits through quality over that logarithm. A rung
    that costs more than another and is no better is on no curve; it is stored and delivered all the
    same.

    Args:
        ours: what is compared.
        reference: what it is compared with.
        audience: who watches; None to leave out what they receive.
        duration: of the title, in seconds.
        top_vmaf: quality above this is not counted for the audience.
        audio_bitrate: bits per second of the sound that the audience plays along.
        qualities: VMAFs to read bits off at, beside ``top_vmaf``; those that neither ladder has are
            left out.
        bitrates: bits per second to read VMAF off at; those that neither has are left out.

    Raises:
        ValueError: when the two were not made and measured alike, a ladder has no rungs, a bitrate
            or a VMAF is not as it must be, or the duration is not positive.
    """
    if ours.conditions != reference.conditions:
        raise ValueError(
            f"the ladders were not measured alike: {ours.conditions} and {reference.conditions}"
        )
    if duration <= 0:
        raise ValueError("the duration is not positive")
    if not ours.rungs or not reference.rungs:
        raise ValueError("a ladder has no rungs")

    def side(ladder: MeasuredLadder) -> Side:
        rungs = tuple(sorted(ladder.rungs, key=lambda rung: (-rung.bitrate, -rung.vmaf)))
        stored = sum(rung.bitrate for rung in rungs) * duration / 8
        delivery = (
            None
            if audience is None
            else expected_delivery(rungs, audience, top_vmaf, audio_bitrate)
        )
        return Side(ladder.name, rungs, round(stored), delivery)

    sides = side(ours), side(reference)
    curves = _Curve.of(sides[0].rungs), _Curve.of(sides[1].rungs)
    return Comparison(
        conditions=ours.conditions,
        duration=duration,
        ours=sides[0],
        reference=sides[1],
        bd_rate=BdRates(
            vmaf=_bd_rate(sides, lambda rung: rung.vmaf),
            psnr_y=_bd_rate(sides, lambda rung: rung.psnr_y),
            ssim=_bd_rate(sides, lambda rung: rung.ssim),
        ),
        equal_quality=_equal_quality(*curves),
        at_quality=tuple(
            at
            for at in (
                AtQuality(vmaf, curves[0].bitrate(vmaf), curves[1].bitrate(vmaf))
                for vmaf in sorted({*qualities, top_vmaf})
            )
            if at.ours is not None or at.reference is not None
        ),
        equal_bits=_equal_bits(*curves),
        at_bitrate=tuple(
            at
            for at in (
                AtBitrate(rate, curves[0].vmaf(rate), curves[1].vmaf(rate)) for rate in bitrates
            )
            if at.ours is not None or at.reference is not None
        ),
        audience=None if audience is None else audience.name,
        top_vmaf=top_vmaf,
        audio_bitrate=audio_bitrate,
    )


def _bd_rate(
    sides: tuple[Side, Side], score: Callable[[MeasuredRung], float | None]
) -> float | None:
    """None when a rung of either was not measured: a corner of a ladder is not the ladder."""
    points = []
    for side in sides:
        found = [
            (float(rung.bitrate), value)
            for rung in side.rungs
            if (value := score(rung)) is not None and np.isfinite(value)
        ]
        if len(found) < len(side.rungs):
            return None
        points.append(found)
    return bd_rate(points[1], points[0])


@dataclass(frozen=True, slots=True)
class _Curve:
    """A ladder as a curve: logarithms of bitrates and VMAFs, rising in both."""

    log_rates: tuple[float, ...]
    scores: tuple[float, ...]

    @classmethod
    def of(cls, rungs: Sequence[MeasuredRung]) -> _Curve:
        rates, scores = front([(float(rung.bitrate), rung.vmaf) for rung in rungs])
        return cls(tuple(np.log(rates).tolist()), tuple(scores.tolist()))

    def bitrate(self, vmaf: float) -> int | None:
        if not self.scores[0] <= vmaf <= self.scores[-1]:
            return None
        if len(self.scores) == 1:
            return round(float(np.exp(self.log_rates[0])))
        return round(float(np.exp(pchip(self.scores, self.log_rates)(vmaf))))

    def vmaf(self, bitrate: int) -> float | None:
        at = float(np.log(bitrate))
        if not self.log_rates[0] <= at <= self.log_rates[-1]:
            return None
        if len(self.scores) == 1:
            return self.scores[0]
        return float(pchip(self.log_rates, self.scores)(at))

    def mean_bitrate(self, low: float, high: float) -> float:
        """Mean bits per second over a range of VMAF that the curve has."""
        curve = pchip(self.scores, self.log_rates)
        corners = np.array([low, *(s for s in self.scores if low < s < high), high])
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        half = np.diff(corners)[:, None] / 2
        at = corners[:-1, None] + half * (nodes + 1)
        return float((half * weights * np.exp(curve(at))).sum()) / (high - low)

    def mean_vmaf(self, low: float, high: float) -> float:
        """Mean VMAF over a range of logarithms of bitrate that the curve has."""
        curve = pchip(self.log_rates, self.scores)
        return float(curve.integrate(low, high)) / (high - low)


def _equal_quality(ours: _Curve, reference: _Curve) -> EqualQuality | None:
    low = max(ours.scores[0], reference.scores[0])
    high = min(ours.scores[-1], reference.scores[-1])
    if high <= low:
        return None
    means = (round(curve.mean_bitrate(low, high)) for curve in (ours, reference))
    return EqualQuality(low, high, *means)


def _equal_bits(ours: _Curve, reference: _Curve) -> EqualBits | None:
    low = max(ours.log_rates[0], reference.log_rates[0])
    high = min(ours.log_rates[-1], reference.log_rates[-1])
    if high <= low:
        return None
    means = (curve.mean_vmaf(low, high) for curve in (ours, reference))
    return EqualBits(round(float(np.exp(low))), round(float(np.exp(high))), *means)
