"""Renditions -> Package: CMAF tracks written once, and HLS and DASH manifests about them."""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil
from pathlib import Path

from encoder.errors import PackageError
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import USUAL, Layout, Package, Packaging, Track
from encoder.media.protection import WHOLE, Protection
from encoder.media.renditions import RenditionSet
from encoder.package.av1_tiles import tile_ranges
from encoder.package.boxes import Movie, read_movie
from encoder.package.check import (
    check_aligned,
    check_audio,
    check_scores,
    check_set,
    check_video,
    fragment_frames,
)
from encoder.package.cmaf import write_segments, write_track
from encoder.package.dense import DENSE_ID, check_dense, until
from encoder.package.images import copy_pictures
from encoder.package.layout import track_place
from encoder.package.lead import check_lead, clear_segments
from encoder.package.manifests import video_segments, write_manifests, writing
from encoder.package.protect import Sealed, check_protection, seal
from encoder.package.rewrap import audio_rewrap, rewrapped, video_rewrap
from encoder.package.segments import (
    fragment_times,
    nearest_fragments,
    nearest_samples,
    segment_boundaries,
    segment_starts,
)
from encoder.package.text import write_whole
from encoder.package.units import Range
from encoder.package.whole import encrypt_whole

# Groups of pictures of short shots are joined to fragments of about this long, in seconds, because
# a fragment is what DASH players ask for: hundredths of a second are not worth a request, and
# players stumble over them. A group of pictures may be as long, so that some go beyond.
_FRAGMENT = Fraction(2)
_FRAGMENT_TOLERANCE = Fraction(1)


def package(
    ffmpeg: Ffmpeg,
    renditions: RenditionSet,
    into: Path,
    packaging: Packaging = USUAL,
    scores: Mapping[str, float] | None = None,
) -> Package:
    """Makes the package of a set of renditions.

    The folder gets ``master.m3u8``, ``manifest.mpd``, and in ``video`` and ``audio`` one MP4 file,
    or a folder of segments, and one media playlist for every rendition, named by its id; in
    ``text`` a WebVTT file, and segments of it in a folder of their own.

    Args:
        ffmpeg: the program that rewraps.
        renditions: what to package.
        into: an existing, empty folder; left as it is when this fails, for its maker to remove.
        packaging: how.
        scores: the mean VMAF of every rendition by its id, for HLS's SCORE; none without.

    Raises:
        PackageError: when the renditions are not what they should be: frames missing, boundaries
            that differ, audio that ends too early, damaged files.
        MachineError: when FFmpeg cannot be run, the folder cannot be written to, or what encrypts
            is not installed.
    """
    check_scores(renditions, scores)
    write_tracks(ffmpeg, renditions, into, packaging)
    return conclude(renditions, into, packaging, scores)


def write_tracks(
    ffmpeg: Ffmpeg,
    renditions: RenditionSet,
    into: Path,
    packaging: Packaging = USUAL,
    twins: Path | None = None,
) -> None:
    """Writes all of a package but its manifests: what :func:`conclude` is to be called with next.

    Args:
        ffmpeg: as for :func:`package`.
        renditions: as for :func:`package`.
        into: as for :func:`package`.
        packaging: as for :func:`package`.
        twins: an existing folder that gets every rung as a file ``<id>.mp4`` that is not encrypted,
            with the fragments of the published one: what is encrypted cannot be looked at.

    Raises:
        PackageError: as :func:`package`.
        MachineError: as :func:`package`.
    """
    layout, protection = packaging.layout, packaging.protection
    if protection is not None:
        check_protection()
    whole = _is_whole(protection)
    sealing = None if whole else protection
    if whole:
        renditions = _heard_in_hls(renditions)
    check_set(renditions, layout)
    rung, rate, shots = renditions.video[0], renditions.frame_rate, renditions.shots
    seconds = packaging.segment_seconds
    expected = segment_starts(rung.keyframes, renditions.frames, rate, shots, seconds)
    check_lead(protection, expected, str(rung.path))
    dense = renditions.pictures.dense
    with writing(into):
        _start(into)
        copy_pictures(renditions.pictures, into, layout)
        with tempfile.TemporaryDirectory(prefix=".rewrapped-", dir=into) as name:
            work = Path(name)
            pictures = [one.path for one in renditions.video]
            pictures += [dense.path] if dense else []
            jobs = [video_rewrap(path, rate) for path in pictures]
            jobs += [audio_rewrap(one.path, one.language) for one in renditions.audio]
            sources = rewrapped(ffmpeg, jobs, work)
            tracks: list[Track] = []
            for rung in renditions.video:
                source = next(sources)
                movie = _rewrapped(source, rung.path)
                check_video(rung, movie, renditions)
                tracks.append(movie.track)
                check_aligned(renditions.video, tracks)
                cut = _fragments(tracks[0], renditions, seconds)
                parts = cut.frames, cut.segments
                if twins is not None:
                    write_track(source, movie, twins / f"{rung.id}.mp4", cut.frames)
                tiles = _tiles(ffmpeg, source, movie, work) if sealing else []
                sealed = _seal(source, movie, rung.path, sealing, cut, parts, tiles)
                _write(source, movie, into, layout, rung.id, parts, sealed=sealed)
            if dense is not None:
                source = next(sources)
                movie = _rewrapped(source, dense.path)
                check_dense(dense, movie, renditions.frame_rate)
                movie = until(movie, ceil(cut.times[-1] * movie.track.timescale))
                parts = _dense_fragments(movie, cut)
                sealed = _seal(source, movie, dense.path, sealing, cut, parts)
                _write(source, movie, into, layout, DENSE_ID, parts, sealed=sealed)
            for sound in renditions.audio:
                source = next(sources)
                movie = _rewrapped(source, sound.path)
                check_audio(sound, movie, cut.times[-1])
                end = ceil(cut.times[-1] * movie.track.timescale)
                parts = _audio_fragments(movie, cut)
                sealed = _seal(source, movie, sound.path, sealing, cut, parts)
                _write(source, movie, into, layout, sound.id, parts, end, sealed)
            for words in renditions.text:
                write_whole(words, into, layout)


def conclude(
    renditions: RenditionSet,
    into: Path,
    packaging: Packaging = USUAL,
    scores: Mapping[str, float] | None = None,
) -> Package:
    """Writes the manifests of what :func:`write_tracks` wrote; encrypts what is encrypted whole.

    Args:
        renditions: as for :func:`package`.
        into: the folder with the tracks.
        packaging: as when they were written.
        scores: as for :func:`package`.

    Raises:
        PackageError: as :func:`package`.
        MachineError: as :func:`package`.
    """
    protection = packaging.protection
    whole = _is_whole(protection)
    known = _heard_in_hls(renditions) if whole else renditions
    made = write_manifests(known, into, packaging, scores)
    if protection is None or not whole:
        return made
    with writing(into):
        return encrypt_whole(made, packaging.layout, protection)


def _is_whole(protection: Protection | None) -> bool:
    return protection is not None and protection.scheme == WHOLE


def _heard_in_hls(renditions: RenditionSet) -> RenditionSet:
    """Without what HLS does not take, and what could not be decrypted alone."""
    audio = tuple(one for one in renditions.audio if one.codec != "opus")
    pictures = replace(renditions.pictures, dense=None)
    return replace(renditions, audio=audio, pictures=pictures)


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where the video's fragments start, in seconds and in frames, each with the end; and which of
    them start a segment, with their number."""

    times: tuple[Fraction, ...]
    frames: tuple[int, ...]
    segments: tuple[int, ...]


def _start(into: Path) -> None:
    if any(into.iterdir()):
        raise PackageError(
            "The folder of a package must be empty",
            where=str(into),
            why="what is in it was not made here",
            hint="Choose another folder, or empty this one",
        )


def _write(
    source: Path,
    movie: Movie,
    into: Path,
    layout: Layout,
    identifier: str,
    cut: tuple[tuple[int, ...], tuple[int, ...]],
    end: int | None = None,
    sealed: Sealed | None = None,
) -> None:
    """Writes a track where it belongs: the samples that start its fragments, and the fragments
    that start its segments, are given."""
    starts, segments = cut
    kind = movie.track.kind
    place = into / track_place(layout, kind, identifier)
    place.parent.mkdir(exist_ok=True)
    if layout.segments == "files":
        digest = write_segments(source, movie, place, starts, segments, end, sealed)
    else:
        digest = write_track(source, movie, place, starts, end, sealed)
    if layout.names == "hash":
        place.rename(into / track_place(layout, kind, identifier, digest))


def _seal(
    source: Path,
    movie: Movie,
    original: Path,
    protection: Protection | None,
    cut: _Cut,
    parts: tuple[tuple[int, ...], tuple[int, ...]],
    tiles: Sequence[tuple[Range, ...]] = (),
) -> Sealed | None:
    """Encrypts a track behind the segments that stay clear: those that start within the lead."""
    if protection is None:
        return None
    starts, segments = parts
    number = clear_segments(protection, [cut.times[one] for one in cut.segments[:-1]])
    clear = starts[segments[min(number, len(segments) - 1)]]
    return seal(source, movie, original, protection, clear, tiles)


def _tiles(ffmpeg: Ffmpeg, source: Path, movie: Movie, work: Path) -> list[tuple[Range, ...]]:
    av1 = movie.track.codec_string.startswith("av01.")
    return tile_ranges(ffmpeg, source, work) if av1 else []


def _fragments(track: Track, renditions: RenditionSet, segment_seconds: Fraction) -> _Cut:
    """Where the video is cut.

    Args:
        track: with a fragment for every group of pictures.
        renditions: what is packaged.
        segment_seconds: how long segments should be; fragments do not reach across them.
    """
    times = fragment_times(track)
    frames = (*fragment_frames(track), track.samples)
    chosen = [0]
    starts = [0]
    for first, stop in pairwise(video_segments(track, renditions, segment_seconds)):
        inside = times[first : stop + 1]
        cuts = segment_boundaries(inside, _FRAGMENT, _FRAGMENT_TOLERANCE)
        chosen += [first + cut for cut in cuts[1:]]
        starts.append(len(chosen) - 1)
    return _Cut(tuple(times[i] for i in chosen), tuple(frames[i] for i in chosen), tuple(starts))


def _audio_fragments(movie: Movie, cut: _Cut) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The samples that start the fragments of an audio track, and the one to stop before; and the
    fragments that start its segments, with their number.

    They start nearest to the video's; samples that start after the video has ended are left out.

    Args:
        movie: the track.
        cut: where the video is cut.
    """
    times = cut.times
    skip, timescale = movie.track.skip, movie.track.timescale
    durations = (length for run in movie.runs for length in run.durations)
    decode = tuple(accumulate(durations, initial=0))
    end = min(bisect_left(decode, times[-1] * timescale + skip), len(decode) - 1)
    nearest = nearest_samples(decode, skip, timescale, times[1:-1])
    # Every fragment presents something: the first more than what the edit list leaves out.
    inner = {sample for sample in nearest if decode[sample] > skip and sample < end}
    samples = (0, *sorted(inner), end)
    starts = [max(0, decode[sample] - skip) for sample in samples]
    return samples, nearest_fragments(starts, timescale, [times[i] for i in cut.segments])


def _dense_fragments(movie: Movie, cut: _Cut) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The pictures that start fragments, which is all, and those that start segments."""
    starts = [run.decode_start for run in movie.runs]
    ends = [*starts, ceil(cut.times[-1] * movie.track.timescale)]
    times = [cut.times[i] for i in cut.segments]
    return tuple(range(len(ends))), nearest_fragments(ends, movie.track.timescale, times)


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
