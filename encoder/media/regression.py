"""What a run measured, what is allowed to change, and what did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: What is measured of a rung besides scores: bits per second, and bytes.
RATES = ("average_bitrate", "peak_bitrate", "bytes")


@dataclass(frozen=True, slots=True)
class RungMeasure:
    """A rung of a run.

    ``rates`` has ``average_bitrate`` and ``peak_bitrate`` (bits per second) and ``bytes``.
    ``scores`` are values by metric and pooling (``mean``, ``harmonic_mean``, ``p1``, ``p5``,
    ``min``), ``shots`` the means of each shot by metric, None where nothing was scored.
    """

    id: str
    rates: Mapping[str, float]
    scores: Mapping[str, Mapping[str, float]]
    shots: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True, slots=True)
class RunMeasure:
    """One clip's run.

    ``conditions`` are what it was measured under, by name: versions, models, policy, frame rate and
    how many frames. Runs under other conditions may differ without anything having become worse.
    ``digest`` is that of the master's content, ``shots`` the first frame of each,
    ``encode_seconds`` CPU time of the encode (0: it came from the store, or is not known).
    """

    clip: str
    digest: str
    conditions: Mapping[str, str]
    shots: tuple[int, ...]
    encode_seconds: float
    rungs: tuple[RungMeasure, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """What may change, and how much.

    ``metric`` is a score, a rate, ``encode_time`` or ``bd_rate_<score>`` (per cent). ``pooling``
    applies to scores; ``shot`` means each shot, or the one with the number ``shot`` alone. ``rung``
    is an id or ``all``.
    ``worse`` and ``worse_percent`` are the most that the candidate may be worse than the baseline,
    ``least`` and ``most`` bounds on its own value. ``noise`` (and ``noise_percent``) is how far
    equal runs differ: it is added to what is allowed, and smaller changes are called none.
    """

    metric: str
    pooling: str = "mean"
    rung: str = "all"
    worse: float | None = None
    worse_percent: float | None = None
    least: float | None = None
    most: float | None = None
    noise: float = 0.0
    noise_percent: float = 0.0
    shot: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A gate at one rung (empty: of the whole run).

    ``allowed`` says in words what was allowed, ``message`` what was found. ``shot`` and ``frame``
    say where it is worst, if that is known.
    """

    gate: str
    rung: str
    baseline: float | None
    candidate: float | None
    change: float | None
    allowed: str
    passed: bool
    message: str
    shot: int | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class RegressionReport:
    """All checks of a clip, BD-rates in per cent by score, and what was different around them."""

    clip: str
    checks: tuple[Check, ...]
    bd_rates: Mapping[str, float | None]
    time_ratio: float | None
    conditions: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether no gate failed."""
        return all(check.passed for check in self.checks)


def shown(metric: str, value: float) -> str:
    """A value as people read it, with its unit."""
    if metric in RATES:
        return f"{value / 1000:.0f} {'kB' if metric == 'bytes' else 'kb/s'}"
    return f"{value:.4f}" if metric == "ssim" else f"{value:.2f}"


def shown_change(metric: str, was: float, change: float) -> str:
    """How much a value changed as people read it: rates and times in per cent."""
    if was and metric in (*RATES, "encode_time"):
        return f"{change / was:+.1%}"
    return f"{change:+.4f}" if metric == "ssim" else f"{change:+.2f}"
