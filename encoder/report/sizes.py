"""Coded sizes of frames, and the bitrate over time that they make."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.errors import PackageError


def frame_bytes(path: Path) -> NDArray[np.int64]:
    """The coded size of every picture of a file's first video stream, in presentation order.

    Read by demuxing alone: no picture is decoded.

    Raises:
        PackageError: when the file cannot be read.
    """
    import av

    sizes: list[tuple[int, int]] = []
    try:
        with av.open(str(path.absolute())) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.pts is not None and packet.size:
                    sizes.append((packet.pts, packet.size))
    except (av.FFmpegError, IndexError) as error:
        raise PackageError(
            "A rendition cannot be read",
            where=str(path),
            why=str(error),
            hint="Run the same command again with --force to make the package anew",
        ) from error
    return np.array([size for _, size in sorted(sizes)], dtype=np.int64)


def stretches(
    keyframes: Sequence[int], frames: int, frame_rate: Fraction, *, seconds: Fraction = Fraction(1)
) -> NDArray[np.int64]:
    """Frame numbers where stretches for :func:`bitrates` begin, and ``frames`` at the end.

    A stretch is as many whole groups of pictures as last at least ``seconds``: a bitrate over less
    would show key frames, not what a player has to fetch. What is left at the end joins the last.
    """
    least = seconds * frame_rate
    edges = [0]
    for start in sorted(k for k in keyframes if 0 < k < frames):
        if start - edges[-1] >= least:
            edges.append(start)
    if len(edges) > 1 and frames - edges[-1] < least:
        edges.pop()
    return np.array([*edges, frames], dtype=np.int64)


def bitrates(
    sizes: NDArray[np.integer], edges: NDArray[np.int64], frame_rate: Fraction
) -> NDArray[np.float64]:
    """Bits per second of each stretch between neighbouring ``edges`` (frame numbers)."""
    total = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
    edges = np.minimum(edges, len(sizes))
    frames = np.maximum(np.diff(edges), 1)
    bits: NDArray[np.float64] = np.diff(total[edges]) * 8.0 * float(frame_rate) / frames
    return bits
