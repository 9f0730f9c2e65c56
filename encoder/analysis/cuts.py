"""From evidence to shots: which boundaries count, and how they tile the title."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from encoder.analysis.changes import Changes
from encoder.analysis.settings import AnalysisSettings
from encoder.media.frames import FrameRange

# Black or one colour for this long at an end of the title, or beside a cut, is a shot of its own.
_OWN_SHOT_SECONDS = Fraction(1)

# No other boundary lies this close to the middle of a dissolve.
_DISSOLVE_CLEAR_SECONDS = Fraction(3, 4)


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of frames to become a shot; ``cut`` is false where a long one was split."""

    frames: FrameRange
    cut: bool


def find_boundaries(
    changes: Changes, frame_rate: Fraction, settings: AnalysisSettings
) -> tuple[int, ...]:
    """The first frames of all shots but the first, in order.

    Hard cuts count first, the clearest first of all. A fade through black or another colour gives
    one boundary, at the first frame with content again; a dissolve one in its middle; both only
    where no cut already separates the scenes.
    """
    least = settings.min_shot_frames(frame_rate)
    own = max(least, round(_OWN_SHOT_SECONDS * frame_rate))
    chosen = _Chosen(len(changes), least)
    cuts = np.flatnonzero(changes.cut >= settings.cut)
    for frame in sorted(cuts.tolist(), key=lambda f: (-float(changes.cut[f]), f)):
        chosen.add(frame)
    for start, end in _runs(changes.empty):
        _add_empty(chosen, changes, start, end, own, settings)
    clear = max(least, round(_DISSOLVE_CLEAR_SECONDS * frame_rate))
    for start, end in _runs(changes.dissolve >= settings.transition, gap=least):
        if not chosen.within(start - clear, end - 1 + clear):
            chosen.add((start + end) // 2)
    return tuple(sorted(chosen.frames))


class _Chosen:
    """Boundaries that leave no shot shorter than the minimum."""

    def __init__(self, frames: int, least: int) -> None:
        self.frames: set[int] = set()
        self._total = frames
        self.least = least

    def add(self, frame: int) -> None:
        near = self.least - 1
        fits = self.least <= frame <= self._total - self.least
        if fits and not self.within(frame - near, frame + near):
            self.frames.add(frame)

    def within(self, low: int, high: int) -> bool:
        return any(low <= frame <= high for frame in self.frames)


def _add_empty(
    chosen: _Chosen,
    changes: Changes,
    start: int,
    end: int,
    own: int,
    settings: AnalysisSettings,
) -> None:
    least = chosen.least
    long = end - start >= own
    last = end == len(changes)
    frame = start if last else end
    at_an_end = last or start == 0
    separated = at_an_end or chosen.within(start - least, end + least)
    if changes.through[frame] >= settings.transition and (long or not separated):
        chosen.add(frame)


def _runs(flags: NDArray[np.bool_], gap: int = 0) -> Iterator[tuple[int, int]]:
    """The half-open ranges where flags are set; those at most ``gap`` frames apart are one."""
    frames = np.flatnonzero(flags)
    if not len(frames):
        return
    breaks = np.flatnonzero(np.diff(frames) > gap + 1)
    starts = [0, *(breaks + 1).tolist()]
    ends = [*(breaks + 1).tolist(), len(frames)]
    for first, last in zip(starts, ends, strict=True):
        yield int(frames[first]), int(frames[last - 1]) + 1


def tile(frames: int, boundaries: tuple[int, ...], longest: int) -> tuple[Piece, ...]:
    """The title in pieces of at most ``longest`` frames, split evenly where there is no boundary.

    Raises:
        ValueError: when the boundaries are not inside the title and in order.
    """
    pieces = []
    for start, end in pairwise((0, *boundaries, frames)):
        count = -(-(end - start) // longest)
        if count < 1:
            raise ValueError(f"no frames between the boundaries {start} and {end}")
        edges = [start + (end - start) * i // count for i in range(count + 1)]
        pieces += [Piece(FrameRange(a, b), a == start) for a, b in pairwise(edges)]
    return tuple(pieces)
