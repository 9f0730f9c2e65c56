"""Trials: cheap encodes of part of the title, measured as they are made, without files.

One FFmpeg process a resolution scales the sample once, encodes it at several CRFs, decodes each
encode again through a loopback decoder and scores it against the sample at the master's display
resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from encoder.codecs import Codec, EncodeSettings
from encoder.encode.keyframes import force_key_frames
from encoder.errors import MachineError, MeasureError
from encoder.ffmpeg.graph import arguments, file_url, open_master, rate_text
from encoder.ffmpeg.locate import Ffmpeg, capabilities
from encoder.ffmpeg.process import PROTOCOLS, Cancellation, ProcessFailed, run
from encoder.ladder.sample import Window
from encoder.media.conform import Conform
from encoder.media.ladder import RateQualityPoint
from encoder.media.master import Master
from encoder.score.logs import VmafLog, read_vmaf
from encoder.score.measure import SCALE_FLAGS

# An encoder and its measurement hold some hundred pictures for lookahead and threads: 1.4 GB for
# four at 720p. So many pixels are encoded at a time, in pictures of the master's size.
_PIXELS_PER_PROCESS = 5 * 1280 * 720
_ENCODES_PER_PROCESS = 4


@dataclass(frozen=True, slots=True)
class TrialSettings:
    """How the trials are made: the preset, the model, and every how many frames VMAF is taken."""

    preset: str
    gop_frames: int
    vmaf_model: str
    every: int
    threads: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A measured encode of the sample: bits and mean VMAF of each window."""

    width: int
    height: int
    crf: float
    bits: tuple[int, ...]
    vmaf: tuple[float, ...]


def extract_sample(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    windows: Sequence[Window],
    into: Path,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> Path:
    """The windows' reference pictures, one after the other, in a lossless file ``sample.mkv``.

    Raises:
        MeasureError: when FFmpeg fails, for which a damaged master is the likeliest reason.
    """
    wanted = "+".join(f"between(n,{w.frames.start},{w.frames.end - 1})" for w in windows)
    stream = (
        open_master(master.path, conform)
        .filter("select", wanted)
        .filter("setpts", f"N/({rate_text(conform.frame_rate)}*TB)")
    )
    count = sum(len(window.frames) for window in windows)
    path = into / "sample.mkv"
    output = stream.output(
        f"file:{path.name}",
        **{"c:v": "libx264", "qp": 0, "preset": "ultrafast", "g": 12, "frames:v": count},
        fps_mode="passthrough",
    )
    try:
        run(
            ffmpeg,
            arguments(output),
            folder=into,
            on_progress=None if on_progress is None else lambda p: on_progress(p.frame),
        )
    except ProcessFailed as failure:
        raise MeasureError(
            "The sample for the trials could not be taken",
            where=str(master.path),
            why=failure.reason,
            hint="Check the master with `encoder analyze`",
        ) from failure
    return path


def run_trials(
    ffmpeg: Ffmpeg,
    sample: Path,
    conform: Conform,
    windows: Sequence[Window],
    codec: Codec,
    plan: Sequence[tuple[int, int, tuple[float, ...]]],
    settings: TrialSettings,
    folder: Path,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Trial, ...]:
    """Encodes and scores the sample.

    Args:
        ffmpeg: the program.
        sample: from :func:`extract_sample`.
        conform: what the reference pictures are.
        windows: what the sample consists of.
        codec: what is tried.
        plan: width, height and CRFs of each resolution.
        settings: preset and measuring.
        folder: for logs; emptied by whoever made it.
        on_progress: called with the number of trials done.

    Raises:
        MachineError: when FFmpeg lacks the encoder, libvmaf or loopback decoders.
        MeasureError: when an encode or its measurement fails.
    """
    require(ffmpeg, codec)
    at_once = _PIXELS_PER_PROCESS // (conform.width * conform.height)
    at_once = max(1, min(_ENCODES_PER_PROCESS, at_once))
    tasks = [
        (width, height, crfs[i : i + at_once])
        for width, height, crfs in plan
        for i in range(0, len(crfs), at_once)
    ]
    trials: list[Trial] = []
    cancellation = Cancellation()
    with ThreadPoolExecutor(max_workers=settings.jobs) as pool:
        running = [
            pool.submit(
                _try_resolution,
                ffmpeg,
                sample,
                conform,
                windows,
                codec,
                task,
                settings,
                folder,
                cancellation,
            )
            for task in tasks
        ]
        try:
            for future in running:
                trials += future.result()
                if on_progress is not None:
                    on_progress(len(trials))
        except BaseException:
            for future in running:
                future.cancel()
            cancellation.cancel()
            raise
    return tuple(trials)


def require(ffmpeg: Ffmpeg, codec: Codec) -> None:
    """Checks that trials can be made.

    Raises:
        MachineError: naming what the FFmpeg lacks.
    """
    able = capabilities(ffmpeg)
    missing = able.missing(encoders=(codec.encoder,), filters=("libvmaf",))
    if not able.loopback_decoders:
        missing.append("loopback decoders (FFmpeg 7 or later)")
    if missing:
        raise MachineError(
            f"This FFmpeg lacks {', '.join(missing)}",
            where=str(ffmpeg.path),
            hint="Leave out --ffmpeg and ENCODER_FFMPEG to use the FFmpeg that came with the "
            "install; `encoder doctor` tells what each can do",
        )


def _try_resolution(
    ffmpeg: Ffmpeg,
    sample: Path,
    conform: Conform,
    windows: Sequence[Window],
    codec: Codec,
    task: tuple[int, int, tuple[float, ...]],
    settings: TrialSettings,
    folder: Path,
    cancellation: Cancellation,
) -> list[Trial]:
    width, height, crfs = task
    names = [f"{width}x{height}-{n}-{crf:g}" for n, crf in enumerate(crfs)]
    command = _command(sample, conform, windows, codec, task, settings, names)
    try:
        run(ffmpeg, command, folder=folder, cancellation=cancellation)
        starts = _starts(windows)
        return [
            Trial(
                width,
                height,
                crf,
                window_bits((folder / f"{name}.size").read_text(), starts),
                window_means(read_vmaf(folder / f"{name}.csv"), starts),
            )
            for crf, name in zip(crfs, names, strict=True)
        ]
    except ProcessFailed as failure:
        raise MeasureError(
            "A trial encode failed",
            where=f"{codec.encoder} at {width}x{height}",
            why=f"{failure.describe_code()}: {failure.reason}",
            hint="Run `encoder doctor`",
        ) from failure


def _command(
    sample: Path,
    conform: Conform,
    windows: Sequence[Window],
    codec: Codec,
    task: tuple[int, int, tuple[float, ...]],
    settings: TrialSettings,
    names: Sequence[str],
) -> list[str]:
    # ffmpeg-python cannot say -dec, so this command is written out.
    width, height, crfs = task
    count = len(crfs)
    references = "".join(f"[r{n}]" for n in range(count))
    encodes = "".join(f"[e{n}]" for n in range(count))
    scale = f"scale={width}:{height}:flags=lanczos+accurate_rnd"
    if (width, height) == (conform.width, conform.height):
        scale = "null"
    command = ["-protocol_whitelist", PROTOCOLS, "-i", file_url(sample), "-filter_complex"]
    command.append(
        f"[0:v]split={count + 1}[s]{references};[s]{scale},split={count}{encodes}"
        if count > 1
        else f"[0:v]split=2[s]{references};[s]{scale}{encodes}"
    )
    forced = force_key_frames(_starts(windows)[:-1], conform.frame_rate)
    for n, crf in enumerate(crfs):
        encode = EncodeSettings(
            frame_rate=conform.frame_rate,
            width=width,
            height=height,
            preset=settings.preset,
            gop_frames=settings.gop_frames,
            crf=crf,
        )
        command += ["-map", f"[e{n}]"]
        for key, value in codec.options(encode).items():
            command += [f"-{key}", str(value)]
        command += ["-force_key_frames", forced, "-fps_mode", "passthrough"]
        command += ["-stats_enc_post:v", f"{names[n]}.size", "-stats_enc_post_fmt:v", "{size}"]
        command += ["-f", "null", "-"]
    clock = f"settb=1/{conform.frame_rate.numerator},setpts=N*{conform.frame_rate.denominator}"
    chains = []
    for n in range(count):
        chains.append(
            f"[dec:{n}]scale={conform.width}:{conform.height}:flags={SCALE_FLAGS},{clock}[d{n}];"
            f"[r{n}]{clock}[c{n}];"
            f"[d{n}][c{n}]libvmaf=model=version={settings.vmaf_model}"
            f":log_path={names[n]}.csv:log_fmt=csv"
            f":n_threads={settings.threads}:n_subsample={settings.every}[q{n}]"
        )
        command += ["-dec", f"{n}:0"]
    command += ["-filter_complex", ";".join(chains)]
    for n in range(count):
        command += ["-map", f"[q{n}]", "-f", "null", "-"]
    return command


def _starts(windows: Sequence[Window]) -> list[int]:
    """Where each window starts in the sample, and the sample's end."""
    starts = [0]
    for window in windows:
        starts.append(starts[-1] + len(window.frames))
    return starts


def window_bits(sizes: str, starts: Sequence[int]) -> tuple[int, ...]:
    """Bits of each window, from one line of packet size in bytes a frame, in coding order.

    Windows are closed groups of pictures, so that coding order does not leave them.

    Raises:
        MeasureError: when there are not as many packets as frames.
    """
    values = np.array([int(line) for line in sizes.split()], dtype=np.int64)
    if len(values) != starts[-1]:
        raise MeasureError(
            "A trial encode does not have the frames of its sample",
            why=f"{starts[-1]} frames went in and {len(values)} came out",
        )
    return tuple(int(part.sum()) * 8 for part in np.split(values, starts[1:-1]))


def window_means(log: VmafLog, starts: Sequence[int]) -> tuple[float, ...]:
    """Mean of each window's scored frames.

    The first frame of a window is left out where others were scored: VMAF's motion there is that
    of a cut which the title does not have.
    """
    frames, values = log.frame, log.vmaf
    means = []
    for start, end in pairwise(starts):
        inside = (frames >= start) & (frames < end)
        later = inside & (frames > start)
        chosen = later if later.any() else inside
        if not chosen.any():
            # Shorter than the distance of scored frames: the nearest one speaks for it.
            chosen = np.abs(frames - start) == np.abs(frames - start).min()
        means.append(float(values[chosen].mean()))
    return tuple(means)


def title_point(trial: Trial, windows: Sequence[Window], frame_rate: float) -> RateQualityPoint:
    """What a trial says of the whole title: its windows weighted by what they stand for."""
    represented = np.array([w.represents for w in windows], dtype=np.float64)
    lengths = np.array([len(w.frames) for w in windows], dtype=np.float64)
    weights = represented / represented.sum()
    rate = float((weights * np.array(trial.bits) / lengths).sum()) * frame_rate
    vmaf = float((weights * np.array(trial.vmaf)).sum())
    return RateQualityPoint(trial.width, trial.height, trial.crf, max(1, round(rate)), vmaf)
