"""Checksums of decoded pictures, by which two decodes are known to have given the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Checksums = NDArray[np.uint32]


def read_checksums(path: Path) -> Checksums:
    """What FFmpeg's ``framecrc`` wrote: Adler-32 of every picture's planes, of shape ``(frames,)``.

    Raises:
        ValueError: when a line is not one of its, or the file cannot be read.
    """
    sums = []
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise ValueError(f"{path.name}: {error.strerror}") from error
    for line in lines:
        if line and not line.startswith("#"):
            # stream, dts, pts, duration, size, checksum; further ones are of side data.
            sums.append(int(line.split(",")[5], 16))
    return np.array(sums, dtype=np.uint32)
