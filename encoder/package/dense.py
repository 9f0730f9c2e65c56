"""The dense I-frame track of a package: a picture a second, to scrub with.

HLS has it as an I-frame playlist beside those of the rungs (authoring specification 6.2), DASH as
an adaptation set for trick modes (DASH-IF IOP 3.2.9).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from encoder.errors import PackageError
from encoder.media.colour import Colour
from encoder.media.pictures import DenseFrames
from encoder.media.renditions import Rendition
from encoder.package.boxes import Movie

DENSE_ID = "iframes-dense"
TRICK_MODE = "http://dashif.org/guidelines/trickmode"


def as_rendition(dense: DenseFrames, frame_rate: Fraction) -> Rendition:
    """The track as a rendition; ``frame_rate`` is the title's."""
    return Rendition(
        id=DENSE_ID,
        codec="h264",
        width=dense.width,
        height=dense.height,
        frame_rate=frame_rate / dense.every,
        frames=dense.count,
        keyframes=tuple(range(dense.count)),
        colour=Colour(),
        path=dense.path,
    )


def check_dense(dense: DenseFrames, movie: Movie, frame_rate: Fraction) -> None:
    """Makes sure that every picture is there, at its time, and decodes alone.

    Raises:
        PackageError: when one is not.
    """
    step = dense.every * movie.track.timescale / frame_rate
    durations = {one for run in movie.runs for one in run.durations[:-1]}
    sync = all(one for run in movie.runs for one in run.sync)
    apart = [run.decode_start - number * step for number, run in enumerate(movie.runs)]
    if movie.track.samples != dense.count or not sync or any(apart) or durations - {step}:
        raise PackageError(
            "The I-frame track cannot be packaged",
            where=str(dense.path),
            why=f"it has {movie.track.samples} pictures, and {dense.count} key frames are wanted, "
            f"{dense.every} frames apart",
            hint="Encode the title again",
        )


def until(movie: Movie, end: int) -> Movie:
    """The same, with the last picture shown until the title ends, at that tick."""
    last = movie.runs[-1]
    shown = replace(last, durations=(*last.durations[:-1], 0))
    lasting = (*last.durations[:-1], max(1, end - shown.decode_end))
    return replace(movie, runs=(*movie.runs[:-1], replace(last, durations=lasting)))


def trick_attributes(frame_rate: Fraction, own: Fraction) -> dict[str, str]:
    """What a representation for trick modes has beside the usual.

    Args:
        frame_rate: of the title.
        own: of the track: played so many times faster it costs as many pictures a second.
    """
    return {"codingDependency": "false", "maxPlayoutRate": str(round(frame_rate / own))}


def say_trick_mode(adaptation: ET.Element, sets: Sequence[int]) -> None:
    """Says which adaptation sets a set is the trick mode of."""
    value = " ".join(map(str, sets))
    ET.SubElement(adaptation, "EssentialProperty", {"schemeIdUri": TRICK_MODE, "value": value})
