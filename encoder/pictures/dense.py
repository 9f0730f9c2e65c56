"""A video of a key frame a second, made from the stills of analysis: for players to scrub with."""

from __future__ import annotations

from pathlib import Path

from encoder.ffmpeg.graph import file_url
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import PROTOCOLS, ProcessFailed, run
from encoder.media.conform import Conform
from encoder.media.pictures import DenseFrames
from encoder.media.stills import still_count, still_distance, still_size
from encoder.pictures.thumbnails import failed

_FILE = Path("dense.mp4")
# Seen for a moment each, and small: some 10 kB a picture.
_CRF = 27
_PRESET = "medium"


def make_dense(
    ffmpeg: Ffmpeg, stills: Path, conform: Conform, frames: int, folder: Path
) -> DenseFrames:
    """Makes the video of a title of so many frames.

    Args:
        ffmpeg: the program.
        stills: a small picture of every second, as analysis keeps them.
        conform: how the title's pictures are; they are SDR.
        frames: how many there are.
        folder: gets the file.

    Raises:
        EncodeError: when FFmpeg fails.
        MachineError: when the disk is full.
    """
    distance = still_distance(conform.frame_rate)
    rate = conform.frame_rate / distance
    count = still_count(frames, conform.frame_rate)
    width, height = still_size(conform)
    # Stills have the full range and the matrix of JPEG.
    chain = (
        "scale=in_color_matrix=smpte170m:in_range=full:out_color_matrix=bt709:out_range=limited"
        ":flags=accurate_rnd+full_chroma_int+bitexact,format=yuv420p,setsar=1"
        f",setparams=colorspace=bt709:range=limited:color_primaries={conform.colour.primaries}"
        f":color_trc={conform.colour.transfer}"
    )
    arguments = ["-protocol_whitelist", PROTOCOLS, "-framerate", str(rate), "-f", "mjpeg"]
    arguments += ["-i", file_url(stills), "-vf", chain, "-frames:v", str(count)]
    # Every picture is an IDR frame. With g=1, x264 claims an intra profile that few players know.
    arguments += ["-c:v", "libx264", "-preset", _PRESET, "-crf", str(_CRF), "-profile:v", "high"]
    arguments += ["-bf", "0", "-g", "250", "-force_key_frames", "expr:1", "-forced-idr", "1"]
    arguments += ["-sc_threshold", "0", "-threads:v", "1", "-flags:v", "+bitexact+cgop"]
    arguments += ["-fflags", "+bitexact", "-map_metadata", "-1", "-f", "mp4", f"file:{_FILE}"]
    try:
        run(ffmpeg, arguments, folder=folder)
    except ProcessFailed as failure:
        raise failed(stills, failure.reason) from failure
    return DenseFrames(width, height, distance, count, _FILE)
