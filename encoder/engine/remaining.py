"""How long the encode of a title still takes, over all the parts that it is done in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from encoder.encode.chunk_command import Measuring
from encoder.engine.chunk_runner import Task
from encoder.media.conform import Conform
from encoder.media.ladder import Rung

# What a megapixel of the reference costs, one to encode with x264's medium being 1: VMAF, PSNR and
# SSIM of a frame that is scored; decoding and scaling of all.
_SCORED = 0.8
_SEEN = 0.1
# Nothing is told before so much was done: the start of a process is not like the rest of it.
_LEAST_SHARE = 0.02


@dataclass(slots=True)
class Remaining:
    """What is done of a title's encode, what is still to do, and how long that takes.

    Rungs are encoded in turns, the later ones decided by what the earlier gave. A person wants to
    know when all of it is done, not when a turn is. Work is counted in megapixels encoded; what is
    in the store already costs nothing, and says nothing of the speed.

    Attributes:
        conform: what the reference pictures are.
        measuring: what is measured in the pass, if anything.
        clock: seconds that only go on.
    """

    conform: Conform
    measuring: Measuring | None
    clock: Callable[[], float] = time.monotonic
    _done: float = 0.0
    _seconds: float = 0.0
    _turn: float = 0.0
    _later: float = 0.0
    _started: float | None = field(default=None)

    def expect(self, frames: int, rungs: Iterable[Rung]) -> None:
        """What comes after the turn that begins next, as far as it is known."""
        self._later = self._work(frames, [(rung.width, rung.height) for rung in rungs])

    def begin(self, tasks: Sequence[Task]) -> None:
        """A turn begins; the one before is over."""
        self.end()
        self._turn = sum(
            self._work(
                len(task.chunk.frames),
                [(rung.settings.width, rung.settings.height) for rung in task.rungs],
            )
            for task in tasks
        )
        self._started = self.clock()

    def end(self) -> None:
        """The turn under way is over."""
        if self._started is not None:
            self._done += self._turn
            self._seconds += self.clock() - self._started
        self._started = None

    def seconds(self, share: float) -> float | None:
        """Seconds that are left when that share of the turn is done; None as long as none knows."""
        if self._started is None:
            return None
        done = self._done + share * self._turn
        left = (1 - share) * self._turn + self._later
        spent = self._seconds + self.clock() - self._started
        if done < _LEAST_SHARE * (done + left) or spent <= 0:
            return None
        return left * spent / done

    def _work(self, frames: int, sizes: Iterable[tuple[int, int]]) -> float:
        measured = 0.0
        if self.measuring is not None:
            measured = self.conform.width * self.conform.height
            measured *= _SEEN + _SCORED / self.measuring.every
        return frames * sum(width * height + measured for width, height in sizes) / 1e6
