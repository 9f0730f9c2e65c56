"""Stills: a small picture of every second, taken aside while analysis decodes the master.

Decoding a master costs some hundredths of encoding it, so that a pass of its own for thumbnails
would be dear. Analysis decodes every picture anyway; to scale one in a second and keep it as JPEG
is next to nothing.
"""

from __future__ import annotations

from pathlib import Path

from encoder.ffmpeg.graph import Stream, file_url
from encoder.media.conform import Conform
from encoder.media.stills import still_distance, still_size

# FFmpeg's scale of JPEG quality, 2 (best) to 31. Stills are scaled and coded once more.
_QUALITY = 2


def write_stills(source: Stream, conform: Conform, target: Path) -> Stream:
    """The output that keeps the stills of reference pictures, one JPEG after the other."""
    colour = conform.colour
    distance = still_distance(conform.frame_rate)
    picture = (
        source.filter("select", f"not(mod(n,{distance}))")
        .filter(
            "setparams",
            colorspace=colour.matrix,
            color_primaries=colour.primaries,
            color_trc=colour.transfer,
            range=colour.range,
        )
        # As JPEG wants pictures: full range, the matrix of BT.601 (JFIF).
        .filter(
            "scale",
            *still_size(conform),
            flags="area+accurate_rnd+full_chroma_int+bitexact",
            out_color_matrix="smpte170m",
            out_range="full",
        )
        .filter("format", "yuvj420p")
    )
    return picture.output(
        file_url(target),
        f="mjpeg",
        fps_mode="passthrough",
        **{"c:v": "mjpeg", "q:v": _QUALITY, "flags:v": "+bitexact"},
    )
