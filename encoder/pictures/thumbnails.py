"""Thumbnails: stills in sheets of a grid, so that a player loads many at once."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from pathlib import Path

from encoder.errors import EncodeError
from encoder.ffmpeg.graph import file_url
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import PROTOCOLS, ProcessFailed, run
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.pictures import Thumbnails
from encoder.media.policy import PicturesPolicy
from encoder.media.stills import fitting, still_count, still_distance

# FFmpeg's scale of JPEG quality, 2 (best) to 31: a picture of 320x180 takes about 8 kB.
_QUALITY = 5
# Seconds from one thumbnail to the next in titles of up to so many seconds: a bar on a screen is
# some hundred thumbnails wide at most, however long the title.
_INTERVALS = ((60, 1), (300, 2), (1800, 5))
_LONGEST_INTERVAL = 10


def plan_thumbnails(conform: Conform, frames: int, policy: PicturesPolicy) -> Thumbnails:
    """What is made for a title of so many frames; files are named, and not made."""
    distance = still_distance(conform.frame_rate)
    interval = policy.interval or usual_interval(frame_time(frames, conform.frame_rate))
    count = ceil(still_count(frames, conform.frame_rate) / interval)
    width, height = fitting(conform.width, conform.height, policy.thumbnail_side)
    columns = min(policy.columns, count)
    rows = min(policy.rows, ceil(count / columns))
    sheets = ceil(count / (columns * rows))
    return Thumbnails(
        width=width,
        height=height,
        columns=columns,
        rows=rows,
        every=distance * interval,
        count=count,
        sheets=tuple(Path(f"thumbnails-{number:03d}.jpg") for number in range(1, sheets + 1)),
    )


def usual_interval(duration: Fraction) -> int:
    """Seconds between the thumbnails of a title that lasts so many seconds."""
    return next((step for most, step in _INTERVALS if duration <= most), _LONGEST_INTERVAL)


def make_thumbnails(
    ffmpeg: Ffmpeg, stills: Path, planned: Thumbnails, conform: Conform, folder: Path
) -> None:
    """Writes the planned sheets into a folder.

    Raises:
        EncodeError: when FFmpeg fails, or there are fewer stills than the title should have.
        MachineError: when the disk is full.
    """
    step = planned.every // still_distance(conform.frame_rate)
    filters = (
        f"select=not(mod(n\\,{step})),"
        f"scale={planned.width}:{planned.height}:flags=area+accurate_rnd+full_chroma_int+bitexact,"
        f"tile={planned.columns}x{planned.rows}:color=black"
    )
    try:
        run(
            ffmpeg,
            [
                *still_input(stills),
                *("-vf", filters, "-fps_mode", "passthrough", "-map_metadata", "-1"),
                *("-c:v", "mjpeg", "-q:v", str(_QUALITY), "-flags:v", "+bitexact"),
                *("-start_number", "1", "-f", "image2", "file:thumbnails-%03d.jpg"),
            ],
            folder=folder,
        )
    except ProcessFailed as failure:
        raise failed(stills, failure.reason) from failure
    if missing := [one for one in planned.sheets if not (folder / one).is_file()]:
        raise failed(stills, f"{missing[0]} did not come out: stills are missing")


def still_input(stills: Path) -> list[str]:
    """FFmpeg's arguments that open the stills of analysis; their times mean nothing."""
    return ["-protocol_whitelist", PROTOCOLS, "-f", "mjpeg", "-i", file_url(stills)]


def failed(where: Path, why: str) -> EncodeError:
    """The error for pictures that cannot be made."""
    return EncodeError(
        "The pictures of the title could not be made",
        where=str(where),
        why=why,
        hint="Run the same command again with -v for FFmpeg's messages",
    )
