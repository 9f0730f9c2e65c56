"""Conform: the one decision how decoded pictures become reference pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from encoder.media.colour import Colour


@dataclass(frozen=True, slots=True)
class Filter:
    """One FFmpeg filter with positional arguments and named options, both unescaped."""

    name: str
    arguments: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Conform:
    """The filter chain from decoded pictures to reference pictures, and what comes out of it.

    Reference pictures are upright, of square pixels, even in both dimensions, progressive, on a
    constant cadence from time 0, in ``colour`` and ``pixel_format``. A frame index anywhere in the
    program is an index into this stream of pictures.

    ``input_options`` precede ``-i``; ``changes`` are sentences for people: what the chain does to
    the master's pictures, and why. ``audio_offset`` is the container time, in seconds, of reference
    frame 0: subtract it from an audio timestamp to get onto the package's timeline. ``damaged``
    says that the decoder makes up some of the pictures.
    """

    stream_index: int
    input_options: tuple[tuple[str, str | None], ...]
    filters: tuple[Filter, ...]
    width: int
    height: int
    frame_rate: Fraction
    colour: Colour
    pixel_format: str
    audio_offset: Fraction
    tone_mapped: bool
    changes: tuple[str, ...]
    damaged: bool = False


def of_damaged(conform: Conform) -> Conform:
    """The same for a master that is damaged.

    What a decoder makes up for pictures that it lacks depends on how far its other threads are, so
    that it gets one. What lay in memory before can be seen in them all the same: two decodes need
    not give the same pictures, but as many.
    """
    return replace(
        conform,
        input_options=(*conform.input_options, ("threads", "1")),
        changes=(
            *conform.changes,
            "The video is damaged: some pictures are made up by the decoder, and may be made up "
            "otherwise in another run",
        ),
        damaged=True,
    )
