"""What the FFmpeg program, which does the work later, makes of a master."""

from __future__ import annotations

import re
from pathlib import Path

from encoder.errors import MasterError
from encoder.ffmpeg.graph import FORMAT_WHITELIST, file_url
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import PROTOCOLS, ProcessFailed, stream

_HEADER = re.compile(rb"YUV4MPEG2 W(\d+) H(\d+) ")
_LONGEST_HEADER = 512


def open_arguments(path: Path, *before: str) -> list[str]:
    """FFmpeg's arguments that open a master as every stage does, turned by nobody."""
    options = ["-protocol_whitelist", PROTOCOLS, "-format_whitelist", FORMAT_WHITELIST]
    return [*options, *before, "-noautorotate", "-i", file_url(path)]


def decoded_size(ffmpeg: Ffmpeg, path: Path, stream_index: int) -> tuple[int, int]:
    """Width and height of the first picture that FFmpeg decodes from a video stream.

    They differ from the codec's where the container cuts pictures (a clean aperture).

    Raises:
        MasterError: when this FFmpeg decodes nothing.
        MachineError: when it cannot be started.
    """
    # With more threads, decoders want more than one picture before they give the first.
    arguments = open_arguments(path, "-threads", "1")
    arguments += ["-map", f"0:{stream_index}", "-frames:v", "1"]
    arguments += ["-vf", "format=gray", "-f", "yuv4mpegpipe", "-"]
    with stream(ffmpeg, arguments) as running:
        found = _HEADER.match(running.stdout.readline(_LONGEST_HEADER))
        if found is not None:
            return int(found.group(1)), int(found.group(2))
        running.stdout.read()
        try:
            running.finish()
            reason = "it ends without an error"
        except ProcessFailed as failure:
            reason = failure.reason
    raise MasterError(
        "FFmpeg decodes no picture of the master",
        where=str(path),
        why=f"{ffmpeg.path} ({ffmpeg.version}): {reason}",
        hint="Run `encoder doctor`; if you chose another FFmpeg, try the one that came with the "
        "install, or convert the master to H.264, ProRes or FFV1",
    )
