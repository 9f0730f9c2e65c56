"""What encoded chunks tell of each shot: what the ladder's decision is corrected by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.encode.chunk import EncodedChunk
from encoder.media.frames import FrameRange


@dataclass(frozen=True, slots=True)
class ShotResult:
    """What a rung's encode spent on a shot, and what it reached.

    ``bits`` are those of its frames, ``key_bits`` those of its ``key_frames`` IDR frames among
    them; ``vmaf`` is the mean of its scored frames at the reference pictures' resolution, None
    where none of them was scored.
    """

    bits: int
    key_frames: int
    key_bits: int
    vmaf: float | None


def shot_results(
    encoded: Sequence[EncodedChunk], shots: Sequence[FrameRange], keyframes: Sequence[int]
) -> tuple[ShotResult, ...]:
    """Bits and mean VMAF of every shot of one rung.

    Args:
        encoded: the rung's chunks, in order; together they are the title.
        shots: the frames of each shot; they tile the title.
        keyframes: the title's IDR frames, ascending.

    Raises:
        ValueError: when the two are not of the same length.
    """
    sizes = presented_sizes(encoded)
    if len(sizes) != shots[-1].end:
        raise ValueError(f"chunks of {len(sizes)} frames for shots of {shots[-1].end}")
    vmaf = np.full(len(sizes), np.nan)
    for one in encoded:
        if one.scores is not None:
            vmaf[one.scores.frame] = one.scores.values["vmaf"]
    keys = np.array(keyframes, dtype=np.int64)
    results = []
    for shot in shots:
        scored = vmaf[shot.start : shot.end]
        scored = scored[~np.isnan(scored)]
        mean = float(scored.mean()) if scored.size else None
        own = keys[(keys >= shot.start) & (keys < shot.end)]
        bits, key_bits = (
            int(part.sum()) * 8 for part in (sizes[shot.start : shot.end], sizes[own])
        )
        results.append(ShotResult(bits, len(own), key_bits, mean))
    return tuple(results)


def presented_sizes(encoded: Sequence[EncodedChunk]) -> NDArray[np.int64]:
    """Bytes of each frame of a rung's chunks, in the order in which they are shown."""
    return np.concatenate([one.packets.presented_sizes() for one in encoded])
