"""Display matrices, against the definition of what they do to points."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from encoder.probe.geometry import UPRIGHT, Orientation, orientation

ONE = 1 << 16


def matrix(a: float, b: float, c: float, d: float) -> bytes:
    numbers = [a, b, 0, c, d, 0, 100, 200]
    return struct.pack("=9i", *(round(n * ONE) for n in numbers), 1 << 30)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_every_turn_and_mirror_image(turns: int, mirrored: bool) -> None:
    picture = np.arange(12).reshape(3, 4)
    shown = np.rot90(np.fliplr(picture) if mirrored else picture, -turns)
    # The matrix is found from where the picture's axes lie in what is shown.
    (y0, x0), (yr, xr), (yd, xd) = (
        np.argwhere(shown == value)[0] for value in (picture[0, 0], picture[0, 1], picture[1, 0])
    )
    found = orientation(matrix(xr - x0, yr - y0, xd - x0, yd - y0))
    assert found == Orientation(turns * 90, mirrored)


def test_scaled_matrices_turn_all_the_same() -> None:
    assert orientation(matrix(0, 2, -2, 0)) == Orientation(90, False)


def test_angles_between_are_rounded_and_told() -> None:
    assert orientation(matrix(0.866, 0.5, -0.5, 0.866)) == Orientation(0, False, exact=False)
    assert orientation(matrix(1, 0, 0.5, 1)) == Orientation(0, False, exact=False)


@pytest.mark.parametrize("data", [b"", b"\0" * 35, b"\0" * 36])
def test_no_matrix_is_upright(data: bytes) -> None:
    assert orientation(data) == UPRIGHT
