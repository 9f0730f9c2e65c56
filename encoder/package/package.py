"""Renditions -> Package: CMAF tracks written once, and HLS and DASH manifests about them."""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil
from pathlib import Path

from encoder.errors import MachineError, PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import Package, PackagedTrack, Segment, Track
from encoder.media.renditions import AudioRendition, Rendition, RenditionSet
from encoder.package.boxes import Movie, read_movie, read_track
from encoder.package.check import check_aligned, check_audio, check_set, check_video
from encoder.package.cmaf import rewrap_audio, rewrap_video, write_as_is, write_recut
from encoder.package.dash import mpd
from encoder.package.entries import AudioEntry, Entry, VideoEntry, contents, url
from encoder.package.hls import media_playlist, multivariant_playlist
from encoder.package.segments import (
    average_bitrate,
    fragment_times,
    group,
    nearest_samples,
    peak_bitrate,
    segment_boundaries,
    target_duration,
)

HLS_NAME = "master.m3u8"
DASH_NAME = "manifest.mpd"

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
    if scores is not None and (missing := {r.id for r in renditions.video} - scores.keys()):
        raise PackageError(
            "Scores must be of all renditions or of none",
            where=", ".join(sorted(missing)),
            why="these have none",
            hint="Score them too",
        )
    with _writing(into):
        _start(into)
        with tempfile.TemporaryDirectory(prefix=".rewrapped-", dir=into) as name:
            work = Path(name)
            tracks = [_video(ffmpeg, one, renditions, into, work) for one in renditions.video]
            check_aligned(renditions.video, tracks)
            times = fragment_times(tracks[0])
            # Half a frame of grace: six seconds of 29.97 frames a second are a little more.
            starts = segment_boundaries(times, segment_seconds, 1 / renditions.frame_rate / 2)
            cut = [(track, group(track.fragments, starts)) for track in tracks]
            sound = [_audio(ffmpeg, one, into, work, times, starts) for one in renditions.audio]
        target = max(target_duration(parts, track.timescale) for track, parts in cut + sound)
        rungs = [
            VideoEntry(
                one,
                track,
                parts,
                _declared(one.id, track, parts, target, into),
                scores[one.id] if scores is not None else None,
            )
            for one, (track, parts) in zip(renditions.video, cut, strict=True)
        ]
        sounds = [
            AudioEntry(one, track, parts, _declared(one.id, track, parts, target, into))
            for one, (track, parts) in zip(renditions.audio, sound, strict=True)
        ]
        return _publish(rungs, sounds, into, target)


@contextmanager
def _writing(into: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MachineError(
            "The package cannot be written",
            where=str(into),
            why=str(error),
            hint="Make sure that there is room and that the folder may be written to, and run the "
            "same command again",
        ) from error


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
    return read_track(target)


def _audio(
    ffmpeg: Ffmpeg,
    rendition: AudioRendition,
    into: Path,
    work: Path,
    times: Sequence[Fraction],
    starts: Sequence[int],
) -> tuple[Track, tuple[Segment, ...]]:
    """An audio track whose fragments and segments end nearest to where the video's do."""
    source, target = work / "audio.mp4", into / "audio" / f"{rendition.id}.mp4"
    rewrap_audio(ffmpeg, rendition.path, source, rendition.language)
    movie = _rewrapped(source, rendition.path)
    check_audio(rendition, movie, times[-1])
    fragments, segments = _audio_cuts(movie, times, starts)
    target.parent.mkdir(exist_ok=True)
    end = ceil(times[-1] * movie.track.timescale)
    write_recut(source, movie, target, fragments, end)
    track = read_track(target)
    return track, group(track.fragments, [fragments.index(sample) for sample in segments])


def _audio_cuts(
    movie: Movie, times: Sequence[Fraction], starts: Sequence[int]
) -> tuple[list[int], list[int]]:
    """The samples that start fragments, and those of them that start segments; each with an end.

    Samples that start after the video has ended are left out.
    """
    durations = (length for run in movie.runs for length in run.durations)
    decode = list(accumulate(durations, initial=0))

    def samples(wanted: Sequence[Fraction]) -> list[int]:
        nearest = nearest_samples(decode, movie.track.skip, movie.track.timescale, wanted)
        # Every piece presents something: the first more than what the edit list leaves out.
        inner = {n for n in nearest if decode[n] > movie.track.skip and n < end}
        return [0, *sorted(inner), end]

    last = times[-1] * movie.track.timescale + movie.track.skip
    end = min(bisect_left(decode, last), len(decode) - 1)
    segments = samples([times[index] for index in starts[1:-1]])
    fragments: list[Fraction] = []
    for first, stop in pairwise(starts):
        inside = times[first : stop + 1]
        fragments += [inside[i] for i in segment_boundaries(inside, _AUDIO_FRAGMENT)]
    return samples(fragments[1:-1]), segments


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


def _declared(
    identifier: str, track: Track, segments: Sequence[Segment], target: int, into: Path
) -> PackagedTrack:
    path = Path(track.kind, f"{identifier}.mp4")
    return PackagedTrack(
        id=identifier,
        kind=track.kind,
        path=path,
        codec_string=track.codec_string,
        average_bitrate=average_bitrate(segments, track.timescale),
        peak_bitrate=peak_bitrate(segments, track.timescale, target),
        bytes=(into / path).stat().st_size,
        duration=Fraction(track.duration, track.timescale),
        frames=track.samples,
        segments=len(segments),
    )


def _publish(
    video: Sequence[VideoEntry], audio: Sequence[AudioEntry], into: Path, target: int
) -> Package:
    entries: list[Entry] = [*video, *audio]
    for entry in entries:
        playlist = media_playlist(
            entry.track, entry.segments, target, url(entry.packaged.path.name)
        )
        (into / entry.packaged.path.with_suffix(".m3u8")).write_text(playlist, encoding="utf-8")
    heard = contents(audio)
    (into / HLS_NAME).write_text(multivariant_playlist(video, heard), encoding="utf-8")
    duration = max(entry.packaged.duration for entry in video)
    (into / DASH_NAME).write_bytes(mpd(video, heard, duration))
    return Package(
        path=into,
        hls=Path(HLS_NAME),
        dash=Path(DASH_NAME),
        bytes=sum(path.stat().st_size for path in into.rglob("*") if path.is_file()),
        tracks=tuple(entry.packaged for entry in entries),
    )
