"""The steps that look at all pictures of a title: its shots, and what is made of single frames."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from encoder.analysis.analyze import AnalysisSettings, analyze
from encoder.encode.cut import find_cut, open_cut
from encoder.engine.steps import VERSIONS, Steps
from encoder.engine.store import key_of
from encoder.ffmpeg.checksums import Checksums, read_checksums
from encoder.ffmpeg.graph import Stream
from encoder.media.conform import Conform, of_damaged
from encoder.media.frames import FrameRange, frame_time
from encoder.media.master import Master
from encoder.media.policy import Policy
from encoder.media.shots import Analysis
from encoder.pictures.make import take_frame
from encoder.report.text import some

_CHECKSUMS = "checksums.npy"
# From here on, single pictures of a title are sought.
_LONG_SECONDS = 60
_STILLS = "stills.mjpeg"


class AnalysisSteps(Steps):
    """Those of :class:`encoder.engine.pipeline.Pipeline` that need its reference pictures."""

    def _analysis_inputs(self, master: Master, conform: Conform) -> dict[str, object]:
        return {**self._title(master, conform), "settings": AnalysisSettings()}

    def _analysis_key(self, master: Master, conform: Conform) -> str:
        inputs = self._analysis_inputs(master, conform)
        return key_of({**inputs, "step": "analyze", "version": VERSIONS["analyze"]})

    def reference(self, master: Master, policy: Policy) -> tuple[Conform, Analysis]:
        """How pictures become reference pictures, and what they are.

        A damaged master is looked at again, decoded so that every later stage gets the same.

        Raises:
            MasterError: when no picture can be decoded.
        """
        conform = self.conform(master, policy)
        found = self.analysis(master, conform)
        if found.damaged:
            conform = of_damaged(conform)
            found = self.analysis(master, conform)
        return conform, found

    def analysis(self, master: Master, conform: Conform) -> Analysis:
        """The shots of the title.

        Raises:
            MasterError: when no picture can be decoded.
        """
        with self.stage("analyze", master.video.frames, "frames") as running:

            def work(folder: Path) -> Analysis:
                listed = folder / "frames.crc"
                made = analyze(
                    self.ffmpeg,
                    master,
                    conform,
                    AnalysisSettings(),
                    checksums=listed,
                    stills=folder / _STILLS,
                    on_progress=running.progress,
                )
                np.save(folder / _CHECKSUMS, read_checksums(listed))
                listed.unlink()
                return made

            found, _, running.cached = self.cached(
                "analyze", self._analysis_inputs(master, conform), Analysis, work
            )
            running.detail = f"{some(len(found.shots), 'shot')}, {some(found.frames, 'frame')}"
        # A container does not count pictures that are repeated or left out for a constant rate.
        as_stored = (
            master.video.cadence == "constant" and conform.frame_rate == master.video.frame_rate
        )
        if as_stored and found.frames != master.video.frames:
            self.warn(
                f"The container promises {master.video.frames} frames, {found.frames} could be "
                "decoded; the package has those"
            )
        return found

    def _title(self, master: Master, conform: Conform) -> dict[str, object]:
        """What determines the reference pictures."""
        return {
            "digest": master.digest,
            "ffmpeg": self.ffmpeg.build,
            "conform": replace(conform, changes=()),
        }

    def _checksums(self, master: Master, conform: Conform) -> Checksums:
        """Those of the reference pictures; analysis took them."""
        kept = self._kept_of_analysis(master, conform) / _CHECKSUMS
        return np.asarray(np.load(kept), dtype=np.uint32)

    def reference_at(
        self, master: Master, conform: Conform, analysis: Analysis, folder: Path
    ) -> Callable[[int], Stream] | None:
        """How to come by a reference picture in a long title, without all before it.

        None for a short one, which is decoded sooner than places are sought in it.
        """
        if frame_time(analysis.frames, conform.frame_rate) < _LONG_SECONDS:
            return None
        checksums = self._checksums(master, conform)

        def at(frame: int) -> Stream:
            wanted = FrameRange(frame, frame + 1)
            cut = find_cut(self.ffmpeg, master, conform, wanted, checksums, folder)
            return open_cut(master, conform, cut)

        return at

    def frame(self, master: Master, conform: Conform, number: int, folder: Path, side: int) -> Path:
        """A reference frame as a JPEG file in a folder, at most ``side`` pixels long.

        Raises:
            EncodeError: when FFmpeg fails.
        """
        sums = self._checksums(master, conform)
        name = Path(f"{number}.jpg")
        take_frame(self.ffmpeg, master, conform, number, sums, folder, name, side)
        return folder / name

    def _stills(self, master: Master, conform: Conform) -> Path:
        """Small pictures of every second; analysis took them."""
        return self._kept_of_analysis(master, conform) / _STILLS

    def _kept_of_analysis(self, master: Master, conform: Conform) -> Path:
        entry = self.store.find("analyze", self._analysis_key(master, conform))
        if entry is None:
            raise self.store.unusable(OSError(errno.ENOENT, "the analysis has gone from it"))
        return entry.folder
