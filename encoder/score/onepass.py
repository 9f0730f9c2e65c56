"""One FFmpeg process for a reference and everything compared with it: metrics and signatures.

Each file is decoded once, whatever is measured. Frames are paired by their index: both sides get it
as their timestamp, so that a container's rounding cannot shift one against the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ffmpeg as graph
import numpy as np
from numpy.typing import NDArray

from encoder.errors import MachineError, MeasureError
from encoder.ffmpeg.graph import (
    FORMAT_WHITELIST,
    Stream,
    apply,
    arguments,
    open_input,
    open_master,
)
from encoder.ffmpeg.locate import Ffmpeg, capabilities
from encoder.ffmpeg.process import PROTOCOLS, ProcessFailed, Progress, run
from encoder.media.colour import BT709, UNKNOWN, Colour
from encoder.score.alignment import Fit
from encoder.score.judge import Window
from encoder.score.logs import read_table, read_values
from encoder.score.metrics import Metric, feature_text
from encoder.score.sides import Side, common_format
from encoder.score.signatures import COLUMNS, ROWS, Signatures, load

# As in encoder.score.measure: what the models were trained with, rounded properly everywhere.
SCALE_FLAGS = "bicubic+accurate_rnd+bitexact"

_PICTURE_KEYS = {
    "psnr": {f"lavfi.psnr.psnr.{p}": f"psnr_{p}" for p in "yuv"},
    "ssim": {"lavfi.ssim.Y": "ssim"},
    "xpsnr": {f"lavfi.xpsnr.xpsnr.{p}": f"xpsnr_{p}" for p in "yuv"},
}
_GREY = {"psnr": {"lavfi.psnr.psnr.y": "psnr_y"}, "xpsnr": {"lavfi.xpsnr.xpsnr.y": "xpsnr_y"}}

Values = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Pair:
    """A distorted file, how it fits the reference, and which frames count (None: all)."""

    side: Side
    fit: Fit
    metrics: tuple[Metric, ...]
    window: Window | None = None


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


@dataclass(frozen=True, slots=True)
class Pass:
    """How a pass is run: the distance of scored frames, and of sampled ones (0: none)."""

    every: int = 1
    sample: int = 0
    threads: int = 1


def compared_size(reference: Side, pair: Pair) -> tuple[int, int]:
    """The size that a pair is compared at."""
    return pair.fit.crop or (reference.width, reference.height)


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
    command = _command(reference, pairs, settings)
    try:
        run(ffmpeg, command, folder=folder, on_progress=on_progress, on_line=damage.line)
    except ProcessFailed as failure:
        text = "\n".join(failure.tail)
        if re.search(r"could not load libvmaf model|no such built-in model|model.*version", text):
            models = sorted({m.model for p in pairs for m in p.metrics if m.source == "model"})
            raise MeasureError(
                "This FFmpeg lacks a VMAF model",
                where=", ".join(models),
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


def _command(reference: Side, pairs: Sequence[Pair], settings: Pass) -> list[str]:
    base = _opened(reference)
    copies = base.filter_multi_output("split", len(pairs))
    scoring = sum(bool(pair.metrics) for pair in pairs)
    # A thread of libvmaf costs about 90 MB at 1080p: no more of them than processors to serve.
    threads = -(-settings.threads // max(1, scoring))
    outputs: list[Stream] = []
    shared = _sharing(pairs)
    colour = _colour(reference.colour)
    for number, pair in enumerate(pairs):
        ours, theirs = _both(reference, pair, copies[number], number + 1)
        wanted = _Branches(pair.metrics, settings.sample)
        own_signature = shared.get(number, number) == number
        left = ours.filter_multi_output("split", own_signature + wanted.count)
        right = theirs.filter_multi_output("split", 1 + wanted.count)
        if own_signature:
            outputs.append(_signature(left[0], _signature_log("reference", number)))
        outputs.append(_signature(right[0], _signature_log("distorted", number)))
        branches = [
            (
                _windowed(right[1 + i], pair.window, reference=False),
                _windowed(left[own_signature + i], pair.window, reference=True),
            )
            for i in range(wanted.count)
        ]
        outputs += wanted.outputs(branches, number, settings, threads, colour)
    return arguments(graph.merge_outputs(*outputs))


def compared_streams(reference: Side, pair: Pair) -> tuple[Stream, Stream]:
    """The pictures of both sides as they are compared, from their first common frame on."""
    ours, theirs = _both(reference, pair, _opened(reference), 1)
    return (
        _windowed(ours, pair.window, reference=True),
        _windowed(theirs, pair.window, reference=False),
    )


def _both(reference: Side, pair: Pair, ours: Stream, number: int) -> tuple[Stream, Stream]:
    width, height = compared_size(reference, pair)
    form = common_format(reference, pair.side)
    colour = _colour(reference.colour)
    ours = apply(ours, pair.fit.reference_filters)
    if pair.fit.crop:
        ours = ours.filter("crop", width, height)
    ours = _settled(ours, reference, form, colour)
    theirs = apply(_opened(pair.side, number), pair.fit.distorted_filters)
    return ours, _settled(theirs, reference, form, colour, (width, height))


def _sharing(pairs: Sequence[Pair]) -> dict[int, int]:
    """Which pairs have the same reference pictures, and so the signatures of which pair."""
    first: dict[object, int] = {}
    return {
        number: first.setdefault((pair.fit.reference_filters, pair.fit.crop), number)
        for number, pair in enumerate(pairs)
    }


def _opened(side: Side, number: int = 0) -> Stream:
    if side.conform is not None:
        return open_master(side.path, side.conform)
    source = open_input(
        side.path,
        protocol_whitelist=PROTOCOLS,
        format_whitelist=FORMAT_WHITELIST,
        # The default and up: a file that is on both sides must not become one node of the graph.
        thread_queue_size=str(8 + number),
    )
    return source[str(side.stream)]


def _colour(colour: Colour) -> Colour:
    def known(value: str, default: str) -> str:
        return default if value == UNKNOWN else value

    return Colour(
        known(colour.primaries, BT709.primaries),
        known(colour.transfer, BT709.transfer),
        known(colour.matrix, BT709.matrix),
        "full" if colour.range == "full" else "limited",
    )


def _settled(
    stream: Stream, reference: Side, form: str, colour: Colour, size: tuple[int, int] | None = None
) -> Stream:
    """Pictures of the compared size and format, each at the time that is its index.

    Code values are compared: both sides are labelled alike before anything could convert them, as
    that they are alike was checked before.
    """
    stream = _labelled(stream, colour)
    if size is not None:
        stream = stream.filter("scale", *size, flags=SCALE_FLAGS)
    stream = _labelled(stream.filter("format", form), colour).filter("setsar", 1)
    rate = reference.rate
    return stream.filter("settb", f"{rate.denominator}/{rate.numerator}").filter("setpts", "N")


def _labelled(stream: Stream, colour: Colour) -> Stream:
    return stream.filter(
        "setparams",
        field_mode="prog",
        range=colour.range,
        color_primaries=colour.primaries,
        color_trc=colour.transfer,
        colorspace=colour.matrix,
    )


def _windowed(stream: Stream, window: Window | None, *, reference: bool) -> Stream:
    if window is None:
        return stream
    start = window.reference_start if reference else window.distorted_start
    end = start + window.frames - 1
    return stream.filter("select", f"between(n,{start},{end})").filter("setpts", "N")


def _signature(stream: Stream, name: str) -> Stream:
    # 16 bits before scaling: the scaler would cut its averages off to the 8 bits that came in.
    small = stream.filter("extractplanes", "y").filter("format", "gray16le")
    small = small.filter("scale", COLUMNS, ROWS, flags="area+accurate_rnd+bitexact")
    return small.output(f"file:{name}", f="rawvideo", fps_mode="passthrough")


def _signature_log(side: str, number: int) -> str:
    return f"{side}-{number}.sig"


def _sample_file(side: str, number: int) -> str:
    return f"{side}-{number}.raw"


class _Branches:
    """What is made of the copies of a pair's two sides, one copy of each for every filter."""

    def __init__(self, metrics: Sequence[Metric], sample: int) -> None:
        self.library = [m for m in metrics if m.source != "picture"]
        keys = {m.key for m in metrics if m.source == "picture"}
        # xpsnr weighs by what changed since the frame before: it must see all of them.
        self.pictures = [key for key in ("xpsnr", "psnr", "ssim") if key in keys]
        self.sample = sample
        self.count = bool(self.library) + len(self.pictures) + bool(sample and metrics)

    def outputs(
        self,
        branches: Sequence[tuple[Stream, Stream]],
        number: int,
        settings: Pass,
        threads: int,
        colour: Colour,
    ) -> list[Stream]:
        left = list(branches)
        made = []
        if self.library:
            theirs, ours = left.pop(0)
            made.append(
                _sink(_library(theirs, ours, self.library, number, settings, threads, colour))
            )
        chained: Stream | None = None
        for key in self.pictures:
            theirs, ours = left.pop(0)
            if key != "xpsnr":
                ours = _sampled(ours, settings.every)
            if chained is None:
                chained = theirs if key == "xpsnr" else _sampled(theirs, settings.every)
            else:
                # Not needed: the frames come from the filter before, with its values on them.
                made.append(_sink(theirs))
            chained = graph.filter([chained, ours], key, eof_action="endall")
            if key == "xpsnr":
                chained = _sampled(chained, settings.every)
        if chained is not None:
            made.append(
                _sink(chained.filter("metadata", mode="print", file=f"pictures-{number}.txt"))
            )
        if self.sample and left:
            theirs, ours = left.pop(0)
            for side, stream in (("reference", ours), ("distorted", theirs)):
                picked = stream.filter("select", f"not(mod(n,{self.sample}))")
                name = f"file:{_sample_file(side, number)}"
                made.append(picked.output(name, f="rawvideo", fps_mode="passthrough"))
        return made


def _library(
    theirs: Stream,
    ours: Stream,
    metrics: Sequence[Metric],
    number: int,
    settings: Pass,
    threads: int,
    colour: Colour,
) -> Stream:
    options: dict[str, object] = {
        "log_fmt": "csv",
        "log_path": f"vmaf-{number}.csv",
        "n_threads": threads,
        "n_subsample": settings.every,
        "eof_action": "endall",
    }
    models = [m for m in metrics if m.source == "model"]
    features = [feature_text(m, colour) for m in metrics if m.source == "feature"]
    # Without one, libvmaf would take its default; the name is that of the column.
    models_text = "|".join(f"version={m.model}:name={_column(m)}" for m in models)
    options["model"] = models_text or "version=vmaf_v0.6.1"
    if features:
        options["feature"] = "|".join(features)
    return graph.filter([theirs, ours], "libvmaf", **options)


def _column(metric: Metric) -> str:
    return metric.name if metric.source == "model" else metric.key


def _sampled(stream: Stream, every: int) -> Stream:
    return stream if every == 1 else stream.filter("select", f"not(mod(n,{every}))")


def _sink(stream: Stream) -> Stream:
    return stream.output("-", f="null", fps_mode="passthrough")


def _read(
    reference: Side, pairs: Sequence[Pair], number: int, settings: Pass, folder: Path
) -> Measured:
    pair = pairs[number]
    grey = reference.chroma == "gray"
    values: Values = {}
    frames: NDArray[np.int32] | None = None
    library = {_column(m): m.name for m in pair.metrics if m.source != "picture"}
    if library:
        frames, found = read_table(folder / f"vmaf-{number}.csv", tuple(library))
        values |= {library[column]: v for column, v in found.items()}
    keys = {m.key for m in pair.metrics if m.source == "picture"}
    if keys:
        wanted = {
            log: name
            for key in keys
            for log, name in ((_GREY.get(key) if grey else None) or _PICTURE_KEYS[key]).items()
        }
        own, found = read_values(folder / f"pictures-{number}.txt", wanted)
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
        names = (_sample_file(side, number) for side in ("reference", "distorted"))
        first, second = (folder / name for name in names)
        sampled = first, second
    return Measured(
        frames if frames is not None else np.zeros(0, np.int32),
        {name: found for name, found in values.items() if name in asked},
        load(folder / _signature_log("reference", _sharing(pairs)[number])),
        load(folder / _signature_log("distorted", number)),
        sampled,
    )
