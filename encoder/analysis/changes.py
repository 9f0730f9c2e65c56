"""Evidence of cuts, fades and dissolves, gathered while the pictures pass by.

Only a little more than a second of thumbnails is kept on either side, whatever the title's length;
what remains are a few numbers for each frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from encoder.analysis.likeness import (
    FLAT,
    Thumbnails,
    contrast,
    correlation,
    unlike_in_any_light,
    unlike_neighbours,
)
from encoder.analysis.settings import AnalysisSettings

Signal = NDArray[np.float32]

# Neighbouring boundaries, on either side, that say how much change is usual at a place.
_USUAL = 5

# A picture is empty when its cells deviate by less than this, or next to none is above black.
_EMPTY_DEVIATION = 1.5
_EMPTY_SHARE = 0.004

_DISSOLVE_SECONDS = (Fraction(1, 3), Fraction(3, 4))
_BESIDE_SECONDS = Fraction(1, 3)
_LONG_EMPTY_SECONDS = Fraction(1, 2)

# The ends of a dissolve differ by at least this many code values, and both have some structure:
# the last glimmer of a fade has none, and what follows it is not mixed with what came before.
_LEAST_SPAN = 4.0
_LEAST_STRUCTURE = 2.5

_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Changes:
    """What speaks for a boundary before each frame; all arrays are as long as the title.

    ``cut`` is the unlikeness across a hard cut there, or 0 where there is none. ``empty`` tells
    frames without content: black, or of one colour. ``through`` is, at the first frame after empty
    ones, the unlikeness of the pictures before and after them (1 when they last long, or begin the
    title); it is 1 at the first of empty frames that end the title, and 0 elsewhere.
    ``dissolve`` is the unlikeness of the ends of a dissolve with its middle there, or 0.
    """

    cut: Signal
    empty: NDArray[np.bool_]
    through: Signal
    dissolve: Signal

    def __len__(self) -> int:
        return len(self.cut)


class ChangeDetector:
    """Takes the thumbnails of consecutive frames and gathers :class:`Changes`."""

    def __init__(self, frame_rate: Fraction, settings: AnalysisSettings) -> None:
        self._settings = settings
        self._least = settings.min_shot_frames(frame_rate)
        self._reaches = sorted({max(2, round(s * frame_rate)) for s in _DISSOLVE_SECONDS})
        self._beside = max(2, round(_BESIDE_SECONDS * frame_rate))
        self._long = max(1, round(_LONG_EMPTY_SECONDS * frame_rate))
        self._context = max(
            self._least + 1,
            self._reaches[-1],
            self._long + self._beside + 2,
            self._long + _USUAL + 2,
        )
        # Thumbnails of the frames from _first on, and their unlikeness to the frame before; those
        # before _done have been dealt with.
        self._window: Thumbnails = np.zeros((0, 3, 0, 0), np.float32)
        self._step: Signal = np.zeros(0, np.float32)
        self._last: Thumbnails | None = None
        self._waiting: list[Thumbnails] = []
        self._waiting_steps: list[Signal] = []
        self._waiting_frames = 0
        self._first = 0
        self._done = 0
        self._parts: list[Changes] = []
        self._empty_since: int | None = None
        self._content_before = False

    def add(self, pictures: Thumbnails) -> Signal:
        """Takes the next frames, and tells how unlike each is to the one before it.

        The array may be reused by the caller.
        """
        if self._last is None:
            self._last = pictures[:1]
        joined = np.concatenate([self._last, pictures])
        self._last = joined[-1:]
        self._waiting.append(joined[1:])
        steps = unlike_neighbours(joined)
        self._waiting_steps.append(steps)
        self._waiting_frames += len(pictures)
        if self._waiting_frames >= _BLOCK:
            self._take()
            self._advance(self._end - self._context)
        return steps

    def finish(self) -> Changes:
        """The evidence, when all frames were added."""
        self._take()
        self._advance(self._end)
        if not self._parts:
            nothing = np.zeros(0, np.float32)
            return Changes(nothing, np.zeros(0, np.bool_), nothing, nothing)
        through = np.concatenate([p.through for p in self._parts])
        if self._empty_since is not None and self._content_before:
            through[self._empty_since] = 1.0
        return Changes(
            np.concatenate([p.cut for p in self._parts]),
            np.concatenate([p.empty for p in self._parts]),
            through,
            np.concatenate([p.dissolve for p in self._parts]),
        )

    @property
    def _end(self) -> int:
        return self._first + len(self._window)

    def _take(self) -> None:
        if not self._waiting:
            return
        kept = max(self._first, self._done - self._context)
        before = self._window[kept - self._first :]
        self._window = np.concatenate([before, *self._waiting] if len(before) else self._waiting)
        self._step = np.concatenate([self._step[kept - self._first :], *self._waiting_steps])
        self._first = kept
        self._waiting, self._waiting_steps, self._waiting_frames = [], [], 0

    def _range(self, low: int, high: int) -> Thumbnails:
        return self._window[low - self._first : high - self._first]

    def _advance(self, end: int) -> None:
        """Deals with the frames before ``end``, whose surroundings are all known."""
        if end <= self._done:
            return
        frames = np.arange(self._done, end)
        empty = self._find_empty(frames)
        self._parts.append(
            Changes(
                self._find_cuts(frames),
                empty,
                self._find_through(frames, empty),
                self._find_dissolves(frames),
            )
        )
        self._done = end

    def _find_cuts(self, frames: NDArray[np.intp]) -> Signal:
        settings = self._settings
        found = np.zeros(len(frames), np.float32)
        start = int(frames[0]) - self._first
        steps = self._step[start : start + len(frames)]
        for frame in (frames[0] + np.flatnonzero(steps >= settings.cut)).tolist():
            step = float(self._step[frame - self._first])
            usual = usual_change(self._step, frame - self._first)
            needed = settings.cut + settings.cut_over_motion * usual
            if step < needed:
                continue
            strength = self._unlike(frame - 1, frame)
            if (
                strength >= needed
                and self._lasts(frame, min(settings.cut_lasting * strength, settings.transition))
                and not self._fades(frame)
            ):
                found[frame - frames[0]] = strength
        return found

    def _fades(self, frame: int) -> bool:
        """Whether the boundary is but the last step of a fade-out, or the first of a fade-in.

        Only there do flat pictures differ much from their neighbours without a cut.
        """
        before, after = self._deviation(frame - 1), self._deviation(frame)
        if min(before, after) >= FLAT:
            return False
        if before > after:
            return self._shrinks(frame)
        return self._grows(frame)

    def _shrinks(self, frame: int) -> bool:
        """Whether contrast was going down before this frame."""
        earlier = self._deviation(max(frame - 1 - _USUAL, self._first))
        return earlier > 2 * self._deviation(frame - 1) + 1

    def _grows(self, frame: int) -> bool:
        """Whether contrast goes up after this frame."""
        later = self._deviation(min(frame + _USUAL, self._end - 1))
        return later > 2 * self._deviation(frame) + 1

    def _deviation(self, frame: int) -> float:
        return float(contrast(self._range(frame, frame + 1))[1][0])

    def _unlike(self, a: int, b: int) -> float:
        return float(unlike_in_any_light(self._range(a, a + 1), self._range(b, b + 1))[0])

    def _lasts(self, frame: int, needed: float) -> bool:
        """Whether no picture soon after the boundary is like one shortly before it.

        The two pictures nearest to the boundary on either side are compared with those across it
        that are less than the shortest shot away.
        """
        reach = range(self._least)
        pairs = {
            pair
            for near in (0, 1)
            for far in reach
            for pair in ((frame - 1 - near, frame + far), (frame - 1 - far, frame + near))
            if pair[1] - pair[0] <= self._least
        }
        known = [(a, b) for a, b in sorted(pairs) if a >= self._first and b < self._end]
        before, after = np.array(known).T - self._first
        across = unlike_in_any_light(self._window[before], self._window[after])
        return float(across.min()) >= needed

    def _find_empty(self, frames: NDArray[np.intp]) -> NDArray[np.bool_]:
        share, deviation = contrast(self._range(int(frames[0]), int(frames[-1]) + 1))
        empty: NDArray[np.bool_] = (share < _EMPTY_SHARE) | (deviation < _EMPTY_DEVIATION)
        return empty

    def _find_through(self, frames: NDArray[np.intp], empty: NDArray[np.bool_]) -> Signal:
        found = np.zeros(len(frames), np.float32)
        for index, frame in enumerate(frames.tolist()):
            if empty[index]:
                if self._empty_since is None:
                    self._empty_since = frame
                    self._content_before = frame == 0 or self._has_content(frame - 1 - self._beside)
                continue
            if self._empty_since is None:
                continue
            start, self._empty_since = self._empty_since, None
            # A picture that always was nearly empty does not fade.
            if self._content_before and self._has_content(frame + self._beside):
                found[index] = self._unlike_beside(start, frame)
        return found

    def _has_content(self, frame: int) -> bool:
        """Whether the picture there, or the nearest one there is, has any structure."""
        return self._deviation(min(max(frame, self._first), self._end - 1)) >= FLAT

    def _unlike_beside(self, start: int, end: int) -> float:
        """The unlikeness of the pictures before and after the empty ones."""
        if end - start >= self._long or start == 0:
            return 1.0
        # What comes and goes at once is a flash: the pictures next to it tell. In a fade these are
        # as good as empty, and the ones farther off do.
        fades = self._shrinks(start) or self._grows(end)
        beside = self._beside if fades else 0
        before = max(start - 1 - beside, self._first)
        return self._unlike(before, min(end + beside, self._end - 1))

    def _find_dissolves(self, frames: NDArray[np.intp]) -> Signal:
        found = np.zeros(len(frames), np.float32)
        for reach in self._reaches:
            low = max(int(frames[0]), reach)
            high = min(int(frames[-1]) + 1, self._end - reach)
            if low < high:
                part = found[low - frames[0] : high - frames[0]]
                np.maximum(part, self._dissolving(low, high, reach), out=part)
        return found

    def _dissolving(self, low: int, high: int, reach: int) -> Signal:
        """The unlikeness of the ends where the middle is a mixture of them, or else 0.

        Motion does not mix pictures, and in a fade both ends are the same picture.
        """
        settings = self._settings
        result = np.zeros(high - low, np.float32)
        a, b = self._range(low - reach, high - reach), self._range(low + reach, high + reach)
        middle = self._range(low, high)
        # Luma alone, with some slack, spares most frames the rest.
        error, span = _mixture(a[:, :1], b[:, :1], middle[:, :1])
        at = np.flatnonzero(error <= 2 * settings.dissolve_error * span)
        if not len(at):
            return result
        a, b = a[at], b[at]
        error, span = _mixture(a, b, middle[at])
        mixed = (span >= _LEAST_SPAN) & (error <= settings.dissolve_error * span)
        mixed &= correlation(a, b) <= settings.dissolve_correlation
        mixed &= np.minimum(contrast(a)[1], contrast(b)[1]) >= _LEAST_STRUCTURE
        if mixed.any():
            strength = unlike_in_any_light(a[mixed], b[mixed])
            result[at[mixed]] = np.where(strength >= settings.transition, strength, 0)
        return result


def _mixture(a: Thumbnails, b: Thumbnails, middle: Thumbnails) -> tuple[Signal, Signal]:
    """How far the middle is from the mean of the ends, and the ends from each other."""
    error = np.abs(middle - (a + b) * np.float32(0.5)).mean(axis=(1, 2, 3))
    return error, np.abs(a - b).mean(axis=(1, 2, 3))


def usual_change(step: Signal, index: int) -> float:
    """How much neighbouring frames usually differ about a boundary, leaving it out.

    The median of either side is not moved by another cut or a flash nearby; the greater one counts,
    since the boundary may separate rest from motion.
    """
    before = step[max(0, index - _USUAL) : index]
    after = step[index + 1 : index + 1 + _USUAL]
    return max((float(np.median(side)) for side in (before, after) if len(side) > 2), default=0.0)
