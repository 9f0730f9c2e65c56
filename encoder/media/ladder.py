"""The ladder: the decision which renditions are made, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class RateQualityPoint:
    """What a quality setting costs and gives at a resolution.

    ``bitrate`` is in bits per second, ``vmaf`` the mean at the master's display resolution. ``crf``
    is the mean over the frames where it differs from shot to shot.
    """

    width: int
    height: int
    crf: float
    bitrate: int
    vmaf: float


@dataclass(frozen=True, slots=True)
class Trial:
    """A measured encode of consecutive frames of one shot.

    ``start`` is the first frame, in the title; ``key_bits`` are the bits of its ``key_frames`` IDR
    pictures, ``other_bits`` those of all others; ``vmaf`` is the mean at the master's display
    resolution.
    """

    shot: int
    start: int
    frames: int
    width: int
    height: int
    crf: float
    key_frames: int
    key_bits: int
    other_bits: int
    vmaf: float


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a value lies with a probability of 80%."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What a rung is predicted to deliver.

    ``average_bitrate`` and ``peak_bitrate`` (of the hardest segment) in bits per second, ``vmaf``
    the mean over the title, each with the interval it is expected in; an interval of no width where
    all was measured. ``slope`` is what one more bit buys, in VMAF per Mb/s, the same in every shot.
    """

    average_bitrate: int
    vmaf: float
    average_bitrate_interval: Interval
    vmaf_interval: Interval
    peak_bitrate: int
    slope: float


@dataclass(frozen=True, slots=True)
class Rung:
    """One line of the ladder.

    Rate is controlled either by ``crf_per_shot`` (one CRF a shot, in the order of the shots) or,
    for fixed ladders, by ``target_bitrate``. ``max_bitrate`` (bits per second) and ``buffer_bits``
    are the video buffering verifier's. ``why`` says for people why this rung is here. It stays
    within the codec's level ``max_level``, None for the codec's own limit.
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
    max_level: str | None = None


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
class ShotHull:
    """What bits buy in one shot.

    ``shot`` is its index, ``points`` its upper convex hull over all resolutions and CRFs, from the
    cheapest up; bitrates count while the shot lasts. ``rungs`` are the ladder's rungs in this shot,
    in their order; they need not be on the hull, as a rung has one resolution for all shots.
    """

    shot: int
    points: tuple[RateQualityPoint, ...]
    rungs: tuple[RateQualityPoint, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The decision: rungs from the best to the cheapest, and the evidence.

    ``trials`` are the measured encodes of parts of shots. ``curves`` are what the title costs and
    reaches at each resolution when every bit is spent where it buys most, ``hull`` their upper
    convex hull, from the cheapest up, ``shot_hulls`` those of some shots, from the easiest to the
    hardest. All are empty for a fixed policy.
    """

    policy: str
    policy_digest: str
    codec: str
    preset: str
    frame_rate: Fraction
    rungs: tuple[Rung, ...]
    trials: tuple[Trial, ...]
    curves: tuple[RateQualityPoint, ...]
    hull: tuple[RateQualityPoint, ...]
    vmaf_model: str
    savings: Savings | None
    notes: tuple[str, ...]
    shot_hulls: tuple[ShotHull, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """What another resolution would reach for the bits of a rung: mean VMAF.

    None where that resolution cannot be made to cost so little, or so much.
    """

    width: int
    height: int
    vmaf: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rung is as it is.

    ``alternatives`` are the other resolutions at the same bits; ``better`` and ``cheaper`` the
    points of the same resolution about two VMAF up and down; ``sentences`` say it for people.
    """

    rung: str
    alternatives: tuple[Alternative, ...]
    better: RateQualityPoint | None
    cheaper: RateQualityPoint | None
    sentences: tuple[str, ...]
