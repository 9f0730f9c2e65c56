"""The steps that score: as encodes were measured when they were made, or by a pass of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from encoder.encode.chunk_command import Measuring
from encoder.engine.analysis_steps import AnalysisSteps
from encoder.engine.scoring import decoded_checksums, pass_score
from encoder.engine.steps import VERSIONS
from encoder.engine.store import Entry, key_of
from encoder.engine.video import EncodedTitle
from encoder.ladder.decide import VMAF_MODEL
from encoder.media.conform import Conform
from encoder.media.master import Master
from encoder.media.scores import RenditionScore, Scorecard
from encoder.media.serial import from_plain
from encoder.media.shots import Analysis
from encoder.probe.digest import digest_file
from encoder.report.text import some
from encoder.score.confirm import Measured, confirm
from encoder.score.measure import Distorted, measure


class ScoreSteps(AnalysisSteps):
    """Those of :class:`encoder.engine.pipeline.Pipeline` that score."""

    def pass_scorecard(
        self,
        master: Master,
        conform: Conform,
        analysis: Analysis,
        encoded: EncodedTitle,
        files: Sequence[Distorted],
        into: Path,
        measured: Measuring,
        *,
        every_frame: bool,
    ) -> Scorecard:
        """The scores that were measured while encoding, confirmed of the packaged files.

        A rung whose encode was in the store without its scores is measured now.

        Args:
            master: the source.
            conform: how its pictures become reference pictures.
            analysis: its shots.
            encoded: what :meth:`encode` gave.
            files: the packaged file of every rung.
            into: an existing folder for per-frame values.
            measured: what was measured.
            every_frame: whether all frames of the package are decoded to confirm, or key frames.

        Raises:
            MeasureError: when the package does not decode to the pictures that were measured.
        """
        scores: list[RenditionScore] = []
        confirmed: list[Measured] = []
        paths = {one.id: one.path for one in files}
        with self.stage("score", analysis.frames, "frames") as running:
            for rung in encoded.rungs:
                sums = decoded_checksums(rung)
                score = pass_score(rung, conform, analysis, measured, into)
                if score is not None and sums is not None:
                    scores.append(score)
                    confirmed.append(Measured(rung.rung.id, paths[rung.rung.id], sums))
            frames = confirm(
                self.ffmpeg,
                confirmed,
                encoded.plan.keyframes,
                every_frame=every_frame,
                on_progress=running.progress,
            )
            running.detail = (
                f"{len(scores)} of {some(len(files), 'rendition')} measured as they were encoded, "
                f"confirmed by {some(frames, 'frame')} of each"
            )
        names = {one.rendition for one in scores}
        rest = [one for one in files if one.id not in names]
        if rest:
            card = self.scorecard(
                master,
                conform,
                analysis,
                rest,
                into,
                every=measured.every,
                model=measured.model,
            )
            scores += card.renditions
        order = {one.id: number for number, one in enumerate(files)}
        return Scorecard(tuple(sorted(scores, key=lambda one: order[one.rendition])))

    def scorecard(
        self,
        master: Master,
        conform: Conform,
        analysis: Analysis,
        files: Sequence[Distorted],
        into: Path,
        *,
        every: int,
        model: str = VMAF_MODEL,
    ) -> Scorecard:
        """Scores files against the master; per-frame values go into ``into``.

        Raises:
            MeasureError: when a file does not have the master's frames, or the measurement fails.
        """
        done: dict[str, tuple[RenditionScore, Entry]] = {}
        with self.stage("score", analysis.frames, "frames") as running:
            keys = {
                one.id: key_of(
                    {
                        **self._title(master, conform),
                        "shots": [shot.frames for shot in analysis.shots],
                        "file": digest_file(one.path),
                        "every": every,
                        "model": model,
                        "step": "score",
                        "version": VERSIONS["score"],
                    }
                )
                for one in files
            }
            missing = []
            for one in files:
                entry = self.store.find("score", keys[one.id])
                if entry is None:
                    missing.append(one)
                else:
                    done[one.id] = (from_plain(entry.value, RenditionScore), entry)
            running.cached = not missing
            if missing:
                with self.store.work() as folder:
                    made = measure(
                        self.ffmpeg,
                        master,
                        conform,
                        analysis,
                        missing,
                        folder,
                        every=every,
                        model=model,
                        on_progress=running.progress,
                    )
                    for one, score in zip(missing, made.renditions, strict=True):
                        with self.store.work() as own:
                            (folder / score.frames).rename(own / "frames.npz")
                            entry = self.store.save("score", keys[one.id], own, score)
                        done[one.id] = (score, entry)
            scores = []
            for one in files:
                score, entry = done[one.id]
                target = into / f"{one.id}.npz"
                target.write_bytes((entry.folder / "frames.npz").read_bytes())
                scores.append(replace(score, rendition=one.id, frames=Path(target.name)))
            running.detail = (
                f"{len(missing)} of {some(len(files), 'rendition')}, every {some(every, 'frame')}"
            )
        return Scorecard(tuple(scores))
