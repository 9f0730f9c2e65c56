"""What must hold of tracks before manifests are written about them.

These checks hold renditions against what their maker says of them, and name the frames at fault.
What finished files show of themselves is verified afterwards, by rules that hold for any package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate

from encoder.errors import PackageError
from encoder.media.package import BYTE_RANGES, Layout, Track
from encoder.media.renditions import AudioRendition, Rendition, RenditionSet
from encoder.package.boxes import Movie
from encoder.package.dense import DENSE_ID
from encoder.package.segments import files_start

# More would not help anybody to find the cause.
_MOST_NAMED = 8


def check_set(renditions: RenditionSet, layout: Layout = BYTE_RANGES) -> None:
    """Makes sure that the set can be a package at all: some video, ids usable as file names.

    Raises:
        PackageError: when it cannot.
    """
    if not renditions.video:
        raise PackageError(
            "There is nothing to package",
            why="the set has no video rendition",
            hint="Encode at least one rung",
        )
    seen: set[str] = set()
    # What lies beside the tracks in their folder.
    taken = {"iframes"} if layout.segments == "files" else set[str]()
    if renditions.pictures.dense is not None:
        taken.add(DENSE_ID)
    every: list[Rendition | AudioRendition] = [*renditions.video, *renditions.audio]
    for one in every:
        if not one.id or one.id.startswith(".") or "/" in one.id or not one.id.isprintable():
            raise PackageError(
                "A rendition's id cannot be a file name",
                where=one.id,
                why="ids name the files of the package",
                hint="Use letters, digits, hyphens",
            )
        if one.id in taken:
            raise PackageError(
                "A rendition's id is the name of something else in the package",
                where=one.id,
                why="ids name files, or the folders of segments",
                hint="Give it another id",
            )
        if one.id in seen:
            raise PackageError(
                "Two renditions have the same id",
                where=one.id,
                why="ids name the files of the package",
                hint="Give each its own",
            )
        seen.add(one.id)


def check_scores(renditions: RenditionSet, scores: Mapping[str, float] | None) -> None:
    """Makes sure that scores are of all renditions or of none: players compare them.

    Raises:
        PackageError: when some are missing.
    """
    missing = [] if scores is None else [r.id for r in renditions.video if r.id not in scores]
    if missing:
        raise PackageError(
            "Scores must be of all renditions or of none",
            where=", ".join(missing),
            why="these have none",
            hint="Score them too",
        )


def check_video(rendition: Rendition, movie: Movie, renditions: RenditionSet) -> None:
    """Makes sure that a rendition has every frame of the set at its time, and starts its fragments
    at the key frames it was to have.

    Raises:
        PackageError: when it does not; it names the frames.
    """
    track = movie.track
    if track.kind != "video":
        raise _bad(rendition, "it is an audio track")
    if (track.width, track.height) != (rendition.width, rendition.height):
        raise _bad(
            rendition,
            f"its pictures are {track.width}x{track.height}, "
            f"not {rendition.width}x{rendition.height}",
        )
    _check_cadence(rendition, movie, renditions.frame_rate)
    if track.samples != renditions.frames:
        raise _bad(rendition, f"it has {track.samples} frames, not {renditions.frames}")
    starts = fragment_frames(track)
    broken = [
        frame
        for frame, fragment in zip(starts, track.fragments, strict=True)
        if not fragment.independent
    ]
    if broken:
        raise _bad(
            rendition, f"it cannot be started at {named_frames(broken)}, which no IDR frame is"
        )
    missing = sorted(set(rendition.keyframes).difference(starts))
    extra = sorted(set(starts).difference(rendition.keyframes))
    faults = [f"no IDR frame is at {named_frames(missing)}"] if missing else []
    faults += [f"an IDR frame is at {named_frames(extra)}, where none belongs"] if extra else []
    if faults:
        raise _bad(rendition, "; ".join(faults))


def _check_cadence(rendition: Rendition, movie: Movie, frame_rate: Fraction) -> None:
    track = movie.track
    ticks = track.timescale / frame_rate
    if ticks.denominator != 1:
        raise _bad(rendition, f"{track.timescale} ticks a second cannot time its frames exactly")
    frame = ticks.numerator
    first = 0
    for run in movie.runs:
        times = sorted(run.presentation_times())
        for number, time in enumerate(times, first):
            if time - track.skip != number * frame:
                raise _bad(
                    rendition,
                    f"frame {number} is shown at tick {time - track.skip}, not at "
                    f"{number * frame} (of {track.timescale} a second)",
                )
        first += len(times)
    if track.duration != first * frame:
        raise _bad(
            rendition,
            f"it lasts {track.duration} ticks, not {first * frame} (of {track.timescale} a second)",
        )


def check_aligned(renditions: Sequence[Rendition], tracks: Sequence[Track]) -> None:
    """Makes sure that all renditions can be switched between at every fragment.

    Args:
        renditions: of one set.
        tracks: theirs, in the same order; those that are not there yet are left out.

    Raises:
        PackageError: when their boundaries differ; it names the frames.
    """
    reference = fragment_frames(tracks[0])
    for rendition, track in zip(renditions, tracks, strict=False):
        frames = fragment_frames(track)
        if frames != reference:
            apart = sorted(set(frames) ^ set(reference))
            raise _bad(
                rendition,
                f"its boundaries differ from those of {renditions[0].id} at {named_frames(apart)}",
            )


def check_segments(renditions: Sequence[Rendition], tracks: Sequence[Track]) -> None:
    """Makes sure that all renditions are divided into files at the same fragments.

    Args:
        renditions: of one set.
        tracks: theirs, in the same order.

    Raises:
        PackageError: when a file is missing, or of another package.
    """
    reference = files_start(tracks[0].fragments)
    for rendition, track in zip(renditions, tracks, strict=True):
        if files_start(track.fragments) != reference:
            raise _bad(rendition, f"its files are not those of {renditions[0].id}")


def check_audio(rendition: AudioRendition, movie: Movie, end: Fraction) -> None:
    """Makes sure that an audio track is of the kind announced and covers the video.

    Args:
        rendition: what it should be.
        movie: what it is.
        end: the end of the video, in seconds.

    Raises:
        PackageError: when it is not so; up to one access unit may be missing at the end.
    """
    track = movie.track
    if track.kind != "audio":
        raise _bad(rendition, "it is a video track")
    announced = (rendition.channels, rendition.sample_rate)
    if (track.channels, track.sample_rate) != announced:
        raise _bad(
            rendition,
            f"it has {track.channels} channels at {track.sample_rate} Hz, "
            f"not {rendition.channels} at {rendition.sample_rate} Hz",
        )
    if not all(sync for run in movie.runs for sync in run.sync):
        raise _bad(rendition, "it has access units that do not decode alone")
    short = end * track.timescale - track.duration
    if short > movie.runs[0].durations[0]:
        raise _bad(
            rendition,
            f"it ends {float(short / track.timescale):.3f} s before the video does",
        )


def fragment_frames(track: Track) -> tuple[int, ...]:
    """The frame that every fragment starts at."""
    counts = [fragment.samples for fragment in track.fragments]
    return tuple(accumulate(counts[:-1], initial=0))


def named_frames(frames: Sequence[int]) -> str:
    """The first few of some frames, in words."""
    named = ", ".join(str(frame) for frame in frames[:_MOST_NAMED])
    more = len(frames) - _MOST_NAMED
    return f"frame{'s' if len(frames) > 1 else ''} {named}" + (
        f" and {more} more" if more > 0 else ""
    )


def _bad(rendition: Rendition | AudioRendition, why: str) -> PackageError:
    return PackageError(
        f"Rendition {rendition.id} cannot be packaged",
        where=str(rendition.path),
        why=why,
        hint="Encode it anew",
    )
