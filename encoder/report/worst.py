"""The frames that came out worst, as pictures beside the master's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.ffmpeg.graph import Stream
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.master import Master
from encoder.media.scores import Scorecard
from encoder.media.shots import Shot
from encoder.report.data import WorstFrame
from encoder.report.pictures import GAIN, take


@dataclass(frozen=True, slots=True)
class Choice:
    """A frame to show: of which rendition, its index, its shot where known, and its VMAF."""

    rendition: str
    frame: int
    shot: int | None
    vmaf: float


def choose_frames(
    vmaf: Mapping[str, NDArray[np.floating]],
    every: Mapping[str, int],
    renditions: Sequence[str],
    *,
    count: int,
    apart: int,
    shots: Sequence[Shot] = (),
) -> tuple[Choice, ...]:
    """The worst frames of the best rendition and of the one in the middle, half each.

    They are of different shots as far as there are so many, and always ``apart`` frames from each
    other: the neighbours of a bad frame are as bad, and show nothing new. There may be fewer than
    ``count``.

    Args:
        vmaf: per rendition, VMAF of frames 0, every, 2 every and so on.
        every: per rendition, the distance between scored frames.
        renditions: ids from the best to the cheapest; those without VMAF are left out.
        count: how many at most.
        apart: least distance in frames.
        shots: they tile the title.
    """
    known = [one for one in renditions if len(vmaf.get(one, ()))]
    if not known or count < 1:
        return ()
    asked = [(known[0], count)]
    if len(known) > 1:
        asked = [(known[0], count - count // 2), (known[len(known) // 2], count // 2)]
    starts = [shot.frames.start for shot in shots]
    taken: list[Choice] = []
    for rendition, number in asked:
        candidates = _candidates(rendition, vmaf[rendition], every.get(rendition, 1), starts)
        taken += _spread(candidates, taken, number, apart)
    return tuple(taken)


def _candidates(
    rendition: str, values: NDArray[np.floating], every: int, starts: Sequence[int]
) -> list[Choice]:
    """All frames, the worst first."""
    numbers = np.arange(len(values)) * every
    shot_of = np.searchsorted(np.asarray(starts), numbers, side="right") - 1
    return [
        Choice(rendition, int(numbers[i]), int(shot_of[i]) if len(starts) else None, float(v))
        for i in np.argsort(values, kind="stable")
        if np.isfinite(v := values[i])
    ]


def _spread(
    candidates: Sequence[Choice], before: Sequence[Choice], number: int, apart: int
) -> list[Choice]:
    """So many of them: first from shots of which nothing is shown yet, then from anywhere."""
    taken: list[Choice] = []
    for new_shot in (True, False):
        for one in candidates:
            if len(taken) == number:
                return taken
            shown = [*before, *taken]
            if new_shot and (one.shot is None or any(one.shot == s.shot for s in shown)):
                continue
            if all(abs(one.frame - s.frame) >= apart for s in shown):
                taken.append(one)
    return taken


def worst_frames(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    rendition_files: Mapping[str, Path],
    scorecard: Scorecard,
    per_frame: Mapping[str, NDArray[np.floating]],
    *,
    count: int = 4,
    folder: Path,
    shots: Sequence[Shot] = (),
    reference_at: Callable[[int], Stream] | None = None,
) -> tuple[WorstFrame, ...]:
    """The worst frames by VMAF as JPEG pictures: the master's, the rendition's, the difference.

    Each is taken whole, reduced, and in detail at full size where the two differ most; see
    :mod:`encoder.report.pictures`.

    Args:
        ffmpeg: the program.
        master: the source.
        conform: how its pictures become reference pictures.
        rendition_files: by id.
        scorecard: its order is that of the ladder, its ``every`` that of ``per_frame``.
        per_frame: VMAF of the scored frames, by id.
        count: how many frames at most.
        folder: an existing folder for intermediate files, which are removed again.
        shots: to spread the choice over; without them it is spread over time alone.
        reference_at: as :func:`encoder.report.pictures.take` has it.

    Raises:
        MeasureError: when FFmpeg fails, or gives fewer pictures than were scored.
        MachineError: when the disk is full.
    """
    every = {one.rendition: one.every for one in scorecard.renditions}
    order = [one.rendition for one in scorecard.renditions if one.rendition in rendition_files]
    length = max((len(per_frame.get(r, ())) * every[r] for r in order), default=0)
    second = -(-conform.frame_rate.numerator // conform.frame_rate.denominator)
    chosen = choose_frames(
        per_frame,
        every,
        order,
        count=count,
        apart=max(second, length // (4 * max(1, count))),
        shots=shots,
    )
    if not chosen:
        return ()
    # One list a rendition, in the order of frames, in which the pictures come out.
    wanted = {
        r: sorted(c.frame for c in chosen if c.rendition == r)
        for r in dict.fromkeys(c.rendition for c in chosen)
    }
    pictures = take(
        ffmpeg,
        master,
        conform,
        rendition_files,
        wanted,
        folder,
        reference_at=reference_at,
    )
    return tuple(
        WorstFrame(
            rendition=one.rendition,
            frame=one.frame,
            time=frame_time(one.frame, conform.frame_rate),
            shot=one.shot,
            vmaf=one.vmaf,
            whole=pictures[one.rendition, one.frame].whole,
            detail=pictures[one.rendition, one.frame].detail,
            detail_at=pictures[one.rendition, one.frame].at,
            media_type="image/jpeg",
            gain=GAIN,
        )
        for one in chosen
    )
