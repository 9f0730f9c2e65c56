"""The resolutions a ladder may use."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction


def even(value: Fraction) -> int:
    """The even number nearest to a length in pixels, at least 2."""
    return max(2, 2 * round(value / 2))


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
