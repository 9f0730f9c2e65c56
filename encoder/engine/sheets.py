"""The score verb: probes both sides, compares them, and pools over shots found on the way."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from encoder.analysis.changes import ChangeDetector
from encoder.analysis.cuts import find_boundaries, tile
from encoder.analysis.settings import AnalysisSettings
from encoder.engine.events import Notice
from encoder.engine.joined import whole_track
from encoder.engine.publish import cannot_write, publish, staging
from encoder.engine.resources import cores
from encoder.engine.steps import Steps, Wanted
from encoder.engine.targets import find_distorted
from encoder.errors import MasterError, RecordError, UsageError
from encoder.media.frames import FrameRange
from encoder.media.pairs import ScoreSheet
from encoder.media.policy import Policy
from encoder.report.text import some
from encoder.score.evidence import Evidence, take_evidence
from encoder.score.judge import UNTOLD
from encoder.score.metrics import Metric
from encoder.score.pairs import Request, Result, pooled, score_files
from encoder.score.sides import Side, conformed, file_side, y4m_side
from encoder.score.signatures import COLUMNS, ROWS, Signatures, luma

STDIN = Path("-")
_MASTER = re.compile(r"\b([Tt]he|such) master\b")
_BATCH = 64


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """What ``encoder score`` is asked for.

    ``worst`` is how many of the worst frames by the first metric are wanted as pictures, of each
    file, in the folder ``pictures``.
    """

    reference: Path
    targets: tuple[Path, ...]
    metrics: tuple[Metric, ...]
    policy: Policy
    conform: bool = False
    automatic: bool = False
    every: int = 1
    sampled: bool = False
    worst: int = 0
    pictures: Path | None = None


def score(steps: Steps, job: ScoreJob, stdin: BinaryIO) -> tuple[ScoreSheet, list[Evidence]]:
    """Scores files and packages against a reference.

    Args:
        steps: what it runs on.
        job: what is asked for.
        stdin: where a side named ``-`` is read from.

    Raises:
        MeasureError: when the sides may not be compared, or a file is damaged.
        MasterError: when the reference cannot be read.
        RecordError: when what is scored cannot.
        UsageError: when the request makes no sense.
    """
    if (job.reference, *job.targets).count(STDIN) > 1:
        raise UsageError("Only one side can be on standard input")
    packaged = any(os.path.isdir(target) for target in job.targets)
    use_conform = job.conform or packaged
    with steps.store.work() as folder:
        reference, digest, distorted = _sides(steps, job, use_conform, folder, stdin)
        request = Request(
            job.metrics,
            job.automatic,
            not use_conform,
            job.every,
            job.sampled,
            cores(),
        )
        total = distorted[0].frames or reference.frames or 0
        with steps.stage("score", total, "frames") as running:
            result = score_files(
                steps.ffmpeg, reference, distorted, request, folder, running.progress
            )
            shots = _shots(result, reference)
            running.detail = (
                f"{some(len(distorted), 'file')}, {some(len(result.signatures), 'frame')}"
            )
        sheet = _sheet(result, request, reference, digest, shots)
        for pair in sheet.pairs:
            for note in pair.notes:
                steps.emit(Notice("info", f"{pair.id}: {note}"))
            if not pair.aligned:
                steps.emit(Notice("warning", f"{pair.id}: {UNTOLD}"))
        evidence: list[Evidence] = []
        if job.worst and job.pictures is not None:
            evidence = take_evidence(
                steps.ffmpeg, reference, result.scored, sheet, job.worst, job.pictures
            )
    return sheet, evidence


def keep_values(sheet: ScoreSheet, output: Path) -> None:
    """Publishes a folder with ``<id>.npz`` for each file: an array a metric, and ``frame``.

    Raises:
        MachineError: when the folder cannot be written.
    """
    with staging(output) as folder:
        for pair in sheet.pairs:
            values = sheet.values[pair.id]
            arrays = {name: found.astype(np.float32) for name, found in values.items()}
            arrays["frame"] = values["frame"].astype(np.int32)
            try:
                np.savez_compressed(folder / f"{pair.id}.npz", allow_pickle=False, **arrays)
            except OSError as error:
                raise cannot_write(output, error) from error
        publish(folder, output, "", sheet.reference_digest, {})


def _sides(
    steps: Steps, job: ScoreJob, use_conform: bool, folder: Path, stdin: BinaryIO
) -> tuple[Side, str, list[Side]]:
    """The reference and its digest, and what is compared with it; all files are probed at once."""
    piped = job.reference == STDIN
    if piped and use_conform:
        raise UsageError(
            "A package cannot be scored against standard input",
            hint="Give its master as a file",
        )
    files = [
        (one.id, whole_track(one.path, folder))
        for one in find_distorted(tuple(t for t in job.targets if t != STDIN))
    ]
    # A side counts as interlaced where both its header and its pictures say so.
    wanted = [Wanted(path, trusting=True, refuse=_as_file) for _, path in files]
    own = Wanted(job.reference, trusting=not use_conform, refuse=_as_reference)
    masters = steps.masters([*([] if piped else [own]), *wanted])
    distorted = [
        file_side(name, path, master.video)
        for (name, path), master in zip(files, masters[not piped :], strict=True)
    ]
    if STDIN in job.targets:
        distorted.append(_from_stdin(folder, stdin))
    if piped:
        return _from_stdin(folder, stdin), "", distorted
    side = file_side(job.reference.name, job.reference, masters[0].video)
    if use_conform:
        conform = steps.conform(masters[0], job.policy)
        for change in conform.changes:
            steps.emit(Notice("info", f"{side.name}: {change}"))
        side = conformed(side, conform)
    return side, masters[0].digest, distorted


def _as_reference(error: MasterError) -> MasterError:
    """As for any master, in the words of a comparison."""
    return MasterError(
        _MASTER.sub(r"\1 reference", error.what),
        where=error.where,
        why=error.why and error.why.replace("A master is", "A reference is"),
        hint=error.hint,
    )


def _as_file(error: MasterError) -> RecordError:
    """What is compared is no master."""
    return RecordError(
        _MASTER.sub(r"\1 file", error.what),
        where=error.where,
        why=error.why,
        hint=error.hint,
    )


def _from_stdin(folder: Path, stdin: BinaryIO) -> Side:
    """Standard input as a named pipe: FFmpeg's own input stays closed, as for every process."""
    header = stdin.readline(4096)
    path = folder / "stdin.y4m"
    side = y4m_side("standard input", path, header)
    os.mkfifo(path)

    def pump() -> None:
        try:
            with path.open("wb") as pipe:
                pipe.write(header)
                while block := stdin.read(1 << 20):
                    pipe.write(block)
        except (BrokenPipeError, OSError):
            return  # whoever read it has gone; why, that process says

    threading.Thread(target=pump, daemon=True).start()
    return side


def _shots(result: Result, reference: Side) -> tuple[FrameRange, ...]:
    """Shots of the reference's frames, of which only every so-manyth may have been looked at."""
    step = result.step
    found = find_shots(result.signatures, reference.rate / step)
    if step == 1:
        return found
    end = reference.frames or found[-1].end * step
    starts = [shot.start * step for shot in found]
    return tuple(FrameRange(a, b) for a, b in pairwise([*starts, end]))


def find_shots(signatures: Signatures, rate: Fraction) -> tuple[FrameRange, ...]:
    """Shots of a file by its signatures: luma alone, at 32x18.

    The cuts are found as in the analysis of a master, on smaller pictures; a cut between scenes of
    the same brightness everywhere would be missed.
    """
    settings = AnalysisSettings()
    detector = ChangeDetector(rate, settings)
    for start in range(0, len(signatures), _BATCH):
        seen = luma(signatures[start : start + _BATCH])
        pictures = np.full((len(seen), 3, ROWS, COLUMNS), 128, np.float32)
        pictures[:, 0] = seen.reshape(-1, ROWS, COLUMNS)
        detector.add(pictures)
    boundaries = find_boundaries(detector.finish(), rate, settings)
    pieces = tile(len(signatures), boundaries, settings.max_shot_frames(rate))
    return tuple(piece.frames for piece in pieces)


def _sheet(
    result: Result, request: Request, reference: Side, digest: str, shots: Sequence[FrameRange]
) -> ScoreSheet:
    return ScoreSheet(
        reference=reference.name,
        reference_digest=digest,
        frame_rate=reference.rate,
        frames=shots[-1].end,
        shots=tuple(shots),
        conformed=reference.conform is not None,
        pairs=tuple(pooled(one, request, reference, shots) for one in result.scored),
        values={
            one.side.name: {"frame": one.frames.astype(np.float64), **one.values}
            for one in result.scored
        },
    )
