"""PSNR and SSIM by scikit-image's definitions, on a few frames: the reference to check against."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from encoder.score.sides import picture_layout

_CHROMA = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}


def sampled_scores(
    reference: Path, distorted: Path, size: tuple[int, int], pixel_format: str
) -> tuple[dict[str, float], int]:
    """Means over the frames of two files of raw planar pictures.

    SSIM is that of Wang et al. (2004): Gaussian windows of sigma 1.5 at every pixel, population
    covariance, on luma. The peak is that of the format's bits: 255, 1023 and so on. PSNR of equal
    pictures counts as 100 dB.

    Args:
        reference: the one file.
        distorted: the other.
        size: width and height.
        pixel_format: a planar format, of 8 bits or little-endian 16.

    Returns:
        ``psnr_y`` and ``ssim`` by ``skimage_`` names, and how many frames they are the means of.
    """
    # It has annotations on half of its functions only, which strict checking refuses to call.
    library: Any = import_module("skimage.metrics")
    chroma, depth = picture_layout(pixel_format)
    peak = (1 << depth) - 1
    kind = np.dtype(np.uint8 if depth == 8 else "<u2")
    width, height = size
    luma = width * height
    samples = luma
    if chroma in _CHROMA:
        across, down = _CHROMA[chroma]
        samples += 2 * (-(-width // across) * -(-height // down))
    count = min(path.stat().st_size for path in (reference, distorted)) // (samples * kind.itemsize)
    psnr, ssim = [], []
    for number in range(count):
        offset = number * samples * kind.itemsize
        a, b = (
            np.fromfile(path, kind, luma, offset=offset).reshape(height, width)
            for path in (reference, distorted)
        )
        same = bool(np.array_equal(a, b))
        value = 100.0 if same else library.peak_signal_noise_ratio(a, b, data_range=peak)
        psnr.append(min(100.0, float(value)))
        ssim.append(
            float(
                library.structural_similarity(
                    a,
                    b,
                    gaussian_weights=True,
                    sigma=1.5,
                    use_sample_covariance=False,
                    data_range=peak,
                )
            )
        )
    if not count:
        return {}, 0
    return {"skimage_psnr_y": float(np.mean(psnr)), "skimage_ssim": float(np.mean(ssim))}, count
