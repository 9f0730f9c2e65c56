"""The two sides of a comparison: what is known of a file before it is decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av

from encoder.errors import MeasureError, RecordError
from encoder.media.colour import UNKNOWN, Colour, Range
from encoder.media.conform import Conform
from encoder.media.master import VideoStream


@dataclass(frozen=True, slots=True)
class Side:
    """A file and its pictures as they will be compared, before any scaling.

    ``width`` and ``height`` are those of the upright picture, ``frames`` how many the container
    promises (None: not known before the end, as on standard input). ``chroma`` is ``420``, ``422``,
    ``444``, ``gray`` or ``rgb``. ``conform`` is the chain that makes reference pictures of a
    master; without it, pictures are taken as they are decoded. ``start`` is the first picture's
    time in the file, in seconds, and ``uneven`` whether their times are not equally far apart.
    """

    name: str
    path: Path
    stream: int
    width: int
    height: int
    sample_aspect: Fraction
    rate: Fraction
    frames: int | None
    chroma: str
    depth: int
    colour: Colour
    interlaced: bool
    conform: Conform | None = None
    start: Fraction = Fraction(0)
    uneven: bool = False

    @property
    def aspect(self) -> Fraction:
        """Width over height as shown."""
        return Fraction(self.width, self.height) * self.sample_aspect


def file_side(name: str, path: Path, video: VideoStream) -> Side:
    """A file whose video stream was probed."""
    width, height = video.width, video.height
    aspect = video.sample_aspect
    if video.rotation in (90, 270):
        width, height, aspect = height, width, 1 / aspect
    chroma, depth = picture_layout(video.pixel_format)
    colour = video.colour
    if colour.range == "unknown" and video.pixel_format.startswith("yuvj"):
        colour = replace(colour, range="full")
    return Side(
        name,
        path,
        video.index,
        width,
        height,
        aspect or Fraction(1),
        video.frame_rate,
        video.frames,
        chroma,
        depth,
        colour,
        # Both must say so: fine moving detail can look like fields.
        video.scan == "interlaced" and video.field_order != "progressive",
        start=video.start,
        uneven=video.cadence == "variable",
    )


def conformed(side: Side, conform: Conform) -> Side:
    """The same file as reference pictures; how many there are is then known from decoding only."""
    chroma, depth = picture_layout(conform.pixel_format)
    return replace(
        side,
        width=conform.width,
        height=conform.height,
        sample_aspect=Fraction(1),
        rate=conform.frame_rate,
        frames=None,
        chroma=chroma,
        depth=depth,
        colour=conform.colour,
        interlaced=False,
        conform=conform,
        uneven=False,
    )


def picture_layout(pixel_format: str) -> tuple[str, int]:
    """The chroma (``420``, ``422``, ``444``, ``gray`` or ``rgb``) and bits of a pixel format.

    Raises:
        MeasureError: when nothing is known of the format.
    """
    try:
        form = av.VideoFormat(pixel_format, 64, 64)
    except ValueError as error:
        raise MeasureError(
            "The pixel format is not known", where=pixel_format, why=str(error)
        ) from error
    depth = max(component.bits for component in form.components)
    if form.is_rgb or form.has_palette:
        return "rgb", depth
    chroma = [c for c in form.components if c.plane and not c.is_luma and not c.is_alpha]
    chroma = chroma or [c for c in form.components if not c.is_luma and not c.is_alpha]
    if not chroma:
        return "gray", depth
    across, down = 64 // chroma[0].width, 64 // chroma[0].height
    return {(2, 2): "420", (2, 1): "422", (1, 1): "444"}.get((across, down), "rgb"), depth


def common_format(reference: Side, distorted: Side) -> str:
    """The planar format that both are brought to: the deeper of both, the reference's chroma."""
    depth = max(reference.depth, distorted.depth)
    depth = next(known for known in (8, 10, 12, 16) if depth <= known or known == 16)
    suffix = "" if depth == 8 else f"{depth}le"
    if reference.chroma == "gray":
        return f"gray{suffix}"
    return f"yuv{reference.chroma}p{suffix}"


_Y4M_CHROMA = {
    "420": ("420", 8), "420jpeg": ("420", 8), "420mpeg2": ("420", 8), "420paldv": ("420", 8),
    "422": ("422", 8), "444": ("444", 8), "mono": ("gray", 8),
}  # fmt: skip


def y4m_side(name: str, path: Path, header: bytes) -> Side:
    """What a YUV4MPEG2 header says; ``path`` is where the stream can be read, once.

    Raises:
        RecordError: when it is none.
    """
    words = header.decode("ascii", "replace").split()
    tags = {word[0]: word[1:] for word in words[1:] if word[0] != "X"}
    try:
        if words[:1] != ["YUV4MPEG2"]:
            raise ValueError("it does not begin with YUV4MPEG2")
        width, height = int(tags["W"]), int(tags["H"])
        rate = _ratio(tags["F"])
        aspect = _ratio(tags.get("A", "0:0").replace("0:0", "1:1"))
        layout = tags.get("C", "420jpeg")
        chroma, depth = _Y4M_CHROMA.get(layout) or _deep(layout)
        if width < 1 or height < 1 or rate <= 0 or aspect <= 0:
            raise ValueError("its size, rate or pixel aspect is not positive")
    except (ValueError, KeyError) as error:
        missing = isinstance(error, KeyError)
        raise RecordError(
            "Standard input is not a Y4M video",
            where=name,
            why=f"it has no {error.args[0]}" if missing else str(error),
            hint="Write it with `ffmpeg -i FILE -strict -1 -f yuv4mpegpipe -`",
        ) from error
    spread: Range = "full" if "XCOLORRANGE=FULL" in words else "limited"
    return Side(
        name,
        path,
        0,
        width,
        height,
        aspect,
        rate,
        None,
        chroma,
        depth,
        Colour(UNKNOWN, UNKNOWN, UNKNOWN, spread),
        tags.get("I", "p") in ("t", "b", "m"),
    )


def _ratio(text: str) -> Fraction:
    """``24000:1001``, as Y4M writes it."""
    above, mark, below = text.partition(":")
    if not mark or not all(re.fullmatch("[0-9]{1,9}", part) for part in (above, below)):
        raise ValueError(f"{text[:20]} is no ratio like 24000:1001")
    if not int(below):
        raise ValueError(f"{text} divides by zero")
    return Fraction(int(above), int(below))


def _deep(layout: str) -> tuple[str, int]:
    chroma, mark, bits = layout.partition("p")
    if not mark or chroma not in ("420", "422", "444"):
        raise ValueError(f"chroma {layout} is not known")
    return chroma, int(bits)
