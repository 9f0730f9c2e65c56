"""The resolutions a ladder may use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from encoder.codecs import codec_named
from encoder.codecs.levels import Level
from encoder.errors import UsageError
from encoder.media.conform import Conform
from encoder.media.policy import Policy


def even(value: Fraction) -> int:
    """The even number nearest to a length in pixels, at least 2."""
    return max(2, 2 * round(value / 2))


def level_of_policy(policy: Policy) -> Level:
    """What the oldest device that a policy thinks of can decode."""
    codec = codec_named(policy.codec)
    return codec.level(policy.max_level or codec.max_level)


def within_level(policy: Policy) -> Policy:
    """The policy with its bitrates capped by what its oldest device can decode."""
    return replace(policy, max_bitrate=min(policy.max_bitrate, level_of_policy(policy).bitrate))


def allowed_sizes(conform: Conform, policy: Policy) -> list[tuple[int, int]]:
    """The resolutions that a policy allows for a title, the largest first.

    Raises:
        UsageError: when all are too large for the policy's level at the title's frame rate.
    """
    level = level_of_policy(policy)
    rate = conform.frame_rate
    sizes = resolutions(conform.width, conform.height, policy.heights)
    kept = [size for size in sizes if level.holds(*size, rate)]
    if not kept:
        width, height = sizes[-1]
        raise UsageError(
            "No resolution of the policy can be decoded by its devices",
            where=policy.name,
            why=f"{width}x{height} at {float(rate):.3g} pictures a second is beyond level "
            f"{level.name} of {policy.codec}",
            hint="Add a smaller height, or allow a higher max_level or a lower max_frame_rate",
        )
    return kept


def resolutions(width: int, height: int, short_sides: Iterable[int]) -> list[tuple[int, int]]:
    """The sizes of a title at the given short sides, the largest first.

    None is above the master's own size, which is among them unless it is above the greatest of
    the short sides; one hardly below the master's own (less than a tenth) is left out. The aspect
    is kept to the nearest even number of pixels.
    """
    short = min(width, height)
    wanted = sorted(set(short_sides), reverse=True)
    sizes = []
    if not wanted or short <= wanted[0]:
        sizes.append((width, height))
        wanted = [side for side in wanted if side * 10 <= short * 9]
    for side in wanted:
        ratio = Fraction(side, short)
        sizes.append((even(width * ratio), even(height * ratio)))
    return sizes


def fit_box(width: int, height: int, box_width: int, box_height: int) -> tuple[int, int] | None:
    """The size of a title inside a box, which is turned for upright titles.

    None when the box is larger than the title in both directions, so that it would be scaled up.
    """
    if height > width:
        box_width, box_height = box_height, box_width
    ratio = min(Fraction(box_width, width), Fraction(box_height, height))
    if ratio > 1:
        return None
    return even(width * ratio), even(height * ratio)
