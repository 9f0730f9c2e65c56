"""Conform: the one decision how decoded pictures become reference pictures."""

from __future__ import annotations

from dataclasses import dataclass
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
    frame 0: subtract it from an audio timestamp to get onto the package's timeline.
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
