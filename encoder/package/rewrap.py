"""Rewraps renditions into fragmented MP4 with FFmpeg, without coding anything again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from encoder.errors import PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import PROTOCOLS, ProcessFailed, run
from encoder.media.languages import iso_639_2

# Ticks a second of a whole frame rate, so that times stay fine enough for any player to round.
_TICKS_PER_FRAME = 1000
# Only bounds FFmpeg's memory: audio fragments are cut again.
_AUDIO_FRAGMENT_MICROSECONDS = 10_000_000

# The edit list, which takes out the delay of B-frames and of the audio encoder, is known once the
# first packets have been seen. CMAF allows negative composition offsets for the former instead
# (FFmpeg's movflag cmaf), but FFmpeg itself, and with it many a player, presents those late.
_MOVFLAGS = "+delay_moov+default_base_moof+skip_trailer"


def video_timescale(frame_rate: Fraction) -> int:
    """Ticks a second in which every frame lasts a whole number of ticks."""
    if frame_rate.numerator < _TICKS_PER_FRAME:
        return frame_rate.numerator * _TICKS_PER_FRAME
    return frame_rate.numerator


def rewrap_video(ffmpeg: Ffmpeg, source: Path, target: Path, frame_rate: Fraction) -> None:
    """Rewraps the video of a file into fragments, one a key frame, without a segment index.

    Raises:
        PackageError: when FFmpeg cannot.
    """
    options = ["-video_track_timescale", str(video_timescale(frame_rate))]
    options += ["-movflags", f"{_MOVFLAGS}+frag_keyframe"]
    _rewrap(ffmpeg, source, target, "v", options)


def rewrap_audio(ffmpeg: Ffmpeg, source: Path, target: Path, language: str) -> None:
    """Rewraps the audio of a file into fragments of any length, without a segment index.

    What the encoder put before the first sample is kept, and left out by an edit list: without it
    the decoder could not rebuild the first samples.

    Raises:
        PackageError: when FFmpeg cannot.
    """
    options = ["-metadata:s:a:0", f"language={iso_639_2(language)}"]
    options += ["-frag_duration", str(_AUDIO_FRAGMENT_MICROSECONDS), "-movflags", _MOVFLAGS]
    _rewrap(ffmpeg, source, target, "a", options)


def _rewrap(ffmpeg: Ffmpeg, source: Path, target: Path, kind: str, options: list[str]) -> None:
    arguments = ["-protocol_whitelist", PROTOCOLS, "-i", f"file:{source.absolute()}"]
    arguments += ["-map", f"0:{kind}:0", "-c", "copy"]
    # Nothing of the machine or the day in the file: the same input gives the same bytes.
    arguments += ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"]
    arguments += [f"-flags:{kind}", "+bitexact", "-write_tmcd", "0"]
    arguments += [*options, "-f", "mp4", f"file:{target.absolute()}"]
    try:
        run(ffmpeg, arguments)
    except ProcessFailed as failure:
        raise PackageError(
            "A rendition could not be packaged",
            where=str(source),
            why=failure.reason,
            hint="The file is damaged or of another kind; encode it anew",
        ) from failure
