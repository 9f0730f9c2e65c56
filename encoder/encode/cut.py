"""How part of a title comes out of its master, exactly, without decoding all that is before it.

The conform chain puts every picture on its place of a constant cadence, counted from the master's
first. Here that place is reckoned from the container's time instead, so that it is the same
wherever decoding starts; a ``trim`` behind it lets only the wanted places through. Whether the
pictures are the right ones as well is not believed but checked, against the checksums that analysis
took when it decoded the master from its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from encoder.ffmpeg.checksums import Checksums, read_checksums
from encoder.ffmpeg.graph import (
    FORMAT_WHITELIST,
    Stream,
    apply,
    chain_text,
    file_url,
    open_input,
)
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import PROTOCOLS, Cancellation, ProcessFailed, run
from encoder.media.conform import Conform, Filter
from encoder.media.frames import FrameRange, seconds_text
from encoder.media.master import Master

# How far before its first picture a part is sought, in seconds, one after the other until the
# pictures are right: the first is enough where the container has an index of key frames, the
# second where it is searched by time and decoding starts in the middle of a group of pictures.
_MARGINS = (Fraction(1), Fraction(10))
# So many pictures of a part are looked at to tell whether it can be reached by seeking there.
_LOOKED_AT = 3
_FROM_ZERO = Filter("setpts", ("PTS-STARTPTS",))
# The filters of the conform chain's cadence; what follows them sees one picture at a time.
_CADENCE = ("fps", "framestep", "settb")


@dataclass(frozen=True, slots=True)
class Cut:
    """Part of a title, and where in the master decoding starts for it.

    ``seek`` is a time on the container's clock, in seconds; None decodes from the start.
    """

    frames: FrameRange
    seek: Fraction | None = None


def can_seek(conform: Conform, master: Master) -> bool:
    """Whether a picture's place in the title can be told from the container's time."""
    return master.video.timed and _FROM_ZERO in conform.filters


def cut_filters(conform: Conform, cut: Cut) -> tuple[Filter, ...]:
    """The conform chain, giving the pictures of a cut only, at the times 0, 1, 2 and so on.

    The time base is one frame.
    """
    filters = list(conform.filters)
    if cut.seek is not None:
        origin = conform.audio_offset
        # Times are those of the container here: -copyts. Rounded, since a division that leaves no
        # rest may come out a little below the whole number.
        shifted = f"round(PTS-({origin.numerator}/{origin.denominator})/TB)"
        filters[filters.index(_FROM_ZERO)] = Filter("setpts", (shifted,))
    for n, one in enumerate(filters):
        if one.name == "framestep":
            # Counted from the title's first picture, not from the first that was decoded. fps does
            # nothing but declare the rate, whose frames are the ticks of what decodes an encode.
            rate = conform.frame_rate
            filters[n : n + 1] = [
                Filter("select", (f"not(mod(pts,{one.arguments[0]}))",)),
                Filter(
                    "fps",
                    (f"{rate.numerator}/{rate.denominator}",),
                    (("round", "near"), ("eof_action", "pass")),
                ),
            ]
            break
    last = max(n for n, one in enumerate(filters) if one.name in _CADENCE)
    frames = cut.frames
    trim = Filter("trim", options=(("start_pts", str(frames.start)), ("end_pts", str(frames.end))))
    filters[last + 1 : last + 1] = [trim, Filter("setpts", (f"PTS-{frames.start}",))]
    return tuple(filters)


def input_arguments(master: Master, conform: Conform, cut: Cut) -> list[str]:
    """FFmpeg's arguments that open a master for a cut."""
    arguments = ["-protocol_whitelist", PROTOCOLS, "-format_whitelist", FORMAT_WHITELIST]
    for key, value in conform.input_options:
        arguments += [f"-{key}"] if value is None else [f"-{key}", value]
    if cut.seek is not None:
        arguments += ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", seconds_text(cut.seek)]
        arguments += ["-copyts"]
    return [*arguments, "-i", file_url(master.path)]


def open_cut(master: Master, conform: Conform, cut: Cut) -> Stream:
    """The pictures of a cut as a stream of ffmpeg-python.

    All inputs of the command then keep their own times (``-copyts``) if it starts by seeking.
    """
    options: dict[str, str | None] = {
        "protocol_whitelist": PROTOCOLS,
        "format_whitelist": FORMAT_WHITELIST,
        **dict(conform.input_options),
    }
    if cut.seek is not None:
        options |= {
            "seek_timestamp": "1",
            "noaccurate_seek": None,
            "ss": seconds_text(cut.seek),
            "copyts": None,
        }
    source = open_input(master.path, **options)
    return apply(source[str(conform.stream_index)], cut_filters(conform, cut))


def source_text(conform: Conform, cut: Cut) -> str:
    """The start of a ``-filter_complex``: the pictures of a cut, without a label yet."""
    return f"[0:{conform.stream_index}]{chain_text(cut_filters(conform, cut))}"


def find_cut(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    frames: FrameRange,
    checksums: Checksums,
    folder: Path,
    *,
    cancellation: Cancellation | None = None,
) -> Cut:
    """Where to start decoding for a range of frames: by seeking if that gives its first pictures.

    Args:
        ffmpeg: the program.
        master: the source.
        conform: how its pictures become reference pictures.
        frames: the wanted ones.
        checksums: of all reference pictures of the title.
        folder: for a file, which is removed.
        cancellation: lets another thread end the process.
    """
    whole = Cut(frames)
    if not can_seek(conform, master):
        return whole
    for margin in _MARGINS:
        back = frames.start / conform.frame_rate - margin
        if back <= _MARGINS[0]:
            return whole  # so near to the start that seeking would save nothing
        cut = Cut(frames, conform.audio_offset + back)
        if _starts_right(ffmpeg, master, conform, cut, checksums, folder, cancellation):
            return cut
    return whole


def _starts_right(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    cut: Cut,
    checksums: Checksums,
    folder: Path,
    cancellation: Cancellation | None,
) -> bool:
    first = cut.frames.start
    head = FrameRange(first, min(first + _LOOKED_AT, cut.frames.end))
    path = folder / "head.crc"
    arguments = [
        *input_arguments(master, conform, cut),
        "-filter_complex",
        source_text(conform, replace(cut, frames=head)) + "[o]",
        *("-map", "[o]", "-fps_mode", "passthrough", "-f", "framecrc", file_url(path)),
    ]
    try:
        run(ffmpeg, arguments, folder=folder, cancellation=cancellation)
        return same_pictures(read_checksums(path), checksums, head)
    except (ProcessFailed, ValueError):
        return False
    finally:
        path.unlink(missing_ok=True)


def same_pictures(found: Checksums, checksums: Checksums, frames: FrameRange) -> bool:
    """Whether pictures are those of the title at the frames."""
    return bool(np.array_equal(found, checksums[frames.start : frames.end]))


def tiles(ranges: Sequence[FrameRange], frames: int) -> bool:
    """Whether ranges follow each other from frame 0 to the title's end without a gap."""
    starts = [0, *(one.end for one in ranges)]
    return [one.start for one in ranges] == starts[:-1] and starts[-1] == frames
