"""What counts as alike: motion and light do not matter, other pictures do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.analysis.likeness import (
    Thumbnails,
    contrast,
    correlation,
    make_thumbnail,
    unlike,
    unlike_in_any_light,
    unlike_neighbours,
)
from tests.analysis.masters import Picture, flat, pan, scene


def thumbnails(*pictures: Picture) -> Thumbnails:
    _, height, width = pictures[0].shape
    result = np.zeros((len(pictures), 3, height // 16, width // 16), np.float32)
    for picture, into in zip(pictures, result, strict=True):
        luma = np.round(picture[0]).astype(np.float32)
        chroma = np.round(picture[1:, ::2, ::2]).astype(np.uint8)
        make_thumbnail(luma, chroma, into)
    return result


seeds = st.integers(0, 10_000)


@settings(max_examples=40)
@given(seeds)
def test_thumbnails_are_means_of_cells(seed: int) -> None:
    picture = np.round(scene(seed))
    found = thumbnails(picture)[0]
    cells = picture.reshape(3, 12, 16, 20, 16).mean(axis=(2, 4))
    assert found[0] == pytest.approx(cells[0], abs=0.01)
    # Chroma is read in part, and smooth.
    assert found[1:] == pytest.approx(cells[1:], abs=2)


@settings(max_examples=40)
@given(seeds, seeds)
def test_unlikeness_is_a_symmetric_share(a: int, b: int) -> None:
    one, other = thumbnails(scene(a)), thumbnails(scene(b))
    for measure in (unlike, unlike_in_any_light):
        forth, back = measure(one, other)[0], measure(other, one)[0]
        assert forth == pytest.approx(back, abs=1e-5)
        assert 0 <= forth <= 1
        assert measure(one, one)[0] == 0


@settings(max_examples=20)
@given(st.lists(seeds, min_size=2, max_size=4))
def test_neighbours_are_compared_as_pairs_are(picked: list[int]) -> None:
    row = thumbnails(*(scene(seed) for seed in picked))
    assert unlike_neighbours(row) == pytest.approx(unlike(row[:-1], row[1:]), abs=1e-6)


def test_other_scenes_are_unlike() -> None:
    scenes = thumbnails(*(scene(seed) for seed in range(12)))
    shares = unlike_in_any_light(scenes[:-1], scenes[1:])
    assert shares.min() > 0.4


@pytest.mark.parametrize("speed", [1, 4, 12])
def test_motion_is_explained(speed: int) -> None:
    row = thumbnails(*pan(3, 6, speed))
    assert unlike(row[:-1], row[1:]).max() < 0.1


@pytest.mark.parametrize("light", [lambda p: p * 0.6, lambda p: p + 40, lambda p: 200 - p])
def test_light_is_explained_where_it_keeps_the_picture(light: object) -> None:
    picture = scene(7)
    assert callable(light)
    changed = np.stack([light(picture[0]), picture[1], picture[2]])
    one, other = thumbnails(picture), thumbnails(changed)
    plain, lit = unlike(one, other)[0], unlike_in_any_light(one, other)[0]
    assert plain > 0.4
    negative = changed[0, 0, 0] < picture[0, 0, 0] and light(0.0) == 200
    assert (lit > 0.4) if negative else (lit < 0.1)


def test_flat_pictures_differ_by_their_colour() -> None:
    row = thumbnails(flat(100), flat(100, 90, 160), flat(60))
    assert unlike_in_any_light(row[:-1], row[1:]).min() > 0.8


def test_black_bars_do_not_dilute() -> None:
    a, b = scene(1), scene(2)
    whole = unlike(thumbnails(a[:, 32:160]), thumbnails(b[:, 32:160]))[0]
    for picture in (a, b):
        picture[0, :32] = picture[0, 160:] = 16
        picture[1:, :32] = picture[1:, 160:] = 128
    assert unlike(thumbnails(a), thumbnails(b))[0] == pytest.approx(whole, abs=0.1)


def test_contrast_and_correlation() -> None:
    a = thumbnails(scene(1))
    half = thumbnails(scene(1) * 0.5 + 60)
    share, deviation = contrast(a)
    assert share[0] > 0.9
    assert deviation[0] == pytest.approx(2 * contrast(half)[1][0], rel=0.02)
    assert correlation(a, half)[0] == pytest.approx(1, abs=0.01)
    assert correlation(a, thumbnails(200 - scene(1)))[0] == pytest.approx(-1, abs=0.05)
    assert correlation(a, thumbnails(flat(80)))[0] == 1
    assert contrast(thumbnails(flat(16)))[0][0] == 0
