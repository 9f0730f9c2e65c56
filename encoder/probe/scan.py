"""Interlaced or progressive: decided by looking at pictures, since flags lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import ProcessFailed, run
from encoder.media.frames import seconds_text
from encoder.media.master import Parity, Scan
from encoder.probe.decoder import open_arguments

_WINDOWS = 4
_WINDOW_FRAMES = 30
# idet finds combing in nearly every picture that moves when there are fields, and in up to a third
# of progressive ones where something soft moves up or down. A stream that says it has fields is
# believed more readily.
_SHARE = 0.6
_SHARE_WHEN_CLAIMED = 0.2
_LEAST_OF_ALL = 0.1
_LEAST = 4
# Real fields come in one order; combing that idet imagines (in fine horizontal detail) in both.
_DOMINANCE = 0.85
_KEY = "lavfi.idet.multiple.current_frame="


@dataclass(frozen=True, slots=True)
class Fields:
    """How pictures were scanned, and which field is the earlier one when they are interlaced."""

    scan: Scan
    parity: Parity | None = None


PROGRESSIVE = Fields("progressive")


def detect_scan(
    ffmpeg: Ffmpeg,
    path: Path,
    stream_index: int,
    *,
    start: Fraction,
    duration: Fraction,
    frames: int,
    claimed: bool,
) -> Fields:
    """Looks at a few short windows of a stream with FFmpeg's idet.

    Args:
        ffmpeg: the program.
        path: the master.
        stream_index: the video stream.
        start: time of its first picture after the start of the container, in seconds.
        duration: how long it is, in seconds.
        frames: how many pictures it has.
        claimed: whether the stream says it is interlaced.

    Returns:
        Progressive also where pictures cannot be decoded or nothing moves: there is no evidence.

    Raises:
        MachineError: when FFmpeg cannot be started.
    """
    whole = frames <= _WINDOWS * _WINDOW_FRAMES
    count = 1 if whole else _WINDOWS
    seen: Counter[str] = Counter()
    for number in range(count):
        # Windows lie in the middle of equal parts, away from titles and fades at the ends.
        at = Fraction(0) if whole else start + duration * (2 * number + 1) / (2 * count)
        limit = frames if whole else _WINDOW_FRAMES
        seen += _look(ffmpeg, path, stream_index, at, limit)
    return judge(seen, claimed=claimed)


def judge(seen: Counter[str], *, claimed: bool) -> Fields:
    """The verdict on idet's classes ``tff``, ``bff``, ``progressive`` and ``undetermined``."""
    combed = seen["tff"] + seen["bff"]
    sure = combed + seen["progressive"]
    parity: Parity = "tff" if seen["tff"] >= seen["bff"] else "bff"
    share = _SHARE_WHEN_CLAIMED if claimed else _SHARE
    enough = max(_LEAST, share * sure, _LEAST_OF_ALL * seen.total())
    if combed < enough or seen[parity] < _DOMINANCE * combed:
        return PROGRESSIVE
    return Fields("interlaced", parity)


def _look(ffmpeg: Ffmpeg, path: Path, index: int, at: Fraction, limit: int) -> Counter[str]:
    seen: Counter[str] = Counter()

    def count(line: str) -> None:
        _, found, rest = line.partition(_KEY)
        if found:
            seen[rest.strip()] += 1

    # From the key frame before: where exactly the window lies does not matter.
    seek = ("-noaccurate_seek", "-ss", seconds_text(at)) if at > 0 else ()
    arguments = [*open_arguments(path, *seek), "-map", f"0:{index}"]
    # Luma as it is: the dither of a conversion to 8 bits looks like combing.
    filters = f"extractplanes=y,idet,metadata=mode=print:key={_KEY[:-1]}"
    arguments += ["-frames:v", str(limit), "-vf", filters]
    arguments += ["-fps_mode", "passthrough", "-f", "null", "-"]
    try:
        run(ffmpeg, arguments, on_line=count, on_stall=seen.clear, log_level="level+info")
    except ProcessFailed:
        return Counter()
    return seen
