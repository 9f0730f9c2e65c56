"""The filter graph of a pass: what is made of each side's pictures, each decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ffmpeg as graph

from encoder.ffmpeg.graph import Stream, arguments
from encoder.media.colour import Colour
from encoder.score.compared import Pair, both, opened, signalled, windowed
from encoder.score.metrics import Metric, feature_text
from encoder.score.sides import Side
from encoder.score.signatures import COLUMNS, ROWS


@dataclass(frozen=True, slots=True)
class Pass:
    """How a pass is run: the distance of scored frames, and of sampled ones (0: none)."""

    every: int = 1
    sample: int = 0
    threads: int = 1


def pass_arguments(reference: Side, pairs: Sequence[Pair], settings: Pass) -> list[str]:
    """FFmpeg's arguments: all pairs, and into the working folder logs, signatures and samples."""
    base = opened(reference)
    copies = base.filter_multi_output("split", len(pairs))
    scoring = sum(bool(pair.metrics) for pair in pairs)
    # A thread of libvmaf costs about 90 MB at 1080p: no more of them than processors to serve.
    threads = -(-settings.threads // max(1, scoring))
    outputs: list[Stream] = []
    shared = sharing(pairs)
    colour = signalled(reference.colour)
    for number, pair in enumerate(pairs):
        ours, theirs = both(reference, pair, copies[number], number + 1)
        wanted = _Branches(pair.metrics, settings.sample)
        own_signature = shared.get(number, number) == number
        left = ours.filter_multi_output("split", own_signature + wanted.count)
        right = theirs.filter_multi_output("split", 1 + wanted.count)
        if own_signature:
            outputs.append(_signature(left[0], signature_log("reference", number)))
        outputs.append(_signature(right[0], signature_log("distorted", number)))
        branches = [
            (
                windowed(right[1 + i], pair.window, reference=False),
                windowed(left[own_signature + i], pair.window, reference=True),
            )
            for i in range(wanted.count)
        ]
        outputs += wanted.outputs(branches, number, settings, threads, colour)
    return arguments(graph.merge_outputs(*outputs))


def sharing(pairs: Sequence[Pair]) -> dict[int, int]:
    """Which pairs have the same reference pictures, and so the signatures of which pair."""
    first: dict[object, int] = {}
    return {
        number: first.setdefault((pair.fit.reference_filters, pair.fit.crop), number)
        for number, pair in enumerate(pairs)
    }


def _signature(stream: Stream, name: str) -> Stream:
    # 16 bits before scaling: the scaler would cut its averages off to the 8 bits that came in.
    small = stream.filter("format", "yuv420p16le")
    small = small.filter("scale", COLUMNS, ROWS, flags="area+accurate_rnd+bitexact")
    return small.output(f"file:{name}", f="rawvideo", fps_mode="passthrough")


def metric_log(number: int) -> str:
    """What libvmaf writes of a pair."""
    return f"vmaf-{number}.csv"


def picture_log(number: int) -> str:
    """What the other filters write of it."""
    return f"pictures-{number}.txt"


def signature_log(side: str, number: int) -> str:
    """The signatures of a ``side`` of a pair: ``reference`` or ``distorted``."""
    return f"{side}-{number}.sig"


def sample_file(side: str, number: int) -> str:
    """The sampled pictures of a side of a pair."""
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
            if key == "xpsnr":
                # The filter takes lines of two-byte samples to be as long as the picture is wide.
                # Decoders pad them as they like, copies only up to 64 bytes.
                theirs, ours = theirs.filter("copy"), ours.filter("copy")
            else:
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
            made.append(_sink(chained.filter("metadata", mode="print", file=picture_log(number))))
        if self.sample and left:
            theirs, ours = left.pop(0)
            for side, stream in (("reference", ours), ("distorted", theirs)):
                picked = stream.filter("select", f"not(mod(n,{self.sample}))")
                name = f"file:{sample_file(side, number)}"
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
        "log_path": metric_log(number),
        "n_threads": threads,
        "n_subsample": settings.every,
        "eof_action": "endall",
    }
    models = [m for m in metrics if m.source == "model"]
    features = [feature_text(m, colour) for m in metrics if m.source == "feature"]
    # Without one, libvmaf would take its default; the name is that of the column.
    models_text = "|".join(f"version={m.model}:name={column(m)}" for m in models)
    options["model"] = models_text or "version=vmaf_v0.6.1"
    if features:
        options["feature"] = "|".join(features)
    return graph.filter([theirs, ours], "libvmaf", **options)


def column(metric: Metric) -> str:
    """The name of a metric in libvmaf's log."""
    return metric.name if metric.source == "model" else metric.key


def _sampled(stream: Stream, every: int) -> Stream:
    return stream if every == 1 else stream.filter("select", f"not(mod(n,{every}))")


def _sink(stream: Stream) -> Stream:
    return stream.output("-", f="null", fps_mode="passthrough")
