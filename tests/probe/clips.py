"""Small masters with known content, and what comes out of their conforming."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from encoder.ffmpeg.graph import arguments, open_master
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import run, stream
from encoder.media.colour import BT709
from encoder.media.conform import Conform
from encoder.media.master import Master, VideoStream
from encoder.probe.conform import decide_conform
from encoder.probe.probe import probe

Pictures = npt.NDArray[np.uint8]

LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")

PLAIN = VideoStream(
    index=0,
    codec="h264",
    profile="High",
    width=1920,
    height=1080,
    sample_aspect=Fraction(1),
    rotation=0,
    mirrored=False,
    frame_rate=Fraction(24),
    average_frame_rate=Fraction(24),
    cadence="constant",
    frames=240,
    start=Fraction(0),
    duration=Fraction(10),
    field_order="progressive",
    scan="progressive",
    pixel_format="yuv420p",
    bit_depth=8,
    colour=BT709,
    hdr=None,
    bitrate=5_000_000,
    timecode=None,
    language=None,
    disposition=("default",),
)


def master_of(video: VideoStream) -> Master:
    """A master with that video and nothing else."""
    return Master(
        path=Path("film.mov"),
        digest="0" * 64,
        size=1000,
        container="mov",
        start=Fraction(0),
        duration=video.duration,
        bitrate=None,
        video=video,
        other_video=(),
        audio=(),
        text=(),
        other=(),
        chapters=(),
        tags=(),
        defects=(),
    )


def plain(**changes: object) -> Master:
    """A master that needs no conforming, except for the changes."""
    return master_of(replace(PLAIN, **changes))  # type: ignore[arg-type]


def make(ffmpeg: Ffmpeg, path: Path, *options: str) -> Path:
    """Runs FFmpeg with the options, the path last."""
    run(ffmpeg, [*options, f"file:{path}"])
    return path


def numbered(
    size: str = "64x48", rate: str = "25", frames: int = 50, pixel_format: str = "yuv420p"
) -> tuple[str, ...]:
    """Input options for pictures whose luma is 20 plus their number."""
    graph = f"color=s={size}:r={rate},format={pixel_format},geq=lum='20+N':cb=128:cr=128"
    return ("-f", "lavfi", "-i", f"{graph},trim=end_frame={frames}")


def conformed(
    ffmpeg: Ffmpeg, path: Path, *, max_frame_rate: Fraction | None = None
) -> tuple[Master, Conform, Pictures]:
    """A master, its conform, and the luma of its reference pictures (frames, height, width)."""
    master = probe(path, ffmpeg)
    conform = decide_conform(master, max_frame_rate=max_frame_rate)
    return master, conform, luma(ffmpeg, path, conform)


def luma(ffmpeg: Ffmpeg, path: Path, conform: Conform) -> Pictures:
    """The luma of a master's reference pictures."""
    return planes(ffmpeg, path, conform)[0]


def planes(ffmpeg: Ffmpeg, path: Path, conform: Conform) -> tuple[Pictures, Pictures, Pictures]:
    """The Y, U and V planes of a master's reference pictures."""
    output = open_master(path, conform).output("pipe:1", f="rawvideo", fps_mode="passthrough")
    with stream(ffmpeg, arguments(output)) as running:
        data = running.stdout.read()
        running.finish()
    width, height = conform.width, conform.height
    pictures = np.frombuffer(data, np.uint8).reshape(-1, width * height * 3 // 2)
    size, quarter = width * height, width * height // 4
    return (
        pictures[:, :size].reshape(-1, height, width),
        pictures[:, size : size + quarter].reshape(-1, height // 2, width // 2),
        pictures[:, size + quarter :].reshape(-1, height // 2, width // 2),
    )


def numbers(pictures: Pictures) -> list[int]:
    """The numbers of :func:`numbered` pictures."""
    return [round(float(picture.mean())) - 20 for picture in pictures]
