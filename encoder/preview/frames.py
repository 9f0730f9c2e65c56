"""Frames of the master, as the encoders saw them, to compare with."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from fractions import Fraction
from threading import Lock

from encoder.engine.pipeline import Pipeline
from encoder.errors import MasterError
from encoder.ladder.policy import load_policy
from encoder.media.conform import Conform
from encoder.media.master import Master
from encoder.preview.data import Shown

# Of the longer side: a frame of 2160p would take seconds for detail that no window shows.
_SIDE = 1920
# Frames that are kept: those that somebody steps through, back and forth.
_KEPT = 64


class MasterFrames:
    """Pictures of a package's master by number.

    The master is only read when the first one is asked for; one FFmpeg runs at a time, however
    many are asked for.
    """

    def __init__(self, pipeline: Pipeline, shown: Shown) -> None:
        self._pipeline = pipeline
        self._shown = shown
        self._lock = Lock()
        self._opened: tuple[Master, Conform] | None = None
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def picture(self, number: int) -> bytes:
        """A frame as a JPEG.

        Raises:
            EncoderError: when the master is not there any more, is another one, or fails.
        """
        with self._lock:
            known = self._kept.get(number)
            if known is None:
                master, conform = self._opened or self._open()
                with self._pipeline.store.work() as folder:
                    path = self._pipeline.frame(master, conform, number, folder, _SIDE)
                    known = path.read_bytes()
            self._kept[number] = known
            self._kept.move_to_end(number)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return known

    def _open(self) -> tuple[Master, Conform]:
        shown = self._shown
        if shown.master is None:
            raise MasterError(
                "The master is not known",
                why="the package has no report",
                hint="Name it with --master",
            )
        master = self._pipeline.master(shown.master)
        if shown.digest and master.digest != shown.digest:
            raise MasterError(
                "Not the master of this package",
                where=str(shown.master),
                why="its content is not what the package was made from",
                hint="Name the right one with --master",
            )
        policy = load_policy("per-title")
        rate = shown.document["frame_rate"]
        if rate is not None:
            # All of a policy that pictures depend on.
            policy = replace(policy, max_frame_rate=Fraction(*rate))
        conform, analysis = self._pipeline.reference(master, policy)
        if shown.frames and analysis.frames != shown.frames:
            raise MasterError(
                "The master has other frames than the package",
                where=str(shown.master),
                why=f"{analysis.frames} instead of {shown.frames}",
            )
        self._opened = (master, conform)
        return self._opened
