"""Trials: cheap encodes of parts of shots, measured as they are made, without files.

A sample holds windows of consecutive frames, each in a file. One FFmpeg process takes a few of
them, scales each to a resolution, encodes it, decodes the encode again through a loopback decoder
and scores it against the window at the master's display resolution.

Every window has an encoder of its own. x264 derives the quantizer of an IDR picture from those of
the pictures before it: of a window that follows another, it is the other's. At CRF 37 after one at
CRF 19, a window of 13 frames had five times the bits, and 21 VMAF more; at the same CRF, a quarter
more bits in its first picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from encoder.codecs import Codec, EncodeSettings
from encoder.encode.keyframes import force_key_frames
from encoder.errors import MachineError, MeasureError
from encoder.ffmpeg.graph import TIMELESS, arguments, file_url, open_master, rate_text
from encoder.ffmpeg.locate import Ffmpeg, capabilities
from encoder.ffmpeg.process import PROTOCOLS, Cancellation, ProcessFailed, run
from encoder.ladder.sample import Window
from encoder.media.conform import Conform
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
    max_level: str | None = None


@dataclass(frozen=True, slots=True)
class Encode:
    """One encode of a window of the sample, which is an index into its windows."""

    width: int
    height: int
    window: int
    crf: float


def extract_sample(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    windows: Sequence[Window],
    into: Path,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Path, ...]:
    """The windows' reference pictures, in a lossless file for each.

    Raises:
        MeasureError: when FFmpeg fails, for which a damaged master is the likeliest reason.
    """
    # The windows follow each other in the title, and do not overlap.
    starts = _starts(windows)
    wanted = "+".join(f"between(n,{w.frames.start},{w.frames.end - 1})" for w in windows)
    stream = (
        open_master(master.path, conform)
        .filter("select", wanted)
        .filter("setpts", f"N/({rate_text(conform.frame_rate)}*TB)")
    )
    options: dict[str, object] = {
        # Decoded by every trial: in a third of the time that lossless H.264 takes.
        "c:v": "utvideo" if conform.pixel_format == "yuv420p" else "ffvhuff",
        "frames:v": starts[-1],
        "f": "segment",
        "segment_format": "matroska",
        "reset_timestamps": 1,
        # Of a single window there is nowhere to divide.
        "segment_frames": ",".join(str(start) for start in starts[1:-1]) or str(starts[-1]),
    }
    output = stream.output("sample-%06d.mkv", fps_mode="passthrough", **options)
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
    return tuple(into / f"sample-{number:06d}.mkv" for number in range(len(windows)))


def run_trials(
    ffmpeg: Ffmpeg,
    sample: Sequence[Path],
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
        sample: the windows' files, from :func:`extract_sample`.
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
    tasks = list(_tasks(encodes, at_once))
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


def _tasks(encodes: Sequence[Encode], at_once: int) -> Iterator[Sequence[Encode]]:
    """So many encodes share a process; those of a window are beside each other, to decode it once.

    As many processes are filled as evenly as may be.
    """
    ordered = sorted(encodes, key=lambda e: (e.window, -e.width * e.height, e.crf))
    count = -(-len(ordered) // at_once)
    for number in range(count):
        yield ordered[number * len(ordered) // count : (number + 1) * len(ordered) // count]


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
    sample: Sequence[Path],
    conform: Conform,
    windows: Sequence[Window],
    codec: Codec,
    task: Sequence[Encode],
    settings: TrialSettings,
    folder: Path,
    cancellation: Cancellation,
    name: str,
) -> list[Trial]:
    """One process."""
    command = _command(sample, conform, windows, codec, task, settings, name)
    try:
        run(ffmpeg, command, folder=folder, cancellation=cancellation)
    except ProcessFailed as failure:
        sizes = ", ".join(dict.fromkeys(f"{one.width}x{one.height}" for one in task))
        raise MeasureError(
            "A trial encode failed",
            where=f"{codec.encoder} at {sizes}",
            why=f"{failure.describe_code()}: {failure.reason}",
            hint="Run `encoder doctor`",
        ) from failure
    found = []
    for number, encode in enumerate(task):
        window = windows[encode.window]
        log = (folder / f"{name}-{number}.size").read_text()
        keys, key_bits, other_bits = window_bits(log, len(window.frames))
        found.append(
            Trial(
                shot=window.shot,
                start=window.frames.start,
                frames=len(window.frames),
                width=encode.width,
                height=encode.height,
                crf=encode.crf,
                key_frames=keys,
                key_bits=key_bits,
                other_bits=other_bits,
                vmaf=window_mean(read_vmaf(folder / f"{name}-{number}.csv")),
            )
        )
    return found


def _command(
    sample: Sequence[Path],
    conform: Conform,
    windows: Sequence[Window],
    codec: Codec,
    task: Sequence[Encode],
    settings: TrialSettings,
    name: str,
) -> list[str]:
    # ffmpeg-python cannot say -dec, so this command is written out.
    inputs = list(dict.fromkeys(encode.window for encode in task))
    command: list[str] = []
    for window in inputs:
        command += ["-protocol_whitelist", PROTOCOLS, "-i", file_url(sample[window])]
    chains = []
    for place, window in enumerate(inputs):
        its = [n for n, encode in enumerate(task) if encode.window == window]
        labels = "".join(f"[s{n}][r{n}]" for n in its)
        chains.append(f"[{place}:v]split={2 * len(its)}{labels}")
    for n, encode in enumerate(task):
        scale = f"scale={encode.width}:{encode.height}:flags=lanczos+accurate_rnd"
        if (encode.width, encode.height) == (conform.width, conform.height):
            scale = "null"
        chains.append(f"[s{n}]{scale}[e{n}]")
    command += ["-filter_complex", ";".join(chains)]
    for n, encode in enumerate(task):
        options = EncodeSettings(
            frame_rate=conform.frame_rate,
            width=encode.width,
            height=encode.height,
            preset=settings.preset,
            gop_frames=settings.gop_frames,
            crf=encode.crf,
            max_level=settings.max_level,
        )
        command += ["-map", f"[e{n}]"]
        for key, value in codec.options(options).items():
            command += [f"-{key}", str(value)]
        forced = force_key_frames(windows[encode.window].keys, conform.frame_rate)
        command += ["-force_key_frames", forced, "-fps_mode", "passthrough"]
        command += ["-stats_enc_post:v", f"{name}-{n}.size"]
        command += ["-stats_enc_post_fmt:v", "{size} {key}", "-f", "null", "-"]
    clock = f"settb=1/{conform.frame_rate.numerator},setpts=N*{conform.frame_rate.denominator}"
    for n in range(len(task)):
        command += ["-dec", f"{n}:0", "-filter_complex"]
        command.append(
            f"[dec:{n}]scale={conform.width}:{conform.height}:flags={SCALE_FLAGS},{clock}[d{n}];"
            f"[r{n}]{clock}[c{n}];"
            f"[d{n}][c{n}]libvmaf=model=version={settings.vmaf_model}"
            f":log_path={name}-{n}.csv:log_fmt=csv"
            f":n_threads={settings.threads}:n_subsample={settings.every},{TIMELESS}[q{n}]"
        )
        command += ["-map", f"[q{n}]", "-f", "null", "-"]
    return command


def _starts(windows: Sequence[Window]) -> list[int]:
    """Where each window starts in the sample, and the sample's end."""
    starts = [0]
    for window in windows:
        starts.append(starts[-1] + len(window.frames))
    return starts


def window_bits(log: str, frames: int) -> tuple[int, int, int]:
    """IDR pictures, their bits and those of all others.

    Args:
        log: a line a packet in coding order: its size in bytes, and K for an IDR picture, else N.
        frames: how many there were to encode.

    Raises:
        MeasureError: when there are not as many packets as frames.
    """
    lines = [line.split() for line in log.splitlines() if line.strip()]
    if len(lines) != frames:
        raise MeasureError(
            "A trial encode does not have the frames of its sample",
            why=f"{frames} frames went in and {len(lines)} came out",
        )
    keys = [8 * int(size) for size, flag in lines if flag == "K"]
    return len(keys), sum(keys), sum(8 * int(size) for size, _ in lines) - sum(keys)


def window_mean(log: VmafLog) -> float:
    """Mean of the scored frames.

    The first frame of a window is left out where others were scored: it has no motion, as if it
    were a still.
    """
    values = log.vmaf[log.frame > 0] if (log.frame > 0).any() else log.vmaf
    return float(values.mean())
