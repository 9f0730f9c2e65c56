"""Small lossless masters made of known pictures, and the values that describe them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from encoder.media.colour import BT709
from encoder.media.conform import Conform, Filter
from encoder.media.master import Master, VideoStream

WIDTH, HEIGHT = 320, 192
RATE = Fraction(24)

# Of shape (3, height, width): Y, U and V, all at full size.
Picture = NDArray[np.float64]
Pictures = list[Picture]


def scene(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """A picture of nothing in particular: smooth shapes, finer detail, some colour."""
    random = np.random.default_rng(seed)

    def field(size: int, depth: float) -> NDArray[np.float64]:
        grid = random.normal(0, depth, (height // size + 2, width // size + 2))
        values: NDArray[np.float64] = zoom(grid, size, order=1)[:height, :width]
        return values

    luma = random.uniform(90, 150) + field(48, 40) + field(12, 10) + field(3, 5)
    return np.stack(
        [
            np.clip(luma, 20, 230),
            np.clip(random.uniform(110, 146) + field(48, 12), 16, 240),
            np.clip(random.uniform(110, 146) + field(48, 12), 16, 240),
        ]
    )


def flat(luma: float, u: float = 128, v: float = 128) -> Picture:
    """One colour."""
    return np.stack([np.full((HEIGHT, WIDTH), value, np.float64) for value in (luma, u, v)])


BLACK = flat(16)
WHITE = flat(235)


def still(picture: Picture, frames: int) -> Pictures:
    """A picture that stands still."""
    return [picture] * frames


def pan(seed: int, frames: int, speed: int) -> Pictures:
    """A camera that pans by so many pixels a frame."""
    wide = scene(seed, WIDTH + frames * speed, HEIGHT)
    return [wide[:, :, i * speed : i * speed + WIDTH] for i in range(frames)]


def mix(a: Picture, b: Picture, frames: int) -> Pictures:
    """A dissolve from one picture to another; neither is in it."""
    return [a + (b - a) * (i + 1) / (frames + 1) for i in range(frames)]


def write(path: Path, pictures: Sequence[Picture], rate: Fraction = RATE) -> Path:
    """A lossless file of these pictures."""
    _, height, width = pictures[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            y, u, v = np.clip(np.round(picture), 0, 255).astype(np.uint8)
            planes = [p.reshape(-1) for p in (y, u[::2, ::2], v[::2, ::2])]
            stacked = np.concatenate(planes).reshape(-1, width)
            frame = av.VideoFrame.from_ndarray(stacked, format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def conform(
    *filters: Filter, size: tuple[int, int] = (WIDTH, HEIGHT), rate: Fraction = RATE
) -> Conform:
    """Reference pictures as they lie in the file."""
    return Conform(
        stream_index=0,
        input_options=(),
        filters=filters,
        width=size[0],
        height=size[1],
        frame_rate=rate,
        colour=BT709,
        pixel_format="yuv420p",
        audio_offset=Fraction(0),
        tone_mapped=False,
        changes=(),
    )


def describe(path: Path) -> Master:
    """A master of which analysis only asks where it is."""
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
        frames=0,
        start=Fraction(0),
        duration=Fraction(0),
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
        size=0,
        container="matroska",
        start=Fraction(0),
        duration=Fraction(0),
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
