"""The ladder: the decision which renditions are made, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class RateQualityPoint:
    """What a quality setting costs and gives at a resolution.

    ``bitrate`` is in bits per second, ``vmaf`` the mean at the master's display resolution.
    """

    width: int
    height: int
    crf: float
    bitrate: int
    vmaf: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What a rung is predicted to deliver: bits per second and mean VMAF."""

    average_bitrate: int
    vmaf: float


@dataclass(frozen=True, slots=True)
class Rung:
    """One line of the ladder.

    Rate is controlled either by ``crf_per_shot`` (one CRF a shot, in the order of the shots) or,
    for fixed ladders, by ``target_bitrate``. ``max_bitrate`` (bits per second) and ``buffer_bits``
    are the video buffering verifier's. ``why`` says for people why this rung is here.
    """

    id: str
    codec: str
    width: int
    height: int
    preset: str
    crf_per_shot: tuple[float, ...]
    target_bitrate: int | None
    max_bitrate: int
    buffer_bits: int
    expected: Expected | None
    why: str


@dataclass(frozen=True, slots=True)
class Savings:
    """How the ladder compares with a fixed one at equal VMAF, both read off the same trials.

    ``bd_rate_vmaf`` is Bjontegaard's delta rate in per cent, negative when fewer bits are needed;
    None where the two ladders share no range of quality, so that no figure is honest.
    """

    reference_policy: str
    bd_rate_vmaf: float | None
    reference_points: tuple[RateQualityPoint, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The decision: rungs from the best to the cheapest, and the evidence.

    ``trials`` are the measured points, ``hull`` the upper convex hull of their interpolation, from
    the cheapest up. Both are empty for a fixed policy that was applied without trials.
    """

    policy: str
    policy_digest: str
    codec: str
    preset: str
    frame_rate: Fraction
    rungs: tuple[Rung, ...]
    trials: tuple[RateQualityPoint, ...]
    hull: tuple[RateQualityPoint, ...]
    vmaf_model: str
    savings: Savings | None
    notes: tuple[str, ...]
