"""What an audience receives of a ladder: exact, by integrating its distribution of bandwidths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from encoder.media.audience import Audience, ExpectedDelivery

Floats = NDArray[np.float64]

#: The part of its bandwidth that a player counts on; the rest is for peaks of the video, for the
#: network's ups and downs and for its own errors of measurement. Players as they come take 0.7 of
#: what they measure (Media3's AdaptiveTrackSelection, and hls.js to go up), 0.85 (Shaka Player, to
#: go up) or 0.9 (dash.js). Rungs count with their average: their peaks are what the rest is for.
USABLE = 0.8


class RatePoint(Protocol):
    """A rung or what may become one: bits per second on average, and mean VMAF."""

    @property
    def bitrate(self) -> int: ...

    @property
    def vmaf(self) -> float: ...


def share_below(audience: Audience, bandwidth: Floats) -> Floats:
    """The share of viewers that have less than each bandwidth.

    Args:
        audience: the distribution.
        bandwidth: bits per second, positive, of any shape.
    """
    corners, below = _arrays(audience)
    # The first corner that is not lower: the share before a jump there.
    after = np.searchsorted(corners, bandwidth, side="left")
    high = np.clip(after, 1, len(corners) - 1)
    low = high - 1
    width = np.log(corners[high]) - np.log(corners[low])
    part = np.log(bandwidth) - np.log(corners[low])
    flat = width == 0
    within = below[low] + (below[high] - below[low]) * part / np.where(flat, 1.0, width)
    found = np.where(after == 0, 0.0, np.where(after == len(corners), 1.0, within))
    return np.asarray(found, dtype=np.float64)


def bandwidth_below(audience: Audience, bandwidth: Floats) -> Floats:
    """The bandwidth of the viewers that have less than each bandwidth, times their share.

    The partial expectation E[B; B < b]. On a stretch where the share rises by s for each unit of
    the logarithm, between bandwidths u and v, it is the integral of b s / b, which is s (v - u).

    Args:
        audience: the distribution.
        bandwidth: bits per second, positive, of any shape.

    Returns:
        Bits per second.
    """
    corners, below = _arrays(audience)
    low, high = corners[:-1], corners[1:]
    rise = np.diff(below)
    flat = low == high
    density = np.where(flat, 0.0, rise / np.where(flat, 1.0, np.log(high) - np.log(low)))
    at = np.asarray(bandwidth, dtype=np.float64)[..., None]
    smooth = density * (np.clip(at, low, high) - low)
    jumps = np.where(flat & (low < at), rise * low, 0.0)
    return np.asarray((smooth + jumps).sum(axis=-1), dtype=np.float64)


def carrying(bitrate: Floats, audio_bitrate: int, usable: float = USABLE) -> Floats:
    """The least bandwidth that carries video of a bitrate and the sound: bits per second."""
    return (bitrate + audio_bitrate) / usable


def expected_delivery(
    rungs: Sequence[RatePoint],
    audience: Audience,
    top_vmaf: float,
    audio_bitrate: int,
    *,
    usable: float = USABLE,
) -> ExpectedDelivery:
    """What an audience receives of a ladder.

    A viewer plays the dearest rung whose average bitrate, with the sound, is at most the usable
    part of the bandwidth, as players do. One whom even the lowest does not fit plays that, stopping
    and waiting: such viewers count with the bits that reach them, and with no quality. They do not
    stay: each per cent of the time that playback stands still takes 5% of what is watched (Krishnan
    and Sitaraman, IMC 2012).

    Args:
        rungs: what can be played, in any order, not empty.
        audience: who plays it.
        top_vmaf: quality above this is not seen, and not counted.
        audio_bitrate: bits per second of the sound that is played along.
        usable: the part of the bandwidth that a player counts on.

    Returns:
        Its ``shares`` are in the order of the rungs as given.

    Raises:
        ValueError: when there are no rungs, or a bitrate or a score is not as it must be.
    """
    rates = np.array([rung.bitrate for rung in rungs], dtype=np.float64)
    scores = np.array([rung.vmaf for rung in rungs], dtype=np.float64)
    if not len(rates):
        raise ValueError("a ladder has no rungs")
    if not (np.isfinite(rates).all() and np.isfinite(scores).all() and (rates > 0).all()):
        raise ValueError("a bitrate or a score of a rung is not a number")
    # Of two rungs with the same bitrate the better is played.
    order = np.lexsort((scores, rates))
    needed = carrying(rates[order], audio_bitrate, usable)
    below = share_below(audience, needed)
    played = np.append(below[1:], 1.0) - below
    seen = np.minimum(scores[order], top_vmaf)
    # Those below the lowest get of it what comes through.
    waiting = bandwidth_below(audience, needed[:1])[0] / needed[0] * rates[order][0]
    return ExpectedDelivery(
        bitrate=float(played @ rates[order] + waiting),
        vmaf=float(played @ seen),
        below_lowest=float(below[0]),
        shares=tuple(float(share) for share in played[np.argsort(order)]),
    )


def _arrays(audience: Audience) -> tuple[Floats, Floats]:
    return (
        np.array(audience.bandwidths, dtype=np.float64),
        np.array(audience.below, dtype=np.float64),
    )
