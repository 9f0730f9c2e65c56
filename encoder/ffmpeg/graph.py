"""Inputs and filter graphs, built with ffmpeg-python."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from encoder.ffmpeg.process import PROTOCOLS
from encoder.media.conform import Conform, Filter

# A stream of ffmpeg-python's graph; the library has no types.
Stream = Any

# Containers and raw streams that hold pictures themselves. Formats that only point at other files
# or devices (hls, dash, concat, lavfi, sdp, image sequences) are left out, so that a master cannot
# make FFmpeg open anything but itself.
FORMATS = (
    "asf",
    "avi",
    "dv",
    "flv",
    "gxf",
    "h264",
    "hevc",
    "ivf",
    "m4v",
    "matroska,webm",
    "mov,mp4,m4a,3gp,3g2,mj2",
    "mpeg",
    "mpegts",
    "mpegvideo",
    "mxf",
    "nut",
    "obu",
    "ogg",
    "rm",
    "vc1",
    "vvc",
    "yuv4mpegpipe",
)
FORMAT_WHITELIST = ",".join(FORMATS)

# The end of a graph that measures what the same process encodes. FFmpeg holds back graphs whose
# outputs are further on in time than others, or have a time already where others have none, as
# encoders of different codecs differ in how many pictures they keep. It does not see that the graph
# of the encodes, which all wait for, cannot go on either when one that is held back does not take
# its reference: then all of them stand still for ever (of H.264 and AV1 in one process, 8 times in
# 262 on a busy machine). An output without times is never ahead.
TIMELESS = "setpts=NAN"


def file_url(path: Path) -> str:
    """The path as FFmpeg takes it whatever its name: no option, protocol or pattern in it."""
    return f"file:{path.absolute()}"


def open_input(path: Path, **options: str | None) -> Stream:
    """A file as an input; ``options`` are FFmpeg's, before ``-i``."""
    # As bytes: ffmpeg-python hashes text as UTF-8, which the name of a file need not be.
    return ffmpeg.input(os.fsencode(file_url(path)), **options)


def open_master(path: Path, conform: Conform) -> Stream:
    """The reference pictures of a master: its video stream, decoded and conformed."""
    options: dict[str, str | None] = {
        "protocol_whitelist": PROTOCOLS,
        "format_whitelist": FORMAT_WHITELIST,
        **dict(conform.input_options),
    }
    source = open_input(path, **options)
    return apply(source[str(conform.stream_index)], conform.filters)


def open_file(path: Path) -> Stream:
    """The first video stream of a file of our own, as it is."""
    return open_input(path, protocol_whitelist=PROTOCOLS)["v:0"]


def apply(stream: Stream, filters: Iterable[Filter]) -> Stream:
    """The stream after the filters."""
    for one in filters:
        stream = stream.filter(one.name, *one.arguments, **dict(one.options))
    return stream


def scale_down(stream: Stream, width: int, height: int, conform: Conform) -> Stream:
    """Reference pictures at a rung's resolution: one scaler, for trials and encodes alike."""
    if (width, height) == (conform.width, conform.height):
        return stream
    # The scaler keeps the aspect of the whole by changing that of a sample, where sizes rounded to
    # even numbers are not quite in proportion.
    return stream.filter("scale", width, height, flags="lanczos+accurate_rnd").filter("setsar", 1)


def filter_text(one: Filter) -> str:
    """A filter as FFmpeg's ``-filter_complex`` takes it, its values escaped.

    For commands that ffmpeg-python cannot say. Values are escaped twice, as FFmpeg's manual has it
    ("Notes on filtergraph escaping"): for the filter's options, and for the graph around them.
    """
    values = [_escaped(value) for value in one.arguments]
    values += [f"{key}={_escaped(value)}" for key, value in one.options]
    return f"{one.name}={':'.join(values)}" if values else one.name


def chain_text(filters: Iterable[Filter]) -> str:
    """Filters one after the other, as text of a filter graph."""
    return ",".join(filter_text(one) for one in filters)


def _escaped(value: str) -> str:
    option = "".join(f"\\{c}" if c in "\\':" else c for c in value)
    return "".join(f"\\{c}" if c in "\\'[],;" else c for c in option)


def rate_text(rate: Fraction) -> str:
    """A frame rate as FFmpeg takes it."""
    return f"{rate.numerator}/{rate.denominator}"


def arguments(output: Stream) -> list[str]:
    """The command line of a graph's outputs, without the program."""
    return [os.fsdecode(a) if isinstance(a, bytes) else str(a) for a in ffmpeg.get_args(output)]
