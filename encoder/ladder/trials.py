"""Trials: cheap encodes of parts of shots, measured as they are made, without files.

A sample holds windows of consecutive frames, one after the other. One FFmpeg process scales it to a
resolution, encodes it (each window at its own CRF), decodes the encode again through a loopback
decoder and scores it against the sample at the master's display resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from encoder.codecs import Codec, CrfZone, EncodeSettings
from encoder.encode.keyframes import force_key_frames
from encoder.errors import MachineError, MeasureError
from encoder.ffmpeg.graph import arguments, file_url, open_master, rate_text
from encoder.ffmpeg.locate import Ffmpeg, capabilities
from encoder.ffmpeg.process import PROTOCOLS, Cancellation, ProcessFailed, run
from encoder.ladder.sample import Window
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.ladder import Trial
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
class Encode:
    """One encode of some windows of the sample, each at a CRF of its own.

    ``windows`` are indices into the sample's windows, ascending; ``crfs`` has as many.
    """

    width: int
    height: int
    windows: tuple[int, ...]
    crfs: tuple[float, ...]


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
    encodes: Sequence[Encode],
    settings: TrialSettings,
    folder: Path,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Trial, ...]:
    """Encodes and scores windows of the sample.

    Args:
        ffmpeg: the program.
        sample: from :func:`extract_sample`.
        conform: what the reference pictures are.
        windows: what the sample consists of.
        codec: what is tried.
        encodes: what to encode.
        settings: preset and measuring.
        folder: for logs; emptied by whoever made it.
        on_progress: called with the number of encodes done.

    Raises:
        MachineError: when FFmpeg lacks the encoder, libvmaf or loopback decoders.
        MeasureError: when an encode or its measurement fails.
    """
    require(ffmpeg, codec)
    at_once = _PIXELS_PER_PROCESS // (conform.width * conform.height)
    at_once = max(1, min(_ENCODES_PER_PROCESS, at_once))
    tasks = list(_tasks(encodes, codec, at_once))
    trials: list[Trial] = []
    done = 0
    cancellation = Cancellation()
    with ThreadPoolExecutor(max_workers=settings.jobs) as pool:
        running = [
            pool.submit(
                _run_task,
                ffmpeg,
                sample,
                conform,
                windows,
                codec,
                task,
                settings,
                folder,
                cancellation,
                f"{number}",
            )
            for number, task in enumerate(tasks)
        ]
        try:
            for task, future in zip(tasks, running, strict=True):
                trials += future.result()
                done += len(task)
                if on_progress is not None:
                    on_progress(done)
        except BaseException:
            for future in running:
                future.cancel()
            cancellation.cancel()
            raise
    return tuple(trials)


def _tasks(encodes: Sequence[Encode], codec: Codec, at_once: int) -> Iterator[list[Encode]]:
    """Encodes of the same windows at the same size share a process, so many of them at once."""
    groups: dict[tuple[int, int, tuple[int, ...]], list[Encode]] = {}
    for encode in encodes:
        for part in [encode] if codec.varies_crf else _by_crf(encode):
            groups.setdefault((part.width, part.height, part.windows), []).append(part)
    for group in groups.values():
        for start in range(0, len(group), at_once):
            yield group[start : start + at_once]


def _by_crf(encode: Encode) -> list[Encode]:
    """The same as encodes of one CRF each, for an encoder that cannot change it midway."""
    found: dict[float, list[int]] = {}
    for window, crf in zip(encode.windows, encode.crfs, strict=True):
        found.setdefault(crf, []).append(window)
    return [
        Encode(encode.width, encode.height, tuple(windows), (crf,) * len(windows))
        for crf, windows in sorted(found.items())
    ]


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


def _run_task(
    ffmpeg: Ffmpeg,
    sample: Path,
    conform: Conform,
    windows: Sequence[Window],
    codec: Codec,
    task: Sequence[Encode],
    settings: TrialSettings,
    folder: Path,
    cancellation: Cancellation,
    name: str,
) -> list[Trial]:
    """One process: encodes of the same windows at the same size."""
    first = task[0]
    command = _command(sample, conform, windows, codec, task, settings, name)
    try:
        run(ffmpeg, command, folder=folder, cancellation=cancellation)
    except ProcessFailed as failure:
        raise MeasureError(
            "A trial encode failed",
            where=f"{codec.encoder} at {first.width}x{first.height}",
            why=f"{failure.describe_code()}: {failure.reason}",
            hint="Run `encoder doctor`",
        ) from failure
    chosen = [windows[i] for i in first.windows]
    starts = _starts(chosen)
    found = []
    for number, encode in enumerate(task):
        sizes = window_bits((folder / f"{name}-{number}.size").read_text(), starts)
        vmafs = window_means(read_vmaf(folder / f"{name}-{number}.csv"), starts)
        for window, crf, (keys, key_bits, other_bits), vmaf in zip(
            chosen, encode.crfs, sizes, vmafs, strict=True
        ):
            found.append(
                Trial(
                    shot=window.shot,
                    start=window.frames.start,
                    frames=len(window.frames),
                    width=encode.width,
                    height=encode.height,
                    crf=crf,
                    key_frames=keys,
                    key_bits=key_bits,
                    other_bits=other_bits,
                    vmaf=vmaf,
                )
            )
    return found


def _command(
    sample: Path,
    conform: Conform,
    windows: Sequence[Window],
    codec: Codec,
    task: Sequence[Encode],
    settings: TrialSettings,
    name: str,
) -> list[str]:
    # ffmpeg-python cannot say -dec, so this command is written out.
    first = task[0]
    width, height, count = first.width, first.height, len(task)
    references = "".join(f"[r{n}]" for n in range(count))
    encodes = "".join(f"[e{n}]" for n in range(count))
    scale = f"scale={width}:{height}:flags=lanczos+accurate_rnd"
    if (width, height) == (conform.width, conform.height):
        scale = "null"
    chosen = [windows[i] for i in first.windows]
    starts = _starts(chosen)
    source = "[0:v]" if len(chosen) == len(windows) else f"[0:v]{_selected(windows, first)},"
    command = ["-protocol_whitelist", PROTOCOLS, "-i", file_url(sample), "-filter_complex"]
    command.append(
        f"{source}split={count + 1}[s]{references};[s]{scale},split={count}{encodes}"
        if count > 1
        else f"{source}split=2[s]{references};[s]{scale}{encodes}"
    )
    keys = [
        start + key
        for start, window in zip(starts[:-1], chosen, strict=True)
        for key in window.keys
    ]
    forced = force_key_frames(keys, conform.frame_rate)
    for n, one in enumerate(task):
        encode = EncodeSettings(
            frame_rate=conform.frame_rate,
            width=width,
            height=height,
            preset=settings.preset,
            gop_frames=settings.gop_frames,
            crf=one.crfs[0],
            zones=_zones(one.crfs, starts),
        )
        command += ["-map", f"[e{n}]"]
        for key, value in codec.options(encode).items():
            command += [f"-{key}", str(value)]
        command += ["-force_key_frames", forced, "-fps_mode", "passthrough"]
        command += ["-stats_enc_post:v", f"{name}-{n}.size"]
        command += ["-stats_enc_post_fmt:v", "{size} {key}", "-f", "null", "-"]
    clock = f"settb=1/{conform.frame_rate.numerator},setpts=N*{conform.frame_rate.denominator}"
    chains = []
    for n in range(count):
        chains.append(
            f"[dec:{n}]scale={conform.width}:{conform.height}:flags={SCALE_FLAGS},{clock}[d{n}];"
            f"[r{n}]{clock}[c{n}];"
            f"[d{n}][c{n}]libvmaf=model=version={settings.vmaf_model}"
            f":log_path={name}-{n}.csv:log_fmt=csv"
            f":n_threads={settings.threads}:n_subsample={settings.every}[q{n}]"
        )
        command += ["-dec", f"{n}:0"]
    command += ["-filter_complex", ";".join(chains)]
    for n in range(count):
        command += ["-map", f"[q{n}]", "-f", "null", "-"]
    return command


def _selected(windows: Sequence[Window], encode: Encode) -> str:
    """The filters that leave only the windows of an encode, on a cadence without gaps."""
    starts = _starts(windows)
    wanted = "+".join(f"between(n,{starts[i]},{starts[i + 1] - 1})" for i in encode.windows)
    return f"select='{wanted}',setpts=N/FR/TB"


def _zones(crfs: Sequence[float], starts: Sequence[int]) -> tuple[CrfZone, ...]:
    """A zone for each window, where they differ."""
    if len(set(crfs)) == 1:
        return ()
    return tuple(
        CrfZone(FrameRange(start, end), crf)
        for crf, (start, end) in zip(crfs, pairwise(starts), strict=True)
    )


def _starts(windows: Sequence[Window]) -> list[int]:
    """Where each window starts in the sample, and the sample's end."""
    starts = [0]
    for window in windows:
        starts.append(starts[-1] + len(window.frames))
    return starts


def window_bits(log: str, starts: Sequence[int]) -> tuple[tuple[int, int, int], ...]:
    """IDR pictures, their bits and those of all others, for each window.

    Args:
        log: a line a packet in coding order: its size in bytes, and K for an IDR picture, else N.
            Windows are closed groups of pictures, so that coding order does not leave them.
        starts: where each window starts, and the end.

    Raises:
        MeasureError: when there are not as many packets as frames.
    """
    lines = [line.split() for line in log.splitlines() if line.strip()]
    if len(lines) != starts[-1]:
        raise MeasureError(
            "A trial encode does not have the frames of its sample",
            why=f"{starts[-1]} frames went in and {len(lines)} came out",
        )
    bits = np.array([8 * int(size) for size, _ in lines], dtype=np.int64)
    keys = np.array([flag == "K" for _, flag in lines])
    return tuple(
        (
            int(keys[start:end].sum()),
            int(bits[start:end][keys[start:end]].sum()),
            int(bits[start:end][~keys[start:end]].sum()),
        )
        for start, end in pairwise(starts)
    )


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
