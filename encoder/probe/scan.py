"""Interlaced or progressive: decided by looking at pictures, since flags lie."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from encoder.ffmpeg.graph import FORMAT_WHITELIST, file_url
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import PROTOCOLS, ProcessFailed, run
from encoder.media.frames import seconds_text
from encoder.media.master import Parity, Scan

_WINDOWS = 4
_WINDOW_FRAMES = 30
# Combing in fewer pictures than this share is chance, or a rare cut made on a field.
_SHARE = 0.2
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
    ffmpeg: Ffmpeg, path: Path, stream_index: int, start: Fraction, duration: Fraction, frames: int
) -> Fields:
    """Looks at a few short windows of a stream with FFmpeg's idet.

    Args:
        ffmpeg: the program.
        path: the master.
        stream_index: the video stream.
        start: time of its first picture after the start of the container, in seconds.
        duration: how long it is, in seconds.
        frames: how many pictures it has.

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
    return judge(seen)


def judge(seen: Counter[str]) -> Fields:
    """The verdict on idet's classes ``tff``, ``bff``, ``progressive`` and ``undetermined``."""
    combed = seen["tff"] + seen["bff"]
    sure = combed + seen["progressive"]
    parity: Parity = "tff" if seen["tff"] >= seen["bff"] else "bff"
    if combed < max(_LEAST, _SHARE * sure) or seen[parity] < _DOMINANCE * combed:
        return PROGRESSIVE
    return Fields("interlaced", parity)


def _look(ffmpeg: Ffmpeg, path: Path, index: int, at: Fraction, limit: int) -> Counter[str]:
    seen: Counter[str] = Counter()

    def count(line: str) -> None:
        _, found, rest = line.partition(_KEY)
        if found:
            seen[rest.strip()] += 1

    arguments = ["-protocol_whitelist", PROTOCOLS, "-format_whitelist", FORMAT_WHITELIST]
    if at > 0:
        # From the key frame before: where exactly the window lies does not matter.
        arguments += ["-noaccurate_seek", "-ss", seconds_text(at)]
    arguments += ["-noautorotate", "-i", file_url(path), "-map", f"0:{index}"]
    arguments += ["-frames:v", str(limit), "-vf", f"idet,metadata=mode=print:key={_KEY[:-1]}"]
    arguments += ["-fps_mode", "passthrough", "-f", "null", "-"]
    try:
        run(ffmpeg, arguments, on_line=count, log_level="level+info")
    except ProcessFailed:
        return Counter()
    return seen
