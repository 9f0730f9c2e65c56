"""The worst frames as pictures: the reference, the file, and their difference amplified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ffmpeg as graph
import numpy as np

from encoder.errors import MachineError, MeasureError
from encoder.ffmpeg.graph import arguments
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import ProcessFailed, run
from encoder.media.pairs import ScoreSheet
from encoder.score.compared import Pair, compared_streams
from encoder.score.pairs import Scored
from encoder.score.sides import Side

GAIN = 8


@dataclass(frozen=True, slots=True)
class Evidence:
    """A picture of one bad frame: of which file, the reference's frame, its value, and where."""

    id: str
    frame: int
    metric: str
    value: float
    path: Path


def take_evidence(
    ffmpeg: Ffmpeg,
    reference: Side,
    scored: Sequence[Scored],
    sheet: ScoreSheet,
    count: int,
    into: Path,
) -> list[Evidence]:
    """Writes ``<id>-<frame>.png`` for the worst frames of each file by its first metric.

    The difference is ``GAIN`` times the absolute difference of luma (8-bit code values). Frames are
    at least half a second apart: the neighbours of a bad frame are as bad, and show nothing new.

    Raises:
        MachineError: when the folder cannot be written.
        MeasureError: when a file cannot be read a second time.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(
            "The pictures cannot be written",
            where=str(into),
            why=error.strerror or str(error),
            hint="Choose another folder with --pictures",
        ) from error
    taken = []
    apart = max(1, round(sheet.frame_rate / 2))
    for one, pair in zip(scored, sheet.pairs, strict=True):
        metric = next((m for m in pair.metrics if m.pools is not None), None)
        if metric is None:
            continue
        values = one.values[metric.metric]
        order = np.argsort(values if metric.better == "higher" else -values, kind="stable")
        frames: list[int] = []
        for place in order.tolist():
            frame = int(one.frames[place])
            if len(frames) < count and all(abs(frame - other) >= apart for other in frames):
                frames.append(frame)
        pair_of = Pair(one.side, one.fit, (), one.verdict.window)
        draw(ffmpeg, reference, pair_of, sorted(frames), into)
        at = {int(frame): float(value) for frame, value in zip(one.frames, values, strict=True)}
        taken += [
            Evidence(pair.id, frame, metric.metric, at[frame], into / _name(pair.id, frame))
            for frame in frames
        ]
    return taken


def _name(identifier: str, frame: int) -> str:
    return f"{identifier}-{frame:06d}.png"


def draw(ffmpeg: Ffmpeg, reference: Side, pair: Pair, frames: list[int], into: Path) -> None:
    """Writes ``<name of the file>-<frame>.png`` for frames of the reference, in order.

    Raises:
        MeasureError: when a file cannot be read a second time.
    """
    if not (reference.path.is_file() and pair.side.path.is_file()):
        raise MeasureError(
            "There are no pictures of standard input",
            where=pair.side.name,
            why="it can be read only once, and the worst frames are known at its end",
            hint="Write it to a file first, or leave out --worst",
        )
    ours, theirs = compared_streams(reference, pair)
    first = pair.window.reference_start if pair.window is not None else 0
    picked = [frame // pair.fit.reference_step - first for frame in frames]
    text = "+".join(f"eq(n,{number})" for number in picked)
    sides = []
    for stream in (ours, theirs):
        chosen = stream.filter("select", text).filter("setpts", "N")
        sides.append(chosen.filter("format", "yuv444p").filter_multi_output("split", 2))
    difference = graph.filter([sides[0][1], sides[1][1]], "blend", all_mode="difference")
    difference = difference.filter("lut", y=f"min(235,16+val*{GAIN})", u="128", v="128")
    joined = graph.filter([sides[0][0], sides[1][0], difference], "hstack", inputs=3)
    # The number of a picture is its place among those picked.
    output = joined.output(
        "file:picked-%06d.png", f="image2", start_number=0, fps_mode="passthrough"
    )
    try:
        run(ffmpeg, arguments(output), folder=into)
    except ProcessFailed as failure:
        raise MeasureError(
            "The pictures of the worst frames could not be taken",
            where=pair.side.name,
            why=failure.reason,
        ) from failure
    for number, frame in enumerate(frames):
        (into / f"picked-{number:06d}.png").replace(into / _name(pair.side.name, frame))
