"""Small masters of different content, and the values that describe them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.media.colour import BT709
from encoder.media.conform import Conform, Filter
from encoder.media.frames import FrameRange
from encoder.media.master import Master, VideoStream
from encoder.media.shots import Analysis, Complexity, Shot

WIDTH, HEIGHT = 320, 180
FRAMES = 12
RATE = Fraction(24000, 1001)

SOURCES = {
    "detail": "testsrc2=s=320x180:r=24000/1001",
    "fractal": "mandelbrot=s=320x180:r=24000/1001",
    "grain": "mandelbrot=s=320x180:r=24000/1001,noise=alls=30:allf=t:all_seed=7",
    "flat": "smptebars=s=320x180:r=24000/1001",
    # Its colours are given: those that are not are drawn anew in each run, whatever the seed.
    "gradient": "gradients=s=320x180:r=24000/1001:seed=1:speed=0.05:n=4"
    ":c0=0x102a54:c1=0xc08040:c2=0x2f5f9f:c3=0xe8e0d0",
}


def make_master(path: Path, source: str, frames: int = FRAMES) -> Path:
    """A lossless master, tagged BT.709."""
    picture = ["-frames:v", str(frames), "-vf", _TAGGED, "-c:v", "ffv1"]
    run(locate(), ["-f", "lavfi", "-i", source, *picture, path.name], folder=path.parent)
    return path


_TAGGED = (
    "format=yuv420p,setparams=range=limited:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)


def encode(master: Path, name: str, *options: str) -> Path:
    """A rendition beside its master: ``-crf``, ``-vf`` and so on."""
    path = master.with_name(name)
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1"]
    run(locate(), ["-i", master.name, *codec, *options, path.name], folder=path.parent)
    return path


def describe(path: Path, frames: int = FRAMES) -> Master:
    """What a probe would say of such a master."""
    video = VideoStream(
        index=0,
        codec="ffv1",
        profile="",
        width=WIDTH,
        height=HEIGHT,
        sample_aspect=Fraction(1),
        rotation=0,
        mirrored=False,
        frame_rate=RATE,
        average_frame_rate=RATE,
        cadence="constant",
        frames=frames,
        start=Fraction(0),
        duration=frames / RATE,
        field_order="progressive",
        scan="progressive",
        pixel_format="yuv420p",
        bit_depth=8,
        colour=BT709,
        hdr=None,
        bitrate=None,
        timecode=None,
        language=None,
        disposition=(),
    )
    return Master(
        path=path,
        digest="0" * 64,
        size=path.stat().st_size,
        container="matroska",
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


def conform(*filters: Filter) -> Conform:
    """Reference pictures of the scenes' size and rate."""
    return Conform(
        stream_index=0,
        input_options=(),
        filters=filters,
        width=WIDTH,
        height=HEIGHT,
        frame_rate=RATE,
        colour=BT709,
        pixel_format="yuv420p",
        audio_offset=Fraction(0),
        tone_mapped=False,
        changes=(),
    )


def analysis(frames: int = FRAMES, cuts: Sequence[int] = ()) -> Analysis:
    """Shots between these cuts."""
    shots = tuple(
        Shot(FrameRange(start, end), True, Complexity(0, 0, 0, 0, 0, ()))
        for start, end in pairwise([0, *cuts, frames])
    )
    return Analysis(frames, RATE, shots)


def planes(path: Path) -> list[tuple[NDArray[np.uint8], ...]]:
    """The Y, U and V planes of every frame of a file in yuv420p, decoded without FFmpeg's CLI."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.format.name == "yuv420p"
            found.append(
                tuple(
                    np.frombuffer(bytes(p), dtype=np.uint8)
                    .reshape(p.height, p.line_size)[:, : p.width]
                    .copy()
                    for p in frame.planes
                )
            )
    return found
