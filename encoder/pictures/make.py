"""Makes the pictures of a title from the stills of analysis, and the poster from the master."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from pathlib import Path

import numpy as np

from encoder.encode.cut import Cut, find_cut, input_arguments, source_text
from encoder.ffmpeg.checksums import Checksums
from encoder.ffmpeg.graph import file_url
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import ProcessFailed, run
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.master import Master
from encoder.media.pictures import Pictures, Poster
from encoder.media.policy import PicturesPolicy
from encoder.media.shots import Analysis
from encoder.media.stills import fitting, still_count, still_distance, still_size
from encoder.pictures.dense import make_dense
from encoder.pictures.poster import Look, choose_poster, look_at
from encoder.pictures.thumbnails import failed, make_thumbnails, plan_thumbnails, still_input

# So many stills are looked at for the poster: enough of a title of any length.
_LOOKED_AT = 240
# What a poster needs at most; larger masters are scaled down.
_POSTER_SIDE = 1920
_POSTER_QUALITY = 3
_POSTER = Path("poster.jpg")


def make_pictures(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    analysis: Analysis,
    policy: PicturesPolicy,
    stills: Path,
    checksums: Checksums,
    folder: Path,
) -> Pictures:
    """Makes what the policy wants of a title.

    Args:
        ffmpeg: the program.
        master: the source.
        conform: how its pictures become reference pictures.
        analysis: its shots.
        policy: what is wanted.
        stills: a small picture of every second, as analysis keeps them.
        checksums: of all reference pictures.
        folder: gets the files; paths of what is returned are relative to it.

    Raises:
        EncodeError: when FFmpeg fails.
        MachineError: when the disk is full.
    """
    thumbnails = None
    if policy.thumbnails:
        thumbnails = plan_thumbnails(conform, analysis.frames, policy)
        make_thumbnails(ffmpeg, stills, thumbnails, conform, folder)
    poster = None
    if policy.poster:
        looks = list(_looks(ffmpeg, stills, conform, analysis, folder))
        if not looks:
            raise failed(stills, "no still could be read")
        frame = choose_poster(looks, analysis)
        poster = take_frame(ffmpeg, master, conform, frame, checksums, folder, _POSTER)
    dense = None
    # The stills of HDR have its transfer and eight bits: that is nothing to show.
    if policy.dense_iframes and not conform.colour.is_hdr:
        dense = make_dense(ffmpeg, stills, conform, analysis.frames, folder)
    return Pictures(thumbnails, poster, dense)


def _looks(
    ffmpeg: Ffmpeg, stills: Path, conform: Conform, analysis: Analysis, folder: Path
) -> Iterator[Look]:
    count = still_count(analysis.frames, conform.frame_rate)
    step = ceil(count / _LOOKED_AT)
    width, height = still_size(conform)
    raw = folder / "stills.yuv"
    arguments = [*still_input(stills), "-vf", f"select=not(mod(n\\,{step})),format=yuvj420p"]
    arguments += ["-fps_mode", "passthrough", "-f", "rawvideo", file_url(raw)]
    try:
        run(ffmpeg, arguments, folder=folder)
        size, luma = width * height * 3 // 2, width * height
        pictures = np.memmap(raw, dtype=np.uint8, mode="r").reshape(-1, size)
        for number, picture in enumerate(pictures):
            frame = number * step * still_distance(conform.frame_rate)
            half = (height // 2, width // 2)
            blue, red = picture[luma:].reshape(2, *half)
            yield look_at(frame, picture[:luma].reshape(height, width), blue, red)
    except ProcessFailed as failure:
        raise failed(stills, failure.reason) from failure
    except ValueError as error:
        raise failed(stills, "they are not of the size that they should be") from error
    finally:
        raw.unlink(missing_ok=True)


def take_frame(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    frame: int,
    checksums: Checksums,
    folder: Path,
    name: Path,
    side: int = _POSTER_SIDE,
) -> Poster:
    """A reference frame as a JPEG file of at most ``side`` pixels on its longer side.

    Raises:
        EncodeError: when FFmpeg fails.
        MachineError: when the disk is full.
    """
    wanted = FrameRange(frame, frame + 1)
    cut = find_cut(ffmpeg, master, conform, wanted, checksums, folder)
    width, height = fitting(conform.width, conform.height, side)
    try:
        run(ffmpeg, _frame_command(master, conform, cut, width, height, name), folder=folder)
    except ProcessFailed as failure:
        raise failed(master.path, failure.reason) from failure
    if not (folder / name).is_file():
        raise failed(master.path, f"frame {frame} did not come out")
    return Poster(frame, width, height, name)


def _frame_command(
    master: Master, conform: Conform, cut: Cut, width: int, height: int, name: Path
) -> list[str]:
    colour = conform.colour
    # As JPEG wants pictures: full range, the matrix of BT.601 (JFIF).
    chain = (
        f"{source_text(conform, cut)},setparams=colorspace={colour.matrix}:range={colour.range}"
        f":color_primaries={colour.primaries}:color_trc={colour.transfer}"
        f",scale={width}:{height}:flags=area+accurate_rnd+full_chroma_int+bitexact"
        ":out_color_matrix=smpte170m:out_range=full,format=yuvj420p[o]"
    )
    return [
        *input_arguments(master, conform, cut),
        *("-filter_complex", chain, "-map", "[o]", "-fps_mode", "passthrough", "-frames:v", "1"),
        *("-map_metadata", "-1", "-c:v", "mjpeg", "-q:v", str(_POSTER_QUALITY)),
        *("-flags:v", "+bitexact", "-f", "image2", "-update", "1", f"file:{name}"),
    ]
