"""The nominal frame rate, and whether pictures keep to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from encoder.media.master import Cadence

_NTSC = Fraction(1000, 1001)
# Rates that equipment makes, with the NTSC variants of those that have one.
WELL_KNOWN: tuple[Fraction, ...] = tuple(
    sorted(
        {
            *(Fraction(r) for r in (5, 6, 8, 10, 12, 15, 20, 24, 25, 30, 36, 40, 48, 50, 60)),
            *(Fraction(r) for r in (72, 75, 90, 96, 100, 120, 144, 200, 240)),
            Fraction(25, 2),
            *(Fraction(r) * _NTSC for r in (12, 15, 24, 30, 48, 60, 120, 240)),
        }
    )
)
# How far a measured average may be from a well-known rate that is meant: clocks of phones and
# capture cards are off by less than this; the next well-known rates are further away, except that
# NTSC rates are 0.1 % from their neighbours: of those the nearest is taken.
SNAP_TOLERANCE = Fraction(1, 300)
# Claims are rounded only, so that a claim of 29.97 is not one of 30.
_CLAIM_TOLERANCE = Fraction(1, 4000)
# Pictures keep to a grid when they lie within half a frame of it; a little less, so that each still
# belongs to exactly one place.
_GRID_SPREAD = Fraction(19, 20)
_ODD_GRID_SPREAD = Fraction(1, 5)
# A file whose times jump by more than this was cut together, or its clock was reset.
_JUMP_SECONDS = 10
_FALLBACK_RATE = Fraction(25)
_HIGHEST_RATE = 1000
_HIGHEST_GUESS = Fraction(60)
_LARGEST_DENOMINATOR = 1001


@dataclass(frozen=True, slots=True)
class Measured:
    """What presentation times say: nominal and average rate in Hz, and the cadence.

    ``timed`` is whether the time of every picture, from the first one's, rounds to its place on the
    grid. It is false without times, and where the clock jumps or jitters much.
    """

    nominal: Fraction
    average: Fraction
    cadence: Cadence
    timed: bool


def measure(
    times: Sequence[int], time_base: Fraction, declared: Iterable[Fraction | None]
) -> Measured:
    """The cadence of a stream.

    Args:
        times: presentation times of its pictures in ticks, ascending; empty when it has none.
        time_base: seconds a tick.
        declared: frame rates that the file claims, the most trusted first. They decide only
            between rates that the times allow.
    """
    claims = [_exact(r) for r in declared if r and 0 < r <= _HIGHEST_RATE]
    gaps = sorted(b - a for a, b in pairwise(times) if b > a)
    if not gaps:
        rate = snap(claims[0]) if claims else _FALLBACK_RATE
        return Measured(rate, rate, "constant", len(times) == 1)
    average = Fraction(len(times) - 1) / ((times[-1] - times[0]) * time_base)
    jump = max(_JUMP_SECONDS / time_base, Fraction(100 * gaps[len(gaps) // 2]))
    if gaps[-1] > jump:
        typical = _typical_gap(gaps)
        rate = _nominal(1 / (typical * time_base), time_base / (typical * time_base), claims)
        return Measured(rate, rate, "constant", False)
    # The average is as uncertain as the times jitter, over the whole span; by a tick at least.
    jitter = _spread(times, time_base, average) / (average * time_base)
    uncertainty = max(jitter, Fraction(1)) / (times[-1] - times[0])
    candidate = _nominal(average, uncertainty, claims)
    # A rate that nobody else has must be kept to strictly, or it is the mean of a varying one.
    allowed = _GRID_SPREAD if snap(candidate) in WELL_KNOWN else _ODD_GRID_SPREAD
    if _spread(times, time_base, candidate) <= allowed + candidate * time_base:
        timed = _rounds(times, time_base, candidate)
        return Measured(candidate, average, "constant", timed)
    typical = _typical_gap(gaps)
    rate = _nominal(1 / (typical * time_base), Fraction(1, 2) / typical, claims)
    if rate not in WELL_KNOWN:
        # No grid is the right one; one that every device plays loses nothing.
        rate = _nearest(min(rate, _HIGHEST_GUESS))
    elif rate != candidate and _spread(times, time_base, rate) <= _GRID_SPREAD:
        return Measured(rate, average, "constant", _rounds(times, time_base, rate))
    return Measured(rate, average, "variable", True)


def snap(rate: Fraction) -> Fraction:
    """The well-known rate that a rate means, or else the rate itself."""
    nearest = _nearest(rate)
    return nearest if abs(nearest - rate) <= SNAP_TOLERANCE * nearest else rate


def _nearest(rate: Fraction) -> Fraction:
    return min(WELL_KNOWN, key=lambda known: abs(known - rate))


def _exact(claim: Fraction) -> Fraction:
    """A claim that a container has in decimals or as a period, as it was meant."""
    nearest = _nearest(claim)
    return nearest if abs(nearest - claim) <= _CLAIM_TOLERANCE * nearest else claim


def _nominal(measured: Fraction, uncertainty: Fraction, claims: Sequence[Fraction]) -> Fraction:
    """The rate meant by a measured one, known to a relative uncertainty."""
    for claim in claims:
        # Times that are too coarse to tell 24 from 24000/1001 leave the choice to the claim.
        if snap(claim) == claim and abs(claim - measured) <= uncertainty * measured:
            return claim
    known = snap(measured)
    if known != measured or known in WELL_KNOWN:
        return known
    for claim in claims:
        if abs(claim - measured) <= max(uncertainty, Fraction(1, 2000)) * measured:
            return claim.limit_denominator(_LARGEST_DENOMINATOR)
    return _simplest(measured, uncertainty)


def _simplest(rate: Fraction, uncertainty: Fraction) -> Fraction:
    """The fraction of the smallest denominator within a relative uncertainty."""
    for denominator in range(1, _LARGEST_DENOMINATOR):
        near = Fraction(round(rate * denominator), denominator)
        if near > 0 and abs(near - rate) <= uncertainty * rate:
            return near
    return rate.limit_denominator(_LARGEST_DENOMINATOR)


def _spread(times: Sequence[int], time_base: Fraction, rate: Fraction) -> Fraction:
    """How far pictures stray from the best fitting grid of a rate, from one side to the other.

    In frames: below 1, every picture lies within half a frame of its place.
    """
    step = 1 / (rate * time_base)
    # Integers, since this runs over every picture of a feature film.
    numerator, denominator = step.numerator, step.denominator
    offsets = [t * denominator - n * numerator for n, t in enumerate(times)]
    return Fraction(max(offsets) - min(offsets), numerator)


def _rounds(times: Sequence[int], time_base: Fraction, rate: Fraction) -> bool:
    """Whether each time, counted from the first, rounds to the picture's number."""
    step = 1 / (rate * time_base)
    numerator, denominator = step.numerator, step.denominator
    first = times[0]
    return all(
        abs((t - first) * denominator - n * numerator) * 2 < numerator for n, t in enumerate(times)
    )


def _typical_gap(gaps: Sequence[int]) -> Fraction:
    """The distance of pictures in ticks when nothing is missing, from sorted distances.

    That is the shortest one that a tenth of the pictures keep (cameras that slow down in the dark
    and captures that skip still frames have longer ones); where distances scatter too much for
    that, their median.
    """
    tenth = max(2, len(gaps) // 10)
    first = 0
    for last, gap in enumerate(gaps):
        # A tick more, as times are rounded.
        while gap > gaps[first] * Fraction(103, 100) + 1:
            first += 1
        if last - first + 1 >= tenth and gaps[first] * 4 >= gaps[len(gaps) // 2]:
            start = first
            end = start
            while end < len(gaps) and gaps[end] <= gaps[start] * Fraction(103, 100) + 1:
                end += 1
            return Fraction(sum(gaps[start:end]), end - start)
    return Fraction(gaps[len(gaps) // 2])
