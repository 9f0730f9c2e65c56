"""Renditions -> Package: CMAF tracks written once, and HLS and DASH manifests about them."""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil
from pathlib import Path

from encoder.errors import PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import Package, Track
from encoder.media.renditions import AudioRendition, Rendition, RenditionSet
from encoder.package.boxes import Movie, read_movie
from encoder.package.check import (
    check_aligned,
    check_audio,
    check_scores,
    check_set,
    check_video,
)
from encoder.package.cmaf import rewrap_audio, rewrap_video, write_as_is, write_recut
from encoder.package.manifests import video_segments, write_manifests, writing
from encoder.package.segments import fragment_times, nearest_samples, segment_boundaries

# Audio fragments join those of short shots up to this long, in seconds: what lies between two
# boundaries of the video may be less than its own header is worth.
_AUDIO_FRAGMENT = Fraction(2)


def package(
    ffmpeg: Ffmpeg,
    renditions: RenditionSet,
    into: Path,
    *,
    segment_seconds: Fraction = Fraction(6),
    scores: Mapping[str, float] | None = None,
) -> Package:
    """Makes the package of a set of renditions.

    The folder gets ``master.m3u8``, ``manifest.mpd``, and in ``video`` and ``audio`` one MP4 file
    and one media playlist for every rendition, named by its id.

    Args:
        ffmpeg: the program that rewraps.
        renditions: what to package.
        into: an existing, empty folder; left as it is when this fails, for its maker to remove.
        segment_seconds: how long HLS segments should be; they never are longer, except by the
            rounding to frames, or where a single group of pictures is.
        scores: the mean VMAF of every rendition by its id, for HLS's SCORE; none without.

    Raises:
        PackageError: when the renditions are not what they should be: frames missing, boundaries
            that differ, audio that ends too early, damaged files.
        MachineError: when FFmpeg cannot be run, or the folder cannot be written to.
    """
    check_set(renditions)
    check_scores(renditions, scores)
    with writing(into):
        _start(into)
        with tempfile.TemporaryDirectory(prefix=".rewrapped-", dir=into) as name:
            work = Path(name)
            tracks = [_video(ffmpeg, one, renditions, into, work) for one in renditions.video]
            check_aligned(renditions.video, tracks)
            times = fragment_times(tracks[0])
            starts = video_segments(tracks[0], renditions, segment_seconds)
            for one in renditions.audio:
                _audio(ffmpeg, one, into, work, times, starts)
    return write_manifests(renditions, into, segment_seconds=segment_seconds, scores=scores)


def _start(into: Path) -> None:
    if any(into.iterdir()):
        raise PackageError(
            "The folder of a package must be empty",
            where=str(into),
            why="what is in it was not made here",
            hint="Choose another folder, or empty this one",
        )


def _video(
    ffmpeg: Ffmpeg, rendition: Rendition, renditions: RenditionSet, into: Path, work: Path
) -> Track:
    source, target = work / "video.mp4", into / "video" / f"{rendition.id}.mp4"
    rewrap_video(ffmpeg, rendition.path, source, renditions.frame_rate)
    movie = _rewrapped(source, rendition.path)
    check_video(rendition, movie, renditions)
    target.parent.mkdir(exist_ok=True)
    write_as_is(source, movie, target)
    return movie.track


def _audio(
    ffmpeg: Ffmpeg,
    rendition: AudioRendition,
    into: Path,
    work: Path,
    times: Sequence[Fraction],
    starts: Sequence[int],
) -> None:
    """Writes an audio track whose fragments end nearest to where the video's do."""
    source, target = work / "audio.mp4", into / "audio" / f"{rendition.id}.mp4"
    rewrap_audio(ffmpeg, rendition.path, source, rendition.language)
    movie = _rewrapped(source, rendition.path)
    check_audio(rendition, movie, times[-1])
    target.parent.mkdir(exist_ok=True)
    end = ceil(times[-1] * movie.track.timescale)
    write_recut(source, movie, target, _audio_fragments(movie, times, starts), end)


def _audio_fragments(
    movie: Movie, times: Sequence[Fraction], starts: Sequence[int]
) -> tuple[int, ...]:
    """The samples that start the fragments of an audio track, and the one to stop before.

    Every segment of the video ends a fragment; samples that start after the video has ended are
    left out.

    Args:
        movie: the track.
        times: the boundaries of the video's fragments.
        starts: which of them are boundaries of segments.
    """
    skip, timescale = movie.track.skip, movie.track.timescale
    durations = (length for run in movie.runs for length in run.durations)
    decode = tuple(accumulate(durations, initial=0))
    end = min(bisect_left(decode, times[-1] * timescale + skip), len(decode) - 1)
    wanted: list[Fraction] = []
    for first, stop in pairwise(starts):
        inside = times[first : stop + 1]
        wanted += [inside[i] for i in segment_boundaries(inside, _AUDIO_FRAGMENT)]
    nearest = nearest_samples(decode, skip, timescale, wanted)
    # Every fragment presents something: the first more than what the edit list leaves out.
    inner = {sample for sample in nearest if decode[sample] > skip and sample < end}
    return (0, *sorted(inner), end)


def _rewrapped(source: Path, original: Path) -> Movie:
    """What FFmpeg made of a file. What is wrong with it is wrong with the file."""
    try:
        return read_movie(source, indexed=False)
    except PackageError as error:
        raise PackageError(
            "A rendition cannot be packaged",
            where=str(original),
            why=error.why,
            hint="The file is damaged or not cut as it should be; encode it anew",
        ) from error
