"""Which frames of which shots the trials are run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoder.ladder.prior import Array
from encoder.media.frames import FrameRange
from encoder.media.shots import Shot


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive frames of one shot; ``keys`` are its IDR frames, counted from its own start."""

    frames: FrameRange
    shot: int
    keys: tuple[int, ...] = (0,)


def short_window(shots: Sequence[Shot], index: int, length: int) -> Window:
    """Frames from a third of the way into a shot: past a fade in, before it ends.

    Contiguous, since skipping frames would break inter prediction.
    """
    frames = shots[index].frames
    length = min(length, len(frames))
    start = frames.start + min(len(frames) // 3, len(frames) - length)
    return Window(FrameRange(start, start + length), index)


def whole_windows(shots: Sequence[Shot], gops: Sequence[FrameRange]) -> tuple[Window, ...]:
    """Every shot from its first frame to its last, with IDR frames as it will be encoded."""
    windows = []
    starts = [gop.start for gop in gops]
    for index, shot in enumerate(shots):
        low, high = np.searchsorted(starts, [shot.frames.start, shot.frames.end])
        keys = tuple(start - shot.frames.start for start in starts[low:high])
        windows.append(Window(shot.frames, index, keys))
    return tuple(windows)


def representatives(standard: Array, frames: Array, most: int) -> NDArray[np.intp]:
    """The shots that stand for all others, in the order in which they matter.

    Greedy: the next is the one whose duration times squared distance of features to those chosen
    already is greatest, the first the longest.

    Args:
        standard: features of each shot as deviations, shape (shots, features).
        frames: length of each shot.
        most: how many at the most.
    """
    count = min(most, len(frames))
    chosen = [int(np.argmax(frames))]
    distance = np.sum((standard - standard[chosen[0]]) ** 2, axis=1)
    while len(chosen) < count:
        # Equal shots differ by nothing; then the longest of the rest is taken.
        value = frames * (distance + 1e-6)
        value[chosen] = -1.0
        chosen.append(int(np.argmax(value)))
        distance = np.minimum(distance, np.sum((standard - standard[chosen[-1]]) ** 2, axis=1))
    return np.array(chosen, dtype=np.intp)


def nearest(standard: Array, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each shot the position in ``chosen`` of the one that looks most like it."""
    best = np.zeros(len(standard), dtype=np.intp)
    distance = np.full(len(standard), np.inf)
    for position, index in enumerate(chosen):
        apart = np.sum((standard - standard[index]) ** 2, axis=1)
        closer = apart < distance
        best[closer], distance[closer] = position, apart[closer]
    best[chosen] = np.arange(len(chosen))
    return best
