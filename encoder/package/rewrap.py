"""Rewraps renditions into fragmented MP4 with FFmpeg, without coding anything again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from encoder.errors import PackageError
from encoder.ffmpeg.graph import FORMAT_WHITELIST
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import PROTOCOLS, ProcessFailed, run
from encoder.media.languages import iso_639_2

# Ticks a second of a whole frame rate, so that times stay fine enough for any player to round.
_TICKS_PER_FRAME = 1000
# Only bounds FFmpeg's memory: audio fragments are cut again.
_AUDIO_FRAGMENT_MICROSECONDS = 10_000_000
# What may lie on the disk a second time; of larger files, one at a time.
_BATCH_BYTES = 256 << 20

# The edit list, which takes out the delay of B-frames and of the audio encoder, is known once the
# first packets have been seen. CMAF allows negative composition offsets for the former instead
# (FFmpeg's movflag cmaf), but FFmpeg itself, and with it many a player, presents those late.
# Anybody's file: only formats that are one file, and its times as the container has them.
_AS_IT_IS = ("-format_whitelist", FORMAT_WHITELIST, "-copyts")

_MOVFLAGS = "+delay_moov+default_base_moof+skip_trailer"


def video_timescale(frame_rate: Fraction) -> int:
    """Ticks a second in which every frame lasts a whole number of ticks."""
    if frame_rate.numerator < _TICKS_PER_FRAME:
        return frame_rate.numerator * _TICKS_PER_FRAME
    return frame_rate.numerator


@dataclass(frozen=True, slots=True)
class Rewrap:
    """What is copied of a file, and how.

    ``stream`` and ``kind`` are FFmpeg's specifiers of the stream in the file and of its kind;
    ``options`` are of the output, ``reading`` of the input.
    """

    source: Path
    stream: str
    kind: str
    options: tuple[str, ...]
    reading: tuple[str, ...] = ()


def video_rewrap(source: Path, frame_rate: Fraction) -> Rewrap:
    """The video of a file in fragments, one a key frame, without a segment index."""
    options = ("-video_track_timescale", str(video_timescale(frame_rate)))
    return Rewrap(source, "v:0", "v", (*options, "-movflags", f"{_MOVFLAGS}+frag_keyframe"))


def audio_rewrap(source: Path, language: str) -> Rewrap:
    """The audio of a file in fragments of any length, without a segment index.

    What the encoder put before the first sample is kept, and left out by an edit list: without it
    the decoder could not rebuild the first samples.
    """
    options: tuple[str, ...] = ("-metadata:s:a:0", f"language={iso_639_2(language)}")
    options += ("-frag_duration", str(_AUDIO_FRAGMENT_MICROSECONDS), "-movflags", _MOVFLAGS)
    return Rewrap(source, "a:0", "a", options)


def rewrapped(ffmpeg: Ffmpeg, jobs: Sequence[Rewrap], work: Path) -> Iterator[Path]:
    """Makes a file of each job, in order; it goes when the next one is asked for.

    Small ones are made by one process, whose start costs more than they do.

    Args:
        ffmpeg: the program.
        jobs: what is to be rewrapped.
        work: an existing folder for the files.

    Raises:
        PackageError: when FFmpeg cannot.
    """
    for batch in _batches(jobs):
        made = [(job, work / f"{number}.mp4") for number, job in enumerate(batch)]
        _rewrap(ffmpeg, made)
        for _, path in made:
            yield path
            path.unlink()


def _batches(jobs: Sequence[Rewrap]) -> Iterator[list[Rewrap]]:
    """Jobs that may lie beside each other, by the sizes of what they copy."""
    batch: list[Rewrap] = []
    size = 0
    for job in jobs:
        # One that is not there is for FFmpeg to tell of.
        own = job.source.stat().st_size if job.source.exists() else 0
        if batch and size + own > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(job)
        size += own
    yield batch


def rewrap_marked(ffmpeg: Ffmpeg, source: Path, target: Path) -> None:
    """Rewraps the video of a fragmented file as FFmpeg encrypts it, under a key of zeros: for what
    its ``senc`` boxes say of the samples alone.

    Raises:
        PackageError: when FFmpeg cannot.
    """
    nothing = bytes(16).hex()
    options: tuple[str, ...] = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", nothing)
    options += ("-encryption_kid", nothing, "-movflags", f"{_MOVFLAGS}+frag_keyframe")
    _rewrap(ffmpeg, [(Rewrap(source, "v:0", "v", options), target)])


def retime_video(
    ffmpeg: Ffmpeg,
    source: Path,
    index: int,
    target: Path,
    *,
    codec: str,
    frame_rate: Fraction,
    delay: int,
) -> None:
    """Copies a video stream of any container into an MP4 file, whose first picture is shown at 0
    and all of whose pictures are shown exactly at their places.

    Other containers round times to milliseconds or to ticks of 90 kHz.

    Args:
        ffmpeg: the program.
        source: the file.
        index: of the stream.
        target: the file to make.
        codec: FFmpeg's name of the coding.
        frame_rate: every picture is less than half a frame from its place at it.
        delay: by how many frames decoding is ahead of presentation.

    Raises:
        PackageError: when FFmpeg cannot.
    """
    timescale = video_timescale(frame_rate)
    frame = int(timescale / frame_rate)
    options: tuple[str, ...] = ("-video_track_timescale", str(timescale))
    if codec == "hevc":
        # Parameter sets in the sample entry, as Apple's devices want them.
        options += ("-tag:v", "hvc1")
    draft = target.with_name(f"{target.name}.draft")
    _rewrap(ffmpeg, [(Rewrap(source, str(index), "v", options, _AS_IT_IS), draft)])
    # Only in ticks that are fine enough can times be said exactly: they are those of the file read.
    place = f"round((PTS-STARTPTS)/{frame})"
    times = f"setts=pts={frame}*{place}:dts={frame}*(N-{delay}):duration={frame}"
    _rewrap(ffmpeg, [(Rewrap(draft, "v:0", "v", (*options, "-bsf:v", times)), target)])
    draft.unlink()


def shift_audio(ffmpeg: Ffmpeg, source: Path, index: int, target: Path, origin: Fraction) -> None:
    """Copies an audio stream of any container into an MP4 file in which a time of it is 0.

    What is before that is left out by an edit list.

    Args:
        ffmpeg: the program.
        source: the file.
        index: of the stream.
        target: the file to make.
        origin: the time, in seconds.

    Raises:
        PackageError: when FFmpeg cannot.
    """
    shift = f"round({origin.numerator}/{origin.denominator}/TB)"
    options = ("-bsf:a", f"setts=ts=TS-({shift})")
    _rewrap(ffmpeg, [(Rewrap(source, str(index), "a", options, _AS_IT_IS), target)])


def _rewrap(ffmpeg: Ffmpeg, jobs: Sequence[tuple[Rewrap, Path]]) -> None:
    """Rewraps files in one process, each into the file beside it."""
    arguments: list[str] = []
    for job, _ in jobs:
        arguments += ["-protocol_whitelist", PROTOCOLS, *job.reading]
        arguments += ["-i", f"file:{job.source.absolute()}"]
    for number, (job, target) in enumerate(jobs):
        arguments += ["-map", f"{number}:{job.stream}", "-c", "copy"]
        # Nothing of the machine or the day in the file: the same input gives the same bytes.
        arguments += ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"]
        arguments += [f"-flags:{job.kind}", "+bitexact", "-write_tmcd", "0"]
        arguments += [*job.options, "-f", "mp4", f"file:{target.absolute()}"]
    try:
        run(ffmpeg, arguments)
    except ProcessFailed as failure:
        if len(jobs) > 1:
            # One by one, which tells whose fault it is.
            for one in jobs:
                _rewrap(ffmpeg, [one])
            return
        raise PackageError(
            "A rendition could not be packaged",
            where=str(jobs[0][0].source),
            why=failure.reason,
            hint="The file is damaged or of another kind; encode it anew",
        ) from failure
