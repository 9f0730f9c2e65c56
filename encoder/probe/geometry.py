"""How decoded pictures lie in space: display matrices."""

from __future__ import annotations

import struct
from math import atan2, degrees
from typing import NamedTuple

_MATRIX = struct.Struct("=9i")
_ANGLE_TOLERANCE = 1.0


class Orientation(NamedTuple):
    """What shows a picture upright: a horizontal flip if ``mirrored``, then a clockwise turn.

    ``rotation`` is 0, 90, 180 or 270 degrees. ``exact`` is false when the matrix asked for
    another angle or for shear, which is not honoured.
    """

    rotation: int = 0
    mirrored: bool = False
    exact: bool = True


UPRIGHT = Orientation()


def orientation(matrix: bytes) -> Orientation:
    """What an FFmpeg display matrix (side data, nine native 32-bit integers) asks for.

    A point ``(x, y)`` of the decoded picture, y downwards, is shown at
    ``(a x + c y, b x + d y)`` with ``a, b, _, c, d`` the first five numbers (ISO/IEC 14496-12,
    6.2.2). A negative determinant is a mirror image; taking it as a horizontal flip before the
    turn, the angle follows from the second row alone.
    """
    if len(matrix) < _MATRIX.size:
        return UPRIGHT
    a, b, _, c, d = _MATRIX.unpack(matrix[: _MATRIX.size])[:5]
    determinant = a * d - b * c
    if determinant == 0:
        return UPRIGHT
    angle = degrees(atan2(-c, d)) % 360
    rotation = round(angle / 90) % 4 * 90
    off = abs((angle - rotation + 180) % 360 - 180)
    # The first row of a pure turn or mirror image follows from the second.
    sign = 1 if determinant > 0 else -1
    sheared = abs(a - sign * d) + abs(b + sign * c) > 0.02 * (abs(c) + abs(d))
    return Orientation(rotation, determinant < 0, off <= _ANGLE_TOLERANCE and not sheared)
