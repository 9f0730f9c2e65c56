"""Takes single frames of master and renditions as JPEG pictures, side by side comparable.

Two processes: the first decodes both sides up to the last frame wanted and keeps the frames as
they are; the second makes pictures of those few. In a long title each frame is sought instead, by a
process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg as graph
import numpy as np
from numpy.typing import NDArray

from encoder.errors import MeasureError
from encoder.ffmpeg.graph import (
    Stream,
    arguments,
    file_url,
    open_file,
    open_input,
    open_master,
)
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import PROTOCOLS, ProcessFailed, run
from encoder.media.conform import Conform
from encoder.media.frames import seconds_text
from encoder.media.master import Master
from encoder.report.data import Triple

# Whole pictures fit in a square of this side: enough to see what is wrong, and a hundred
# kilobytes each.
MAX_SIDE = 960
# A detail is cut out at its full size where a picture is at least twice as wide.
DETAIL = (352, 198)
# How much the difference is amplified: 32 of 256 code values, a gross error, become white.
GAIN = 8
# FFmpeg's scale of JPEG quality, 2 (best) to 31: no artefacts of its own beside those shown.
_QUALITY = 3
# The scaler that scores were measured with.
_SCALE_FLAGS = "bicubic+accurate_rnd+bitexact"
_SIDES = ("reference", "rendition")
_KINDS = (*_SIDES, "difference")
_PIXELS = "yuv420p"
# Pictures have no times; any rate will do.
_CLOCK = "25"


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame, whole, and where it differs most as ``detail`` at full size.

    ``at`` is the detail's left upper corner in the reference picture; both are None where the
    picture is too small for a detail to show more.
    """

    whole: Triple
    detail: Triple | None
    at: tuple[int, int] | None


def take(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    files: Mapping[str, Path],
    frames: Mapping[str, Sequence[int]],
    folder: Path,
    detail_of: str | None = None,
    reference_at: Callable[[int], Stream] | None = None,
) -> dict[tuple[str, int], Taken]:
    """Pictures of frames, by rendition and frame.

    A rendition is scaled to the size of the reference pictures as for scoring; the difference is
    of luma at that size, times :data:`GAIN`.

    Args:
        ffmpeg: the program.
        master: the source.
        conform: how its pictures become reference pictures.
        files: the renditions, by id.
        frames: which frames, per rendition; each ascending and not empty.
        folder: an existing folder for intermediate files, which are removed again.
        detail_of: the rendition that says of all where the detail lies, so that the same place is
            seen of each; all must then ask for the same frames. By default each shows its own.
        reference_at: the reference picture of a frame as a stream of nothing else, where decoding
            everything before it would take long; the renditions must then have an index of key
            frames, and times that start with their first frame.

    Raises:
        MeasureError: when FFmpeg fails, or there are fewer pictures than asked for.
        MachineError: when the disk is full.
    """
    try:
        if reference_at is None:
            _run(ffmpeg, _decoding(master, conform, files, frames), folder, master)
        else:
            for index, (rendition, wanted) in enumerate(frames.items()):
                for frame in wanted:
                    sides = reference_at(frame), _sought(files[rendition], frame, conform)
                    _run(ffmpeg, _kept_as_they_are(index, sides, conform), folder, master)
                    _append(folder, index)
        corners = {
            rendition: [
                _corner(folder, index, number, conform, len(frames[rendition]), master)
                for number in range(len(frames[rendition]))
            ]
            for index, rendition in enumerate(frames)
        }
        if detail_of is not None:
            corners = dict.fromkeys(corners, corners[detail_of])
        _run(ffmpeg, _drawing(conform, corners, folder), folder, master)
        return {
            (rendition, frame): _read(folder, index, number, conform, corners[rendition][number])
            for index, rendition in enumerate(frames)
            for number, frame in enumerate(frames[rendition])
        }
    finally:
        for left in (*folder.glob("frame*-*.yuv"), *folder.glob("picture-*.jpg")):
            left.unlink()


def _run(ffmpeg: Ffmpeg, outputs: list[Stream], folder: Path, master: Master) -> None:
    try:
        run(ffmpeg, arguments(graph.merge_outputs(*outputs)), folder=folder)
    except ProcessFailed as failure:
        raise MeasureError(
            "The pictures of the worst frames could not be taken",
            where=str(master.path),
            why=failure.reason,
            hint="Run the same command again with -v for FFmpeg's messages",
        ) from failure


def _raw(index: int, side: str) -> str:
    return f"frames-{index}-{side}.yuv"


def _one(index: int, side: str) -> str:
    return f"frame-{index}-{side}.yuv"


def _jpeg(index: int, part: str, kind: str, number: str) -> str:
    return f"picture-{index}-{part}-{kind}-{number}.jpg"


def _decoding(
    master: Master,
    conform: Conform,
    files: Mapping[str, Path],
    frames: Mapping[str, Sequence[int]],
) -> list[Stream]:
    """Keeps the wanted frames of both sides, as they are compared."""
    last = max(wanted[-1] for wanted in frames.values())
    # Trimming ends the stream after the last frame wanted, and with it the decoding.
    source = open_master(master.path, conform).filter("trim", end_frame=last + 1)
    sources = source.filter_multi_output("split", len(frames))
    outputs = []
    for index, (rendition, wanted) in enumerate(frames.items()):
        shown = open_file(files[rendition]).filter("trim", end_frame=wanted[-1] + 1)
        sides = (
            _selected(sources[index], wanted, conform),
            _selected(shown, wanted, conform).filter(
                "scale", conform.width, conform.height, flags=_SCALE_FLAGS
            ),
        )
        outputs += [
            stream.filter("format", _PIXELS).output(
                f"file:{_raw(index, side)}", f="rawvideo", fps_mode="passthrough"
            )
            for side, stream in zip(_SIDES, sides, strict=True)
        ]
    return outputs


def _sought(path: Path, frame: int, conform: Conform) -> Stream:
    """A frame of a rendition and nothing else."""
    # Half a frame earlier, so that rounding cannot make it the next one.
    at = max(Fraction(0), (frame - Fraction(1, 2)) / conform.frame_rate)
    source = open_input(path, protocol_whitelist=PROTOCOLS, ss=seconds_text(at))
    return source["v:0"].filter("trim", end_frame=1)


def _kept_as_they_are(index: int, sides: tuple[Stream, Stream], conform: Conform) -> list[Stream]:
    """Keeps one frame of both sides, as they are compared."""
    reference, shown = (_signalled(side, conform) for side in sides)
    scaled = shown.filter("scale", conform.width, conform.height, flags=_SCALE_FLAGS)
    return [
        stream.filter("format", _PIXELS).output(
            f"file:{_one(index, side)}", f="rawvideo", fps_mode="passthrough"
        )
        for side, stream in zip(_SIDES, (reference, scaled), strict=True)
    ]


def _append(folder: Path, index: int) -> None:
    """Adds a frame to those that were kept before it."""
    for side in _SIDES:
        one = folder / _one(index, side)
        with (folder / _raw(index, side)).open("ab") as kept:
            kept.write(one.read_bytes())
        one.unlink()


def _selected(stream: Stream, frames: Sequence[int], conform: Conform) -> Stream:
    stream = stream.filter("select", "+".join(f"eq(n,{frame})" for frame in frames))
    return _signalled(stream, conform)


def _signalled(stream: Stream, conform: Conform) -> Stream:
    """With the reference's colour signalled, so that both sides are converted alike."""
    colour = conform.colour
    return stream.filter(
        "setparams",
        colorspace=colour.matrix,
        color_primaries=colour.primaries,
        color_trc=colour.transfer,
        range=colour.range,
    )


def _corner(
    folder: Path, index: int, number: int, conform: Conform, count: int, master: Master
) -> tuple[int, int] | None:
    """Where the detail lies whose luma differs most, in the sense of squared error."""
    width, height = conform.width, conform.height
    sides = [_luma(folder / _raw(index, s), number, count, width, height, master) for s in _SIDES]
    if width < 2 * DETAIL[0] or height < DETAIL[1]:
        return None
    error = np.square(sides[0].astype(np.int64) - sides[1])
    # Sums over all windows at once, from the sums over all rectangles that begin at the corner.
    sums = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    wide, tall = DETAIL
    windows = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
    y, x = np.unravel_index(int(windows.argmax()), windows.shape)
    # Even, so that chroma is cut where luma is.
    return int(x) // 2 * 2, int(y) // 2 * 2


def _luma(
    path: Path, number: int, count: int, width: int, height: int, master: Master
) -> NDArray[np.uint8]:
    size = width * height * 3 // 2
    if not path.exists() or path.stat().st_size != size * count:
        raise MeasureError(
            "The pictures of the worst frames could not be taken",
            where=str(master.path),
            why="it, or a rendition, decodes to fewer pictures than were scored",
            hint="Run the same command again; if it stays, the master is damaged: check it with "
            "`encoder probe`",
        )
    plane = np.fromfile(path, dtype=np.uint8, count=width * height, offset=number * size)
    return plane.reshape(height, width)


def _drawing(
    conform: Conform, corners: Mapping[str, Sequence[tuple[int, int] | None]], folder: Path
) -> list[Stream]:
    """Makes the kept frames into pictures, whole and in detail."""
    outputs = []
    whole = picture_size(conform.width, conform.height)
    for index, places in enumerate(corners.values()):
        kept = [_kept(folder / _raw(index, side), conform) for side in _SIDES]
        reference, shown = (one.filter_multi_output("split", 2) for one in kept)
        difference = graph.filter(
            [_code_values(reference[1]), _code_values(shown[1])], "blend", all_mode="difference"
        )
        difference = difference.filter("lut", c0=f"min(val*{GAIN},255)")
        difference = difference.filter("setparams", range="full")
        cut = [at for at in places if at is not None]
        for kind, stream in zip(_KINDS, (reference[0], shown[0], difference), strict=True):
            copies = stream.filter_multi_output("split", 2 if cut else 1)
            outputs.append(_picture(_scaled(copies[0], whole), _jpeg(index, "whole", kind, "%d")))
            if cut:
                detail = copies[1].filter(
                    "crop",
                    *DETAIL,
                    _by_number([at[0] for at in cut]),
                    _by_number([at[1] for at in cut]),
                )
                detail = _scaled(detail, DETAIL)
                outputs.append(_picture(detail, _jpeg(index, "detail", kind, "%d")))
    return outputs


def _kept(path: Path, conform: Conform) -> Stream:
    source = graph.input(
        file_url(path),
        f="rawvideo",
        video_size=(conform.width, conform.height),
        pixel_format=_PIXELS,
        framerate=_CLOCK,
        protocol_whitelist=PROTOCOLS,
    )["v:0"]
    return _signalled(source, conform)


def _code_values(stream: Stream) -> Stream:
    """Luma alone, without a change of range on the way."""
    return stream.filter("extractplanes", "y")


def _by_number(values: Sequence[int]) -> str:
    """An expression that gives the n-th frame the n-th value."""
    return "+".join(f"eq(n,{i})*{value}" for i, value in enumerate(values))


def _scaled(stream: Stream, size: tuple[int, int]) -> Stream:
    """As JPEG wants pictures: full range, the matrix of BT.601 (JFIF)."""
    stream = stream.filter(
        "scale",
        *size,
        flags="area+accurate_rnd+full_chroma_int+bitexact",
        out_color_matrix="smpte170m",
        out_range="full",
    )
    return stream.filter("format", "yuv444p")


def _picture(stream: Stream, name: str) -> Stream:
    return stream.output(
        f"file:{name}",
        f="image2",
        start_number=0,
        fps_mode="passthrough",
        **{"c:v": "mjpeg", "q:v": _QUALITY, "flags:v": "+bitexact"},
    )


def picture_size(width: int, height: int) -> tuple[int, int]:
    """The size, of the same shape, that fits in a square of :data:`MAX_SIDE`; never larger."""
    ratio = min(Fraction(1), Fraction(MAX_SIDE, max(width, height)))
    return max(1, round(width * ratio)), max(1, round(height * ratio))


def _read(
    folder: Path, index: int, number: int, conform: Conform, at: tuple[int, int] | None
) -> Taken:
    def triple(part: str, size: tuple[int, int]) -> Triple:
        names = (_jpeg(index, part, kind, str(number)) for kind in _KINDS)
        reference, rendition, difference = ((folder / name).read_bytes() for name in names)
        return Triple(reference, rendition, difference, *size)

    whole = triple("whole", picture_size(conform.width, conform.height))
    return Taken(whole, None if at is None else triple("detail", DETAIL), at)
