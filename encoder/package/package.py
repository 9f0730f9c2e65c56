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
from encoder.media.renditions import RenditionSet
from encoder.package.boxes import Movie, read_movie
from encoder.package.check import (
    check_aligned,
    check_audio,
    check_scores,
    check_set,
    check_video,
    fragment_frames,
)
from encoder.package.cmaf import write_track
from encoder.package.manifests import video_segments, write_manifests, writing
from encoder.package.rewrap import rewrap_audio, rewrap_video
from encoder.package.segments import fragment_times, nearest_samples, segment_boundaries

# Groups of pictures of short shots are joined to fragments of about this long, in seconds, because
# a fragment is what DASH players ask for: hundredths of a second are not worth a request, and
# players stumble over them. A group of pictures may be as long, so that some go beyond.
_FRAGMENT = Fraction(2)
_FRAGMENT_TOLERANCE = Fraction(1)


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
            tracks: list[Track] = []
            for rung in renditions.video:
                source = work / "video.mp4"
                rewrap_video(ffmpeg, rung.path, source, renditions.frame_rate)
                movie = _rewrapped(source, rung.path)
                check_video(rung, movie, renditions)
                tracks.append(movie.track)
                check_aligned(renditions.video, tracks)
                times, frames = _fragments(tracks[0], renditions, segment_seconds)
                write_track(source, movie, _track_file(into, "video", rung.id), frames)
            for sound in renditions.audio:
                source = work / "audio.mp4"
                rewrap_audio(ffmpeg, sound.path, source, sound.language)
                movie = _rewrapped(source, sound.path)
                check_audio(sound, movie, times[-1])
                samples = _audio_fragments(movie, times)
                end = ceil(times[-1] * movie.track.timescale)
                write_track(source, movie, _track_file(into, "audio", sound.id), samples, end)
    return write_manifests(renditions, into, segment_seconds=segment_seconds, scores=scores)


def _start(into: Path) -> None:
    if any(into.iterdir()):
        raise PackageError(
            "The folder of a package must be empty",
            where=str(into),
            why="what is in it was not made here",
            hint="Choose another folder, or empty this one",
        )


def _track_file(into: Path, kind: str, identifier: str) -> Path:
    path = into / kind / f"{identifier}.mp4"
    path.parent.mkdir(exist_ok=True)
    return path


def _fragments(
    track: Track, renditions: RenditionSet, segment_seconds: Fraction
) -> tuple[tuple[Fraction, ...], tuple[int, ...]]:
    """Where the video's fragments start: times in seconds and frames, both with their end.

    Args:
        track: with a fragment for every group of pictures.
        renditions: what is packaged.
        segment_seconds: how long segments should be; fragments do not reach across them.
    """
    times = fragment_times(track)
    frames = (*fragment_frames(track), track.samples)
    chosen = [0]
    for first, stop in pairwise(video_segments(track, renditions, segment_seconds)):
        inside = times[first : stop + 1]
        cuts = segment_boundaries(inside, _FRAGMENT, _FRAGMENT_TOLERANCE)
        chosen += [first + cut for cut in cuts[1:]]
    return tuple(times[i] for i in chosen), tuple(frames[i] for i in chosen)


def _audio_fragments(movie: Movie, times: Sequence[Fraction]) -> tuple[int, ...]:
    """The samples that start the fragments of an audio track, and the one to stop before.

    They start nearest to the video's; samples that start after the video has ended are left out.

    Args:
        movie: the track.
        times: where the video's fragments start, and where the last one ends.
    """
    skip, timescale = movie.track.skip, movie.track.timescale
    durations = (length for run in movie.runs for length in run.durations)
    decode = tuple(accumulate(durations, initial=0))
    end = min(bisect_left(decode, times[-1] * timescale + skip), len(decode) - 1)
    nearest = nearest_samples(decode, skip, timescale, times[1:-1])
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
