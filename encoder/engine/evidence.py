"""What a comparison's failures look like: the frames that lost most, and pictures of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.engine.joined import whole_track
from encoder.engine.pipeline import Pipeline
from encoder.engine.publish import cannot_write
from encoder.engine.regression import REPORT, Run, inside, read_arrays, read_report
from encoder.errors import EncoderError, MeasureError
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.master import Master
from encoder.media.regression import Check, RegressionReport
from encoder.probe.boxes import is_encrypted, top_level
from encoder.probe.conform import decide_conform
from encoder.report.pictures import GAIN, Taken, take
from encoder.report.regression_page import FramePictures, Part
from encoder.score.gates import WorstFrame

# Frames of a clip that are shown: each is some hundred kilobytes in the page.
_MOST = 24
# Nobody sees a difference between frames of a higher PSNR: black ones lose dozens of decibels.
_CEILING = 48.0
_BASELINE, _CANDIDATE = "baseline", "candidate"


def frame_finder(baseline: Sequence[Run], candidate: Sequence[Run]) -> WorstFrame:
    """Finds the frame that lost most; where the baseline is but a file, the worst of the candidate.

    It needs the values of every frame, which packages have.
    """

    def find(clip: str, metric: str, rung: str, shot: int | None) -> int | None:
        before, after = _of_clip(baseline, candidate, clip)
        found = None if after is None else _values(after, rung, metric)
        if after is None or found is None:
            return None
        frames, values = found
        old = None if before is None else _values(before, rung, metric)
        earlier = old[1] if old is not None and np.array_equal(old[0], frames) else None
        loss = _loss(metric, values, earlier)
        known = np.isfinite(loss) & np.isfinite(frames)
        if shot is not None:
            starts = after.measure.shots
            if shot >= len(starts):
                return None
            known &= frames >= starts[shot]
            if shot + 1 < len(starts):
                known &= frames < starts[shot + 1]
        if not known.any():
            return None
        return int(frames[int(np.where(known, loss, -np.inf).argmax())])

    return find


def _loss(
    metric: str, values: NDArray[np.float64], before: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """How much each frame lost, or how bad it is where nothing is known of before."""
    ceiling = _CEILING if metric.startswith("psnr") else np.inf
    for most in (ceiling, np.inf):
        now = np.minimum(values, most)
        loss: NDArray[np.float64] = -now if before is None else np.minimum(before, most) - now
        if np.isfinite(loss).any() and np.nanmax(loss) > np.nanmin(loss):
            break
    return loss


def _of_clip(
    baseline: Sequence[Run], candidate: Sequence[Run], clip: str
) -> tuple[Run | None, Run | None]:
    """Both runs of a clip of the candidate; single ones belong together whatever their names."""
    after = next((run for run in candidate if run.measure.clip == clip), None)
    if len(baseline) == len(candidate) == 1:
        return baseline[0], after
    return next((run for run in baseline if run.measure.clip == clip), None), after


def _values(
    run: Run, rung: str, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    path = None if run.package is None else inside(run.package, f"scores/{rung}.npz")
    found = {} if path is None else read_arrays(path, ["frame", metric])
    if len(found) < 2 or found["frame"].shape != found[metric].shape:
        return None
    return found["frame"], found[metric]


def take_pictures(
    pipeline: Pipeline,
    baseline: Sequence[Run],
    candidate: Sequence[Run],
    reports: Sequence[RegressionReport],
    reference: Path | None,
) -> tuple[list[FramePictures], list[str]]:
    """Pictures of the frames that failed checks name.

    Each shows the reference, the baseline, the candidate, and how far the luma of both is from the
    reference's, amplified. What is not at hand is left out: without the reference, the difference
    is that of baseline and candidate.

    Args:
        pipeline: what it runs on.
        baseline: the runs before.
        candidate: the runs now.
        reports: what was found of them.
        reference: the master, where it is not where the run had it; for a single clip.

    Returns:
        The pictures, and a sentence for each thing that could not be shown.
    """
    shown: list[FramePictures] = []
    notes: list[str] = []
    for report in reports:
        wanted: dict[tuple[str, int], Check] = {}
        for check in report.checks:
            if not check.passed and check.frame is not None:
                wanted.setdefault((check.rung, check.frame), check)
        before, after = _of_clip(baseline, candidate, report.clip)
        if not wanted or after is None or after.package is None:
            continue
        if len(wanted) > _MOST:
            notes.append(f"{report.clip}: {len(wanted) - _MOST} more frames are not shown")
        kept = dict(list(wanted.items())[:_MOST])
        try:
            shown += _of_run(pipeline, before, after, kept, reference, notes)
        except EncoderError as error:
            # The verdict stands without them.
            notes.append(f"{report.clip}: no pictures. {error}")
    return shown, notes


@dataclass(frozen=True, slots=True)
class _Against:
    """What is taken for the reference: the master, or else the baseline's own rendition."""

    master: Master
    conform: Conform
    real: bool


def _of_run(
    pipeline: Pipeline,
    before: Run | None,
    after: Run,
    wanted: Mapping[tuple[str, int], Check],
    reference: Path | None,
    notes: list[str],
) -> list[FramePictures]:
    clip = after.measure.clip
    against = _reference(pipeline, after, reference, notes)
    shown = []
    for rung in dict.fromkeys(rung for rung, _ in wanted):
        frames = sorted(frame for name, frame in wanted if name == rung)
        with pipeline.store.work() as folder:
            old = None if before is None else _rendition(before, rung, folder)
            new = _rendition(after, rung, folder)
            base = against
            if base is None and old is not None:
                master = pipeline.master(old)
                base = _Against(master, decide_conform(master, max_frame_rate=None), False)
            if new is None or base is None:
                notes.append(f"{clip}, {rung}: no pictures, its files are not there")
                continue
            files = {_CANDIDATE: new}
            # A run against itself: one file cannot be decoded beside itself.
            if base.real and old is not None and old != new:
                files[_BASELINE] = old
            taken = take(
                pipeline.ffmpeg,
                base.master,
                base.conform,
                files,
                dict.fromkeys(files, frames),
                folder,
                detail_of=_CANDIDATE,
            )
        shown += [
            _pictures(clip, wanted[rung, frame], base, {n: taken[n, frame] for n in files})
            for frame in frames
        ]
    return shown


def _rendition(run: Run, rung: str, folder: Path) -> Path | None:
    """The file of a rung; joined in the folder where its segments are files."""
    if run.package is None:
        return None
    for one in read_report(run.package / REPORT).at("renditions").items():
        if one.at("id").text() == rung:
            path = inside(run.package, one.at("path").text())
            return None if path is None else _clear(whole_track(path, folder))
    return None


def _clear(path: Path) -> Path:
    if is_encrypted(path, top_level(path)):
        raise MeasureError(
            "A rendition is encrypted",
            where=str(path),
            why="without its key it has no pictures",
            hint="Compare with packages that are not protected to see the frames",
        )
    return path


def _reference(
    pipeline: Pipeline, run: Run, given: Path | None, notes: list[str]
) -> _Against | None:
    report = read_report((run.package or Path()) / REPORT)
    path = given or Path(report.at("master").at("path").text())
    if not os.path.isfile(path):
        notes.append(
            f"{path.name}: the master is not where the run had it; name it with --reference"
        )
        return None
    master = pipeline.master(path)
    if master.digest != run.measure.digest:
        notes.append(f"{path.name}: this is not the master of the run any more")
        return None
    chain = report.at("conform")
    conform = decide_conform(master, max_frame_rate=chain.at("frame_rate").ratio())
    if (conform.width, conform.height) != (chain.at("width").whole(), chain.at("height").whole()):
        notes.append(f"{path.name}: its reference pictures are others than those of the run")
        return None
    return _Against(master, conform, True)


def _pictures(clip: str, check: Check, base: _Against, taken: Mapping[str, Taken]) -> FramePictures:
    candidate, baseline = taken[_CANDIDATE], taken.get(_BASELINE)
    parts = []
    for part in ("whole", "detail"):
        new = candidate.whole if part == "whole" else candidate.detail
        if new is None:
            continue
        old = None if baseline is None else getattr(baseline, part)
        named: list[tuple[str, bytes]] = []
        if not base.real:
            named = [
                ("baseline", new.reference),
                ("candidate", new.rendition),
                (f"difference x {GAIN}", new.difference),
            ]
        else:
            named = [("reference", new.reference)]
            named += [] if old is None else [("baseline", old.rendition)]
            named += [("candidate", new.rendition)]
            named += [] if old is None else [(f"baseline's error x {GAIN}", old.difference)]
            named += [(f"candidate's error x {GAIN}", new.difference)]
        parts.append(Part(part, tuple(named), new.width, new.height))
    frame = check.frame or 0
    return FramePictures(
        clip,
        check.rung,
        frame,
        check.shot,
        frame_time(frame, base.conform.frame_rate),
        tuple(parts),
    )


def write_pictures(
    shown: Sequence[FramePictures], into: Path
) -> list[tuple[FramePictures, str, Path]]:
    """Writes each whole picture as ``<clip>-<rung>-<frame>-<kind>.jpg``.

    Returns:
        What each belongs to, what it shows, and where it is.

    Raises:
        MachineError: when the folder cannot be written.
    """
    made = []
    try:
        into.mkdir(parents=True, exist_ok=True)
        for one in shown:
            whole = one.parts[0]
            for kind, content in whole.pictures:
                word = kind.split(" x ")[0].replace("'s ", "-").replace(" ", "-")
                name = f"{Path(one.clip).stem}-{one.rung}-{one.frame:06d}-{word}.jpg"
                path = into / re.sub(r"[^\w.-]", "_", name)
                path.write_bytes(content)
                made.append((one, kind, path))
    except OSError as error:
        raise cannot_write(into, error) from error
    return made
