"""The measures against straightforward computations, and on pictures with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter, sobel
from skimage.filters import sobel_h, sobel_v

from encoder.analysis.complexity import (
    detail_lost,
    noise_blocks,
    noise_deviation,
    spatial_information,
    temporal_information,
    texture_energy,
)
from encoder.media.shots import DETAIL_SCALES

Plane = NDArray[np.float32]


def picture(seed: int, height: int = 144, width: int = 256) -> Plane:
    random = np.random.default_rng(seed)
    values = gaussian_filter(random.uniform(-600, 800, (height, width)), 2)
    return np.asarray(np.clip(np.round(values), 16, 235), np.float32)


@given(st.integers(0, 2**32 - 1), st.integers(8, 150), st.integers(8, 300))
def test_spatial_information_is_the_deviation_of_the_sobel_filter(
    seed: int, height: int, width: int
) -> None:
    luma = picture(seed, height, width)
    across, down = sobel(luma.astype(np.float64), axis=1), sobel(luma.astype(np.float64), axis=0)
    expected = np.hypot(across, down)[1:-1, 1:-1].std()
    assert spatial_information(luma) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_spatial_information_agrees_with_scikit_image() -> None:
    luma = picture(5)
    # scikit-image's kernels add up to one, those of the recommendation to four.
    across, down = sobel_v(luma), sobel_h(luma)  # type: ignore[no-untyped-call]
    magnitude = 4 * np.hypot(across, down)[1:-1, 1:-1]
    assert spatial_information(luma) == pytest.approx(magnitude.std(), rel=1e-4)


def test_a_flat_picture_has_no_information() -> None:
    luma = np.full((64, 96), 77, np.float32)
    assert spatial_information(luma) == 0
    assert temporal_information(luma, luma, np.zeros_like(luma)) == 0
    assert texture_energy(luma) == pytest.approx(0, abs=1e-3)


def test_detail_of_white_noise_is_all_above_each_scale_in_both_directions() -> None:
    noise = np.random.default_rng(3).normal(128, 10, (66, 480)).astype(np.float32)
    expected = [2 * (1 - scale) * 100 for scale in DETAIL_SCALES]
    assert detail_lost(noise) == pytest.approx(expected, rel=0.08)


@pytest.mark.parametrize("turned", [False, True])
def test_detail_of_a_wave_is_lost_at_the_scales_too_small_for_it(turned: bool) -> None:
    # 0.55 of the highest frequency: it is there at 0.6 of the size, but not at half.
    wave = 128 + 20 * np.sin(np.pi * 0.55 * np.arange(480, dtype=np.float32))
    luma = np.broadcast_to(wave, (480, 480))
    lost = detail_lost(np.ascontiguousarray(luma.T if turned else luma))
    assert lost == pytest.approx([200, 200, 200, 0, 0], abs=2)


@pytest.mark.parametrize("shape", [(66, 480), (65, 479), (32, 32)])
def test_detail_of_a_flat_picture_and_of_a_ramp_is_nothing(shape: tuple[int, int]) -> None:
    assert detail_lost(np.full(shape, 77, np.float32)) == pytest.approx([0] * 5, abs=1e-3)
    ramp = np.broadcast_to(np.linspace(16, 235, shape[1], dtype=np.float32), shape)
    assert detail_lost(ramp)[1:] == pytest.approx([0] * 4, abs=0.5)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_temporal_information_is_the_deviation_of_the_difference(a: int, b: int) -> None:
    after, before = picture(a), picture(b)
    expected = (after.astype(np.float64) - before).std()
    found = temporal_information(after, before, np.zeros_like(after))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_picture_that_only_gets_brighter_has_no_temporal_information() -> None:
    before = picture(1)
    found = temporal_information(before + 50, before, np.zeros_like(before))
    assert found == pytest.approx(0, abs=1e-3)


def weight(row: int, column: int) -> float:
    """VCA's weight of a coefficient, with the scale of its transform and its normalisation."""
    if (row, column) == (0, 0):
        return 0.0
    table = np.exp(-abs(((row + 1) * (column + 1) / 1024) ** 2 - 1))
    if row + column == 1:
        table = 27 / 255
    return float(table * 255 / 256 * 4 / 90)


@pytest.mark.parametrize("where", [(0, 0), (0, 1), (1, 0), (0, 7), (5, 3), (31, 31)])
def test_texture_of_one_frequency_is_its_amplitude_weighted(where: tuple[int, int]) -> None:
    coefficients = np.zeros((32, 32))
    coefficients[where] = 640
    block = idctn(coefficients, norm="ortho") + 100
    luma = np.tile(block, (3, 5)).astype(np.float32)
    assert texture_energy(luma) == pytest.approx(640 * weight(*where), rel=1e-3, abs=2e-3)


def test_texture_is_the_mean_of_whole_blocks() -> None:
    luma = picture(9, 100, 150)  # 3x4 whole blocks, and a rest that is left out
    expected = np.mean(
        [
            sum(
                abs(value) * weight(*place)
                for place, value in np.ndenumerate(
                    dctn(luma[y : y + 32, x : x + 32].astype(np.float64), norm="ortho")
                )
            )
            for y in (0, 32, 64)
            for x in (0, 32, 64, 96)
        ]
    )
    assert texture_energy(luma) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("contrast", [0.5, 2.0])
def test_texture_grows_with_contrast(contrast: float) -> None:
    luma = picture(3)
    scaled = texture_energy(luma * np.float32(contrast))
    assert scaled == pytest.approx(contrast * texture_energy(luma), rel=1e-4)


def grainy(sigma: float, base: Plane, seed: int = 0) -> Plane:
    noise = np.random.default_rng(seed).normal(0, sigma, base.shape)
    return np.clip(np.round(base + noise), 0, 255).astype(np.float32)


def gradient(height: int = 200, width: int = 482) -> Plane:
    return np.add.outer(np.linspace(60, 120, height), np.linspace(0, 60, width)).astype(np.float32)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 8.0, 16.0])
def test_noise_is_recovered_on_a_gradient(sigma: float) -> None:
    found = noise_deviation(noise_blocks(grainy(sigma, gradient())))
    assert found == pytest.approx(sigma, rel=0.08)


@pytest.mark.parametrize("sigma", [2.0, 6.0])
def test_noise_is_recovered_beside_texture(sigma: float) -> None:
    base = gradient()
    base[:, 160:] = picture(4, 200, 322)  # two thirds of the picture
    found = noise_deviation(noise_blocks(grainy(sigma, base)))
    assert found == pytest.approx(sigma, rel=0.2)


def test_bars_of_a_letterbox_are_not_clean_picture() -> None:
    luma = grainy(5.0, gradient())
    luma[:60] = luma[-60:] = 16
    found = noise_deviation(noise_blocks(luma))
    assert found == pytest.approx(5.0, rel=0.15)


def test_clean_pictures_have_no_noise() -> None:
    assert noise_deviation(noise_blocks(gradient())) < 0.3
    steps = np.kron(np.arange(40, 40 + 15 * 8).reshape(8, 15), np.ones((32, 32)))
    assert noise_deviation(noise_blocks(steps.astype(np.float32))) == 0


def test_black_pictures_have_no_noise() -> None:
    assert noise_deviation(noise_blocks(np.full((66, 480), 16, np.float32))) == 0
