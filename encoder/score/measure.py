"""Every rendition against the master: VMAF, PSNR and SSIM in one FFmpeg process.

The master is decoded and conformed once for all renditions of a run. Frames are paired by their
index: both sides get the index as their timestamp, so that a container's rounding cannot shift
one against the other, and both sides' frames are counted.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ffmpeg as graph
import numpy as np

from encoder.errors import MachineError, MeasureError
from encoder.ffmpeg.graph import Stream, arguments, open_file, open_master, rate_text
from encoder.ffmpeg.locate import Ffmpeg, capabilities
from encoder.ffmpeg.process import ProcessFailed, Progress, run
from encoder.media.conform import Conform
from encoder.media.master import Master
from encoder.media.scores import RenditionScore, Scorecard
from encoder.media.shots import Analysis
from encoder.score.card import rendition_score
from encoder.score.logs import count_frames, read_pictures, read_vmaf

DEFAULT_MODEL = "vmaf_v0.6.1"

# Bicubic is what the VMAF models were trained with. The other two flags make swscale round
# properly and use the same arithmetic on every processor.
SCALE_FLAGS = "bicubic+accurate_rnd+bitexact"

# libvmaf and the pictures under way take 110 to 150 MB a rendition at 1080p, and four times that
# at 2160p: more renditions than this are measured in several runs, at the price of decoding the
# master again.
_BATCH = 8
_BATCH_PIXELS = 16 * 1920 * 1080


@dataclass(frozen=True, slots=True)
class Distorted:
    """A file to be scored, and the id of its rendition."""

    id: str
    path: Path


def measure(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    analysis: Analysis,
    distorted: Sequence[Distorted],
    into: Path,
    *,
    every: int = 1,
    model: str = DEFAULT_MODEL,
    threads: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Scorecard:
    """Scores renditions against the master's reference pictures.

    Every rendition is scaled to the size of the reference pictures (:data:`SCALE_FLAGS`) and
    brought to their pixel format. Code values are compared: that the rendition signals its colour
    as it should is not this stage's question. The scores are the same for any number of threads.

    Args:
        ffmpeg: the program, with libvmaf.
        master: the source.
        conform: how its pictures become reference pictures.
        analysis: how many there are, and the shots that scores are pooled over.
        distorted: the files to score, as they are published.
        into: an existing folder, which gets ``<id>.npz`` for each: float32 arrays ``vmaf``,
            ``psnr_y``, ``psnr_u``, ``psnr_v`` and ``ssim``, the frame indices as int32 ``frame``,
            and for each metric ``<metric>_shots``, float32, a row a shot: mean, harmonic mean, 1st
            and 5th percentile, minimum; NaN for a shot that no scored frame is in.
        every: the distance between scored frames; 1 scores all of them. The others are still
            decoded, and VMAF's motion feature still sees them, so that a frame's score does not
            depend on it.
        model: the VMAF model's name, of those that libvmaf has built in.
        threads: how many threads libvmaf may use altogether; by default one a processor.
        on_progress: called with the number of frames done.

    Raises:
        MachineError: when FFmpeg lacks libvmaf or the model, or the disk is full.
        MeasureError: when FFmpeg fails, or a rendition or the decoded master has other frames
            than the analysis found.
        ValueError: when ``every`` is not positive, or ids repeat.
    """
    if every < 1:
        raise ValueError(f"every {every} frames")
    if len({one.id for one in distorted}) != len(distorted):
        raise ValueError("renditions with the same id")
    _require_filters(ffmpeg)
    run_settings = _Run(
        ffmpeg, master, conform, analysis, every, model, threads or os.cpu_count() or 1
    )
    batches = list(_batches(distorted, conform))
    scores: list[RenditionScore] = []
    for number, batch in enumerate(batches):
        report = _share(on_progress, number, len(batches), analysis.frames)
        scores += _measure_batch(run_settings, batch, into, report)
    return Scorecard(tuple(scores))


@dataclass(frozen=True, slots=True)
class _Run:
    """What all batches have in common."""

    ffmpeg: Ffmpeg
    master: Master
    conform: Conform
    analysis: Analysis
    every: int
    model: str
    threads: int


def _require_filters(ffmpeg: Ffmpeg) -> None:
    missing = capabilities(ffmpeg).missing(filters=("libvmaf", "psnr", "ssim"))
    if missing:
        raise MachineError(
            f"This FFmpeg lacks the {' and the '.join(missing)}",
            where=str(ffmpeg.path),
            why="it was built without what scoring needs",
            hint="Leave out --ffmpeg and ENCODER_FFMPEG to use the FFmpeg that came with the "
            "install, which has it, or ask for no scores with --score none",
        )


def _batches(distorted: Sequence[Distorted], conform: Conform) -> Iterator[Sequence[Distorted]]:
    size = max(1, min(_BATCH, _BATCH_PIXELS // (conform.width * conform.height)))
    for start in range(0, len(distorted), size):
        yield distorted[start : start + size]


def _share(
    on_progress: Callable[[int], None] | None, batch: int, batches: int, frames: int
) -> Callable[[Progress], None] | None:
    """Progress over all batches, as frames of the title."""
    if on_progress is None:
        return None
    return lambda progress: on_progress(
        min(frames, (batch * frames + min(progress.frame, frames)) // batches)
    )


def _measure_batch(
    settings: _Run,
    batch: Sequence[Distorted],
    into: Path,
    on_progress: Callable[[Progress], None] | None,
) -> list[RenditionScore]:
    with tempfile.TemporaryDirectory(prefix=".score-", dir=into) as name:
        folder = Path(name)
        try:
            run(settings.ffmpeg, _command(settings, batch), folder=folder, on_progress=on_progress)
        except ProcessFailed as failure:
            raise _explain(settings, failure) from failure
        return [_read(settings, number, one, folder, into) for number, one in enumerate(batch)]


def _explain(settings: _Run, failure: ProcessFailed) -> MachineError | MeasureError:
    if any("could not load libvmaf model" in line for line in failure.tail):
        return MachineError(
            "This FFmpeg's libvmaf lacks the model",
            where=settings.model,
            hint=f"Use {DEFAULT_MODEL}, or another FFmpeg",
        )
    return MeasureError(
        "The measurement failed",
        where=str(settings.master.path),
        why=f"{failure.describe_code()}: {failure.reason}",
        hint="Run `encoder doctor`; with -v the whole command and its messages are shown",
    )


def _command(settings: _Run, batch: Sequence[Distorted]) -> list[str]:
    """The arguments of a run; logs are named by a rendition's number in the batch."""
    conform, every = settings.conform, settings.every
    reference = _indexed(open_master(settings.master.path, conform), conform)
    pictures = _counted(reference, _REFERENCE_COUNT).filter_multi_output("split", 3 * len(batch))
    # A thread of libvmaf costs about 90 MB at 1080p: no more of them than processors to serve.
    vmaf_threads = -(-settings.threads // len(batch))
    outputs = []
    for number, one in enumerate(batch):
        for_vmaf, for_psnr, for_ssim = (pictures[3 * number + i] for i in range(3))
        # Counted here: filters of two inputs go on to the end of the longer one, repeating the
        # last picture of the other.
        rendition = _counted(_distorted(one, conform), _count_log(number))
        sides = rendition.filter_multi_output("split", 2)
        scored = graph.filter(
            [sides[0], for_vmaf],
            "libvmaf",
            model=f"version={settings.model}",
            log_fmt="csv",
            log_path=_vmaf_log(number),
            n_threads=vmaf_threads,
            n_subsample=every,
        )
        compared = graph.filter([_sampled(sides[1], every), _sampled(for_psnr, every)], "psnr")
        compared = graph.filter([compared, _sampled(for_ssim, every)], "ssim")
        compared = compared.filter("metadata", mode="print", file=_picture_log(number))
        outputs += [_sink(scored), _sink(compared)]
    return arguments(graph.merge_outputs(*outputs))


_REFERENCE_COUNT = "reference.txt"


def _vmaf_log(number: int) -> str:
    return f"vmaf-{number}.csv"


def _picture_log(number: int) -> str:
    return f"pictures-{number}.txt"


def _count_log(number: int) -> str:
    return f"distorted-{number}.txt"


def _distorted(one: Distorted, conform: Conform) -> Stream:
    """The pictures of a rendition as large as the reference's."""
    stream = _signalled(open_file(one.path), conform)
    stream = stream.filter("scale", conform.width, conform.height, flags=SCALE_FLAGS)
    return _indexed(stream, conform)


def _indexed(stream: Stream, conform: Conform) -> Stream:
    """The pictures in the reference's format, each at the time that is its index."""
    stream = _signalled(stream.filter("format", conform.pixel_format), conform)
    rate = conform.frame_rate
    return stream.filter("settb", rate_text(1 / rate)).filter("setpts", "N")


def _signalled(stream: Stream, conform: Conform) -> Stream:
    """The pictures with the reference's colour signalled, their code values untouched.

    Filters with two inputs make FFmpeg convert one to the matrix that the other signals, and an
    untagged stream counts as different: its pictures would be altered before they are compared.
    """
    colour = conform.colour
    return stream.filter(
        "setparams",
        colorspace=colour.matrix,
        color_primaries=colour.primaries,
        color_trc=colour.transfer,
        range=colour.range,
    )


def _sampled(stream: Stream, every: int) -> Stream:
    return stream if every == 1 else stream.filter("select", f"not(mod(n,{every}))")


def _counted(stream: Stream, name: str) -> Stream:
    """Writes a line about each frame into a file; only frames that have metadata get one."""
    marked = stream.filter("metadata", mode="add", key="encoder.frame", value="1")
    return marked.filter("metadata", mode="print", file=name)


def _sink(stream: Stream) -> Stream:
    return stream.output("-", f="null", fps_mode="passthrough")


def _read(settings: _Run, number: int, one: Distorted, folder: Path, into: Path) -> RenditionScore:
    expected = settings.analysis.frames
    _check_count(
        str(settings.master.path),
        "The master gave other frames than when it was analysed",
        f"the analysis found {expected} frames, this time there were ",
        count_frames(folder / _REFERENCE_COUNT),
        expected,
    )
    _check_count(
        one.id,
        "A rendition does not have the master's frames",
        f"the master has {expected} frames, the rendition ",
        count_frames(folder / _count_log(number)),
        expected,
    )
    vmaf = read_vmaf(folder / _vmaf_log(number))
    pictures = read_pictures(folder / _picture_log(number))
    frames = np.arange(0, expected, settings.every, dtype=np.int32)
    for name, found in (("VMAF", vmaf.frame), ("PSNR and SSIM", pictures.frame)):
        if not np.array_equal(found, frames):
            raise MeasureError(
                f"{name} was not measured on the frames it should have been",
                where=one.id,
                why=f"{frames.size} frames were to be scored, {found.size} are in the log, or "
                "they are other ones",
            )
    values = {
        "vmaf": vmaf.vmaf,
        "psnr_y": pictures.psnr_y,
        "psnr_u": pictures.psnr_u,
        "psnr_v": pictures.psnr_v,
        "ssim": pictures.ssim,
    }
    return rendition_score(
        one.id,
        settings.conform,
        settings.analysis.shots,
        frames,
        values,
        into,
        every=settings.every,
        model=settings.model,
    )


def _check_count(where: str, what: str, why: str, found: int, expected: int) -> None:
    if found != expected:
        raise MeasureError(
            what,
            where=where,
            why=f"{why}{found}",
            hint="Scores of misaligned frames would be worthless: encode this rendition again, "
            "and run `encoder probe` on the master if it happens again",
        )
