"""How hard pictures are to compress: ITU-T P.910's information, DCT energy, grain.

Every function takes luma in 8-bit code values.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from encoder.media.shots import DETAIL_SCALES

Plane = NDArray[np.float32]
Values = NDArray[np.float32]

BLOCK = 32
_NOISE_BLOCK = 16

# As many pixels at a time stay in the processor's cache between one step and the next.
_BAND_PIXELS = 20_000

# Luma this close to black or white is clipped: there is no grain left in it to measure. A block
# with more such pixels than this share is not used.
_BLACK, _WHITE = 18.0, 233.0
_MOST_CLIPPED = 0.1

_NOISE_PERCENTILE = 10.0
# The 10th percentile of the estimates from 16x16 blocks of white noise, as a share of its
# deviation: found by simulation with four million samples.
_NOISE_PERCENTILE_SHARE = 0.8927
_FEWEST_BLOCKS = 8


def spatial_information(luma: Plane) -> float:
    """SI of ITU-T P.910 (07/2022): the standard deviation over the Sobel-filtered picture.

    The outermost pixels, where the filter has no neighbours, are left out.
    """
    height, width = luma.shape
    band = max(1, _BAND_PIXELS // width)
    total = squares = 0.0
    for top in range(0, height - 2, band):
        rows = luma[top : top + band + 2]
        smooth = rows[1:-1] * 2
        smooth += rows[:-2]
        smooth += rows[2:]
        # Rows are joined, which is twice as fast as slicing each; what the last two columns then
        # have from the next row is put aside below.
        along = smooth.reshape(-1)
        step = (rows[2:] - rows[:-2]).reshape(-1)
        gradient = np.zeros(along.size, np.float32)
        inside = gradient[:-2]
        np.subtract(along[2:], along[:-2], out=inside)
        np.square(inside, out=inside)
        down = step[1:-1] * 2
        down += step[:-2]
        down += step[2:]
        np.square(down, out=down)
        inside += down
        gradient.reshape(-1, width)[:, -2:] = 0
        squares += float(gradient.sum())
        np.sqrt(gradient, out=gradient)
        total += float(gradient.sum())
    count = (height - 2) * (width - 2)
    return sqrt(max(0.0, squares / count - (total / count) ** 2))


def temporal_information(luma: Plane, before: Plane, scratch: Plane) -> float:
    """TI of ITU-T P.910 (07/2022): the standard deviation of the difference of two pictures.

    ``scratch`` is overwritten; it is of the pictures' shape and saves allocating one each time.
    """
    np.subtract(luma, before, out=scratch)
    scratch -= np.einsum("ij->", scratch) / np.float32(scratch.size)
    # Dot products of rows: one of the whole would wake threads in BLAS, which FFmpeg needs.
    squares = float(np.matmul(scratch[:, None, :], scratch[:, :, None]).sum())
    return sqrt(squares / scratch.size)


def texture_energy(luma: Plane) -> float:
    """E of VCA: the weighted DCT energy of 32x32 blocks, mean over blocks.

    V. V. Menon et al., "VCA: Video Complexity Analyzer", MMSys 2022; with the weights, the scale
    and the normalisation of that program, so that values compare, but in floating point. Rows and
    columns beyond the last whole block are left out.
    """
    down, across = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    transform, weights = _dct_matrix(), _dct_weights()
    energy = 0.0
    for top in range(0, down * BLOCK, BLOCK):
        blocks = luma[top : top + BLOCK, : across * BLOCK].reshape(BLOCK, across, BLOCK)
        # One block at a time is too small for BLAS to wake threads, which FFmpeg needs.
        coefficients = transform @ blocks.transpose(1, 0, 2) @ transform.T
        np.abs(coefficients, out=coefficients)
        coefficients *= weights
        energy += float(coefficients.sum())
    return float(energy / (down * across))


@lru_cache(maxsize=1)
def _dct_matrix() -> Plane:
    # Not at the top: SciPy takes half a second to load, and most verbs need none of it.
    from scipy.fft import dct

    matrix: Plane = dct(np.eye(BLOCK), axis=0, norm="ortho").astype(np.float32)
    return matrix


@lru_cache(maxsize=1)
def _dct_weights() -> Plane:
    frequency = np.arange(1, BLOCK + 1) / BLOCK
    weights = np.exp(np.outer(frequency, frequency) ** 2 - 1)
    # VCA's tables count the lowest two frequencies, which smooth gradients consist of, for less.
    weights[0, 1] = weights[1, 0] = 27 / 255
    weights[0, 0] = 0.0
    # Its integer transform is four times the orthonormal one, and its sums are divided by 90.
    scaled: Plane = (weights * (255 / 256) * 4 / 90).astype(np.float32)
    return scaled


def detail_lost(luma: Plane) -> Values:
    """The power of what pictures lose when they are scaled down, for each of ``DETAIL_SCALES``.

    In squared code values. A picture of so large a share of the size has no frequencies above that
    share of the highest. Power is by Parseval's theorem, of rows and of columns under a Hann
    window; what is above in both directions counts twice.
    """
    lost = np.zeros(len(DETAIL_SCALES), np.float32)
    for lines in (luma, luma.T):
        length = lines.shape[1] - lines.shape[1] % 2
        window, bins = _hann(length)
        spectrum = np.fft.rfft(lines[:, :length] * window, axis=1)
        power = np.einsum("ij,ij->j", spectrum.real, spectrum.real)
        power += np.einsum("ij,ij->j", spectrum.imag, spectrum.imag)
        above = np.append(np.cumsum(power[::-1])[::-1], 0.0)
        lost += above[bins] * np.float32(2.0 / len(lines))
    return lost


@lru_cache(maxsize=8)
def _hann(length: int) -> tuple[Plane, NDArray[np.intp]]:
    """The window that makes a line's power its spectrum's sum; the first bin above each scale."""
    window = np.hanning(length + 1)[:-1]
    window /= np.sqrt(length * np.sum(window**2))
    bins = np.floor(np.array(DETAIL_SCALES) * length / 2).astype(np.intp) + 1
    return window.astype(np.float32), bins


def noise_blocks(luma: Plane) -> Values:
    """Estimates of the deviation of grain, one for each 16x16 block that can show any.

    J. Immerkaer, "Fast Noise Variance Estimation", CVIU 64 (1996): the mean absolute response to
    the difference of two Laplacians, which edges and gradients hardly touch. Blocks with black or
    white in them, such as the bars of a letterbox, are left out.
    """
    rows = luma[:-2] - 2 * luma[1:-1] + luma[2:]
    response = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    np.abs(response, out=response)
    deviation = _block_means(response) * np.float32(sqrt(pi / 2) / 6)
    middle = luma[1:-1, 1:-1]
    clipped = _block_means(((middle <= _BLACK) | (middle >= _WHITE)).astype(np.float32))
    kept: Values = deviation[clipped <= _MOST_CLIPPED]
    return kept


def _block_means(plane: Plane) -> Plane:
    down, across = (size // _NOISE_BLOCK for size in plane.shape)
    whole = plane[: down * _NOISE_BLOCK, : across * _NOISE_BLOCK]
    lines = np.add.reduce(whole.reshape(down, _NOISE_BLOCK, across * _NOISE_BLOCK), axis=1)
    means: Plane = np.add.reduce(lines.reshape(down, across, _NOISE_BLOCK), axis=2)
    means /= _NOISE_BLOCK**2
    return means


def noise_deviation(blocks: Values) -> float:
    """The standard deviation of grain, from the estimates of all blocks of a shot.

    Texture only ever adds to an estimate, so a low percentile is taken, and corrected for being
    low; 0 when too few blocks could show grain.
    """
    if blocks.size < _FEWEST_BLOCKS:
        return 0.0
    return float(np.percentile(blocks, _NOISE_PERCENTILE)) / _NOISE_PERCENTILE_SHARE
