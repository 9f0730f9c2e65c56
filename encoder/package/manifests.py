"""Writes the manifests of a package, from the tracks that lie in its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from encoder.errors import MachineError
from encoder.media.package import (
    USUAL,
    Layout,
    Package,
    PackagedProtection,
    PackagedTrack,
    Packaging,
    Segment,
    Track,
)
from encoder.media.protection import WHOLE, ContentKey, Protected, Protection
from encoder.media.renditions import AudioRendition, Rendition, RenditionSet
from encoder.package.boxes import INITIALISATION, Movie, read_packaged
from encoder.package.check import check_aligned, check_scores, check_segments
from encoder.package.dash import mpd
from encoder.package.dense import as_rendition
from encoder.package.entries import AudioEntry, Entry, VideoEntry, contents, in_hls, url
from encoder.package.hls import (
    extinf,
    iframe_playlist,
    media_playlist,
    multivariant_playlist,
)
from encoder.package.images import image_entry, image_files
from encoder.package.images import packaged as packaged_pictures
from encoder.package.layout import find_track
from encoder.package.protect import key_for
from encoder.package.segments import (
    average_bitrate,
    files_start,
    fragment_times,
    group,
    nearest_fragments,
    peak_bitrate,
    target_duration,
    video_boundaries,
)
from encoder.package.text import text_entries, text_playlist
from encoder.package.whole import padded

HLS_NAME = "master.m3u8"
DASH_NAME = "manifest.mpd"


def write_manifests(
    renditions: RenditionSet,
    into: Path,
    packaging: Packaging = USUAL,
    scores: Mapping[str, float] | None = None,
) -> Package:
    """Writes both manifests and all media playlists of a package whose tracks are there.

    Everything they say is measured on the files. Written again they replace the old ones, each at
    once: that is how scores, which are known only after packaging, get into them.

    Args:
        renditions: what the tracks were made from; the files behind it are not needed.
        into: the folder of the package.
        packaging: as when it was packaged. Its keys have what their owners want players to be told
            of them, and it says whether segments are to be encrypted whole.
        scores: the mean VMAF of every rendition by its id, for HLS's SCORE; none without.

    Raises:
        PackageError: when a track is missing, damaged, or does not fit the others, or only some
            renditions have a score.
        MachineError: when the folder cannot be written to.
    """
    check_scores(renditions, scores)
    layout, protection = packaging.layout, packaging.protection
    keys = protection.keys if protection else ()
    whole = protection if protection and protection.scheme == WHOLE else None
    movies = _found(layout, into, "video", renditions.video, keys)
    tracks = [movie.track for _, movie in movies]
    check_aligned(renditions.video, tracks)
    if layout.segments == "files":
        check_segments(renditions.video, tracks)
        starts = files_start(tracks[0].fragments)
    else:
        starts = video_segments(tracks[0], renditions, packaging.segment_seconds)
    video = [(track, group(track.fragments, starts)) for track in tracks]
    if whole:
        video = [_whole(*one, whole) for one in video]
    times = fragment_times(tracks[0])
    cuts = [times[index] for index in starts]
    sounding = _found(layout, into, "audio", renditions.audio, keys)
    audio = [_sound(movie.track, cuts) for _, movie in sounding]
    if whole:
        audio = [_whole(*one, whole) for one in audio]
    words = text_entries(renditions.text, into, *video[0], layout)
    target = max(target_duration(parts, track.timescale) for track, parts in video + audio)
    rungs = [
        VideoEntry(
            rendition=one,
            track=track,
            place=place,
            segments=parts,
            packaged=_declared(one.id, track, parts, target, into / place),
            score=None if scores is None else scores[one.id],
            iframes=() if whole else _iframes(movie),
        )
        for one, (place, movie), (track, parts) in zip(renditions.video, movies, video, strict=True)
    ]
    sounds = [
        AudioEntry(one, track, place, parts, _declared(one.id, track, parts, target, into / place))
        for one, (place, _), (track, parts) in zip(renditions.audio, sounding, audio, strict=True)
    ]
    dense = None if whole else _dense(layout, into, renditions, target, keys)
    entries: list[Entry] = [*rungs, *sounds]
    heard = contents(sounds)
    in_playlists = contents([one for one in sounds if in_hls(one.track)])
    files = {
        _playlist(entry.track.kind, entry.rendition.id): media_playlist(
            entry.track, entry.segments, target, url(entry.place.name)
        )
        for entry in entries
        if in_hls(entry.track)
    }
    scrubbed = [*([dense] if dense else []), *rungs]
    # Ranges of what is encrypted whole could not be decrypted alone.
    for rung in scrubbed if not whole else ():
        media = f"../{url(rung.place.name)}"
        text = iframe_playlist(rung.track, rung.iframes, media)
        files[Path("video", "iframes", f"{rung.rendition.id}.m3u8")] = text
    with writing(into):
        images = image_entry(renditions, into, layout)
        pictures = packaged_pictures(renditions.pictures, images, into)
    files |= image_files(images)
    for one in words:
        files |= {path: data.decode() for path, data in one.files.items()}
        files[Path("text", f"{one.rendition.id}.m3u8")] = text_playlist(one, target, extinf)
    files[Path(HLS_NAME)] = multivariant_playlist(rungs, in_playlists, images, words, dense)
    if not whole:
        files[Path(DASH_NAME)] = mpd(rungs, heard, times[-1], images, words, dense)
    written = {path: text.encode() for path, text in files.items()}
    with writing(into):
        for path, data in written.items():
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            _replace(into / path, data)
    return Package(
        path=into,
        hls=Path(HLS_NAME),
        dash=None if whole else Path(DASH_NAME),
        bytes=sum(map(len, written.values()))
        + sum(entry.packaged.bytes for entry in entries)
        + sum((into / one.packaged.path).stat().st_size for one in words)
        + (dense.packaged.bytes if dense else 0)
        + pictures.bytes,
        tracks=tuple(entry.packaged for entry in (*entries, *words)),
        pictures=pictures,
        protection=_protection([entry.track for entry in entries]),
    )


def _protection(tracks: Sequence[Track]) -> PackagedProtection | None:
    said = [track.protected for track in tracks if track.protected]
    if not said:
        return None
    first = tracks[0]
    clear = sum(one.duration for one in first.fragments if one.clear)
    kids = tuple(dict.fromkeys(one.kid for one in said))
    return PackagedProtection(said[0].scheme, kids, Fraction(clear, first.timescale))


def video_segments(
    track: Track, renditions: RenditionSet, segment_seconds: Fraction
) -> tuple[int, ...]:
    """The fragments that start a segment, for all renditions alike."""
    rate, shots = renditions.frame_rate, renditions.shots
    return video_boundaries(fragment_times(track), rate, shots, segment_seconds)


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


def _playlist(kind: str, identifier: str) -> Path:
    return Path(kind, f"{identifier}.m3u8")


def _found(
    layout: Layout,
    into: Path,
    kind: str,
    renditions: Sequence[Rendition | AudioRendition],
    keys: Sequence[ContentKey],
) -> list[tuple[Path, Movie]]:
    """The tracks of a kind: where each lies in the package, and what is in it."""
    places = [find_track(layout, into, kind, one.id) for one in renditions]
    return [(place, _signalled(read_packaged(into / place), keys)) for place in places]


def _whole(
    track: Track, segments: Sequence[Segment], protection: Protection
) -> tuple[Track, tuple[Segment, ...]]:
    """A track and its segments as they will be once these are encrypted whole."""
    key = key_for(protection, track.width, track.height, track.channels, track.kind)
    said = Protected(protection.scheme, key.kid, (0, 0), address=key.address)
    return replace(track, protected=said), tuple(padded(one) for one in segments)


def _signalled(movie: Movie, keys: Sequence[ContentKey]) -> Movie:
    """What is in a track, with what is to be told of its key."""
    said = movie.track.protected
    signals = next((one.signals for one in keys if said and one.kid == said.kid), ())
    if said is None or not signals:
        return movie
    return replace(movie, track=replace(movie.track, protected=replace(said, signals=signals)))


def _dense(
    layout: Layout,
    into: Path,
    renditions: RenditionSet,
    target: int,
    keys: Sequence[ContentKey],
) -> VideoEntry | None:
    """The dense I-frame track, where there is one: every fragment is a picture."""
    found = renditions.pictures.dense
    if found is None:
        return None
    rendition = as_rendition(found, renditions.frame_rate)
    ((place, movie),) = _found(layout, into, "video", [rendition], keys)
    track = movie.track
    starts = files_start(track.fragments) if track.files else range(len(track.fragments) + 1)
    parts = group(track.fragments, starts)
    packaged = _declared(rendition.id, track, parts, target, into / place)
    return VideoEntry(rendition, track, place, parts, packaged, None, _iframes(movie))


def _sound(track: Track, cuts: list[Fraction]) -> tuple[Track, tuple[Segment, ...]]:
    """An audio track with its segments: they start at the fragments nearest to the video's."""
    if track.files:
        return track, group(track.fragments, files_start(track.fragments))
    starts = [fragment.start for fragment in track.fragments] + [track.duration]
    return track, group(track.fragments, nearest_fragments(starts, track.timescale, cuts))


def _iframes(movie: Movie) -> tuple[Segment, ...]:
    """What shows the first picture of each fragment: its header and its first sample."""
    return tuple(
        Segment(
            one.offset,
            run.data + run.sizes[0] - one.offset,
            one.start,
            one.duration,
            one.file,
            one.clear,
        )
        for one, run in zip(movie.track.fragments, movie.runs, strict=True)
    )


def _declared(
    identifier: str, track: Track, segments: Sequence[Segment], target: int, place: Path
) -> PackagedTrack:
    many = [place / name for name in (INITIALISATION, *track.files)]
    path = Path(track.kind, place.name)
    if track.files:
        listed = _playlist(track.kind, identifier)
        path = listed if in_hls(track) else path / INITIALISATION
    return PackagedTrack(
        id=identifier,
        kind=track.kind,
        path=path,
        codec_string=track.codec_string,
        average_bitrate=average_bitrate(segments, track.timescale),
        peak_bitrate=peak_bitrate(segments, track.timescale, target),
        bytes=sum(one.stat().st_size for one in (many if track.files else [place])),
        duration=Fraction(track.duration, track.timescale),
        frames=track.samples,
        segments=len(segments),
    )


def _replace(path: Path, data: bytes) -> None:
    """Writes a file so that at every moment the old or the new one is whole."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(data)
    os.replace(beside, path)
