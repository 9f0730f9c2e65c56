"""Who watches: the bandwidths that viewers have, and what a ladder delivers to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Audience:
    """A distribution of available bandwidth over viewers.

    ``bandwidths`` are in bits per second, ``below`` the share of viewers, 0 to 1, that have less:
    the corners of the cumulative distribution, which is linear in the logarithm of the bandwidth
    between two of them. Neither ever falls; ``below`` begins at 0 and ends at 1. Where a bandwidth
    occurs twice, the shares differ: that many viewers have just this bandwidth.

    ``source`` says where the figures come from. Names and sources change no result.
    """

    name: str
    source: str
    bandwidths: tuple[float, ...]
    below: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.bandwidths) != len(self.below) or len(self.below) < 2:
            raise ValueError("a distribution needs as many shares as bandwidths, two at least")
        if not all(math.isfinite(b) and b > 0 for b in self.bandwidths):
            raise ValueError("a bandwidth is not a positive number")
        if any(b < a for a, b in pairwise(self.bandwidths)):
            raise ValueError("bandwidths do not rise")
        if any(not b >= a for a, b in pairwise(self.below)):
            raise ValueError("shares do not rise")
        if self.below[0] != 0 or self.below[-1] != 1:
            raise ValueError("shares do not go from 0 to 1")

    @classmethod
    def of_percentiles(
        cls, percentiles: Mapping[float, float], *, name: str = "", source: str = ""
    ) -> Audience:
        """A distribution through percentiles.

        Viewers outside the outermost percentiles are counted at these: nothing is known of them.

        Args:
            percentiles: bits per second by percentile from 0 to 100: that many per cent of viewers
                have less.
            name: what it is called.
            source: where the figures come from.

        Raises:
            ValueError: when there are fewer than two, or the bandwidths do not rise with them.
        """
        if len(percentiles) < 2:
            raise ValueError("at least two percentiles are needed")
        points = sorted(percentiles.items())
        if not (points[0][0] >= 0 and points[-1][0] <= 100):
            raise ValueError("a percentile is not from 0 to 100")
        if any(not b > a for (_, a), (_, b) in pairwise(points)):
            raise ValueError("bandwidths do not rise with their percentiles")
        shares = [percentile / 100 for percentile, _ in points]
        bandwidths = [float(bandwidth) for _, bandwidth in points]
        if shares[0] > 0:
            shares.insert(0, 0.0)
            bandwidths.insert(0, bandwidths[0])
        if shares[-1] < 1:
            shares.append(1.0)
            bandwidths.append(bandwidths[-1])
        return cls(name, source, tuple(bandwidths), tuple(shares))

    @classmethod
    def of_histogram(
        cls, bins: Iterable[tuple[float, float]], *, name: str = "", source: str = ""
    ) -> Audience:
        """A distribution of viewers that have one of some bandwidths.

        Args:
            bins: bandwidths in bits per second with their weights, in any unit and order; those of
                equal bandwidths add up.
            name: what it is called.
            source: where the figures come from.

        Raises:
            ValueError: when a weight is negative or not a number, or all are 0.
        """
        weights: dict[float, float] = {}
        for bandwidth, weight in bins:
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError("a weight is negative or not a number")
            weights[float(bandwidth)] = weights.get(float(bandwidth), 0.0) + weight
        points = sorted((b, w) for b, w in weights.items() if w > 0)
        total = math.fsum(weight for _, weight in points)
        if not 0 < total < math.inf:
            raise ValueError("the weights add up to nothing")
        bandwidths: list[float] = []
        shares: list[float] = []
        below = 0.0
        for number, (bandwidth, weight) in enumerate(points, start=1):
            bandwidths += [bandwidth, bandwidth]
            shares.append(below)
            # The last is 1 whatever was lost in rounding.
            below = min(1.0, below + weight / total) if number < len(points) else 1.0
            shares.append(below)
        return cls(name, source, tuple(bandwidths), tuple(shares))


@dataclass(frozen=True, slots=True)
class ExpectedDelivery:
    """What an audience receives of a ladder, as means over its viewers.

    ``bitrate`` is in bits per second of video. ``vmaf`` counts up to a top quality, and as 0 for
    viewers whose bandwidth does not carry even the lowest rung; ``below_lowest`` is their share, 0
    to 1. ``shares`` are those of the viewers that play each rung, in the order of the rungs: with
    ``below_lowest`` they add up to 1.
    """

    bitrate: float
    vmaf: float
    below_lowest: float
    shares: tuple[float, ...]
