"""Writes the manifests of a package, from the tracks that lie in its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from encoder.errors import MachineError
from encoder.media.package import Package, PackagedTrack, Segment, Track
from encoder.media.renditions import RenditionSet
from encoder.package.boxes import Movie, read_movie, read_track
from encoder.package.check import check_aligned, check_scores
from encoder.package.dash import mpd
from encoder.package.entries import AudioEntry, Entry, VideoEntry, contents, url
from encoder.package.hls import iframe_playlist, media_playlist, multivariant_playlist
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


def write_manifests(
    renditions: RenditionSet,
    into: Path,
    *,
    segment_seconds: Fraction = Fraction(6),
    scores: Mapping[str, float] | None = None,
) -> Package:
    """Writes both manifests and all media playlists of a package whose tracks are there.

    Everything they say is measured on the files. Written again they replace the old ones, each at
    once: that is how scores, which are known only after packaging, get into them.

    Args:
        renditions: what the tracks were made from; the files behind it are not needed.
        into: the folder of the package.
        segment_seconds: as when it was packaged.
        scores: the mean VMAF of every rendition by its id, for HLS's SCORE; none without.

    Raises:
        PackageError: when a track is missing, damaged, or does not fit the others, or only some
            renditions have a score.
        MachineError: when the folder cannot be written to.
    """
    check_scores(renditions, scores)
    movies = [read_movie(into / _file("video", one.id)) for one in renditions.video]
    tracks = [movie.track for movie in movies]
    check_aligned(renditions.video, tracks)
    starts = video_segments(tracks[0], renditions, segment_seconds)
    video = [(track, group(track.fragments, starts)) for track in tracks]
    times = fragment_times(tracks[0])
    cuts = [times[index] for index in starts]
    audio = [_sound(read_track(into / _file("audio", one.id)), cuts) for one in renditions.audio]
    target = max(target_duration(parts, track.timescale) for track, parts in video + audio)
    rungs = [
        VideoEntry(
            rendition=one,
            track=track,
            segments=parts,
            packaged=_declared(one.id, track, parts, target, into),
            score=None if scores is None else scores[one.id],
            iframes=_iframes(movie),
        )
        for one, movie, (track, parts) in zip(renditions.video, movies, video, strict=True)
    ]
    sounds = [
        AudioEntry(one, track, parts, _declared(one.id, track, parts, target, into))
        for one, (track, parts) in zip(renditions.audio, audio, strict=True)
    ]
    entries: list[Entry] = [*rungs, *sounds]
    heard = contents(sounds)
    files = {
        entry.packaged.path.with_suffix(".m3u8"): media_playlist(
            entry.track, entry.segments, target, url(entry.packaged.path.name)
        )
        for entry in entries
    }
    for rung in rungs:
        media = f"../{url(rung.packaged.path.name)}"
        text = iframe_playlist(rung.track, rung.iframes, media)
        files[Path("video", "iframes", f"{rung.rendition.id}.m3u8")] = text
    files[Path(HLS_NAME)] = multivariant_playlist(rungs, heard)
    files[Path(DASH_NAME)] = mpd(rungs, heard, times[-1])
    written = {path: text.encode() for path, text in files.items()}
    with writing(into):
        (into / "video" / "iframes").mkdir(exist_ok=True)
        for path, data in written.items():
            _replace(into / path, data)
    return Package(
        path=into,
        hls=Path(HLS_NAME),
        dash=Path(DASH_NAME),
        bytes=sum(map(len, written.values())) + sum(entry.packaged.bytes for entry in entries),
        tracks=tuple(entry.packaged for entry in entries),
    )


def video_segments(
    track: Track, renditions: RenditionSet, segment_seconds: Fraction
) -> tuple[int, ...]:
    """The fragments that start a segment, for all renditions alike."""
    # Half a frame of grace: six seconds of 29.97 frames a second are a little more.
    grace = 1 / renditions.frame_rate / 2
    return segment_boundaries(fragment_times(track), segment_seconds, grace)


@contextmanager
def writing(into: Path) -> Iterator[None]:
    """Turns what the system says while the package is written into an error to act on.

    Raises:
        MachineError: instead of OSError.
    """
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


def _file(kind: str, identifier: str) -> Path:
    return Path(kind, f"{identifier}.mp4")


def _sound(track: Track, cuts: list[Fraction]) -> tuple[Track, tuple[Segment, ...]]:
    """An audio track with its segments: they start at the fragments nearest to the video's."""
    starts = [fragment.start for fragment in track.fragments] + [track.duration]
    count = len(track.fragments)
    nearest = nearest_samples(starts, 0, track.timescale, cuts[1:-1])
    inner = {fragment for fragment in nearest if 0 < fragment < count}
    return track, group(track.fragments, (0, *sorted(inner), count))


def _iframes(movie: Movie) -> tuple[Segment, ...]:
    """What shows the first picture of each fragment: its header and its first sample."""
    return tuple(
        Segment(one.offset, run.data + run.sizes[0] - one.offset, one.start, one.duration)
        for one, run in zip(movie.track.fragments, movie.runs, strict=True)
    )


def _declared(
    identifier: str, track: Track, segments: Sequence[Segment], target: int, into: Path
) -> PackagedTrack:
    path = _file(track.kind, identifier)
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


def _replace(path: Path, data: bytes) -> None:
    """Writes a file so that at every moment the old or the new one is whole."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    os.replace(beside, path)
