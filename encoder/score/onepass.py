"""One FFmpeg process for a reference and everything compared with it: metrics and signatures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder.errors import MachineError, MeasureError
from encoder.ffmpeg.locate import Ffmpeg, capabilities
from encoder.ffmpeg.process import ProcessFailed, Progress, run
from encoder.score.compared import Pair
from encoder.score.logs import read_table, read_values
from encoder.score.pass_graph import (
    Pass,
    column,
    metric_log,
    pass_arguments,
    picture_log,
    sample_file,
    sharing,
    signature_log,
)
from encoder.score.sides import Side
from encoder.score.signatures import Signatures, load

_PICTURE_KEYS = {
    "psnr": {f"lavfi.psnr.psnr.{p}": f"psnr_{p}" for p in "yuv"},
    "ssim": {"lavfi.ssim.Y": "ssim"},
    "xpsnr": {f"lavfi.xpsnr.xpsnr.{p}": f"xpsnr_{p}" for p in "yuv"},
}
_GREY = {"psnr": {"lavfi.psnr.psnr.y": "psnr_y"}, "xpsnr": {"lavfi.xpsnr.xpsnr.y": "xpsnr_y"}}

Values = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a pass gave for one pair: scored frames' indices, values by metric, signatures.

    ``samples`` are two files of raw pictures of :func:`compared_format`, reference and distorted,
    of every frame that was to be sampled; None without samples.
    """

    frames: NDArray[np.int32]
    values: Values
    reference: Signatures
    distorted: Signatures
    samples: tuple[Path, Path] | None


def run_pass(
    ffmpeg: Ffmpeg,
    reference: Side,
    pairs: Sequence[Pair],
    settings: Pass,
    folder: Path,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Measured]:
    """Decodes a reference and some files once and measures what each pair asks for.

    Args:
        ffmpeg: the program.
        reference: what everything is compared with.
        pairs: what is compared; a pair without metrics gets signatures only.
        settings: how.
        folder: for logs, signatures and samples; arrays of signatures are mapped from there.
        on_progress: told how far it is.

    Raises:
        MachineError: when FFmpeg lacks a filter.
        MeasureError: when it lacks a model, a file cannot be decoded to its end without errors, or
            a log is broken.
    """
    _require(ffmpeg, pairs)
    damage = _Damage([reference, *(pair.side for pair in pairs)])
    command = pass_arguments(reference, pairs, settings)
    try:
        run(ffmpeg, command, folder=folder, on_progress=on_progress, on_line=damage.line)
    except ProcessFailed as failure:
        text = "\n".join(failure.tail)
        if re.search(r"could not load libvmaf model|no such built-in model|model.*version", text):
            models = sorted({m.model for p in pairs for m in p.metrics if m.source == "model"})
            # It names the first that it lacks.
            lacking = [m for m in models if re.search(rf"{re.escape(m)}(?![\w.])", text)]
            raise MeasureError(
                "This FFmpeg lacks a VMAF model",
                where=", ".join(lacking or models),
                why=failure.reason,
                hint="Leave out --ffmpeg and ENCODER_FFMPEG to use the FFmpeg that came with the "
                "install, or name another model",
            ) from failure
        raise MeasureError(
            "The comparison failed",
            where=", ".join(pair.side.name for pair in pairs),
            why=failure.reason,
            hint="Run again with -v to see the command",
        ) from failure
    damage.check()
    return [_read(reference, pairs, number, settings, folder) for number in range(len(pairs))]


def _require(ffmpeg: Ffmpeg, pairs: Sequence[Pair]) -> None:
    sources = {m.source if m.source != "picture" else m.key for p in pairs for m in p.metrics}
    filters = {"libvmaf" if s in ("model", "feature") else s for s in sources}
    missing = capabilities(ffmpeg).missing(filters=tuple(sorted(filters)))
    if missing:
        raise MachineError(
            f"This FFmpeg lacks the {' and the '.join(missing)}",
            where=str(ffmpeg.path),
            why="it was built without what these metrics need",
            hint="Leave out --ffmpeg and ENCODER_FFMPEG to use the FFmpeg that came with the "
            "install, or name other metrics with --metric",
        )


class _Damage:
    """Errors of decoders, which FFmpeg conceals and goes on from."""

    def __init__(self, sides: Sequence[Side]) -> None:
        self._sides = sides
        self._first: dict[int, str] = {}

    def line(self, text: str) -> None:
        if "[error]" not in text and "corrupt decoded frame" not in text:
            return
        found = re.search(r"(?:[vi]ist#|in#)(\d+)", text)
        # A decoder's own messages do not tell which input it serves.
        number = int(found.group(1)) if found else -1
        self._first.setdefault(number, text.rpartition("] ")[2])

    def check(self) -> None:
        if not self._first:
            return
        numbered = [n for n in self._first if 0 <= n < len(self._sides)]
        sides = [self._sides[n] for n in numbered] or self._sides
        raise MeasureError(
            "A file is damaged: its pictures cannot all be decoded",
            where=" or ".join(side.name for side in sides),
            why=next(iter(self._first.values())),
            hint="Scores of concealed pictures say nothing of the encode: make the file again, or "
            "copy it again from its source",
        )


def _read(
    reference: Side, pairs: Sequence[Pair], number: int, settings: Pass, folder: Path
) -> Measured:
    pair = pairs[number]
    grey = reference.chroma == "gray"
    values: Values = {}
    frames: NDArray[np.int32] | None = None
    library = {column(m): m.name for m in pair.metrics if m.source != "picture"}
    if library:
        frames, found = read_table(folder / metric_log(number), tuple(library))
        values |= {library[column]: v for column, v in found.items()}
    keys = {m.key for m in pair.metrics if m.source == "picture"}
    if keys:
        wanted = {
            log: name
            for key in keys
            for log, name in ((_GREY.get(key) if grey else None) or _PICTURE_KEYS[key]).items()
        }
        own, found = read_values(folder / picture_log(number), wanted)
        if frames is not None and not np.array_equal(own, frames):
            raise MeasureError(
                "Metrics were measured on different frames",
                where=pair.side.name,
                why=f"{len(frames)} frames by libvmaf, {len(own)} by the other filters",
                hint="Run the same command again; if it stays so, a file is damaged",
            )
        frames = own
        values |= found
        if {"psnr_y", "psnr_u", "psnr_v"} <= set(found):
            values["psnr_weighted"] = (6 * found["psnr_y"] + found["psnr_u"] + found["psnr_v"]) / 8
    asked = {m.name for m in pair.metrics}
    sampled = None
    if settings.sample and pair.metrics:
        names = (sample_file(side, number) for side in ("reference", "distorted"))
        first, second = (folder / name for name in names)
        sampled = first, second
    return Measured(
        frames if frames is not None else np.zeros(0, np.int32),
        {name: found for name, found in values.items() if name in asked},
        load(folder / signature_log("reference", sharing(pairs)[number])),
        load(folder / signature_log("distorted", number)),
        sampled,
    )
