"""The pictures of a reference and of a file, as they are compared: alike in all but what is scored.

Frames are paired by their index: both sides get it as their timestamp, so that a container's
rounding cannot shift one against the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from encoder.ffmpeg.graph import FORMAT_WHITELIST, Stream, apply, open_input, open_master
from encoder.ffmpeg.process import PROTOCOLS
from encoder.media.colour import BT709, UNKNOWN, Colour
from encoder.score.alignment import Fit
from encoder.score.judge import Window
from encoder.score.metrics import Metric
from encoder.score.sides import Side, common_format

# As in encoder.score.measure: what the models were trained with, rounded properly everywhere.
SCALE_FLAGS = "bicubic+accurate_rnd+bitexact"


@dataclass(frozen=True, slots=True)
class Pair:
    """A distorted file, how it fits the reference, and which frames count (None: all)."""

    side: Side
    fit: Fit
    metrics: tuple[Metric, ...]
    window: Window | None = None


def compared_size(reference: Side, pair: Pair) -> tuple[int, int]:
    """The size that a pair is compared at."""
    return pair.fit.crop or (reference.width, reference.height)


def compared_streams(reference: Side, pair: Pair) -> tuple[Stream, Stream]:
    """The pictures of both sides as they are compared, from their first common frame on."""
    ours, theirs = both(reference, pair, opened(reference), 1)
    return (
        windowed(ours, pair.window, reference=True),
        windowed(theirs, pair.window, reference=False),
    )


def both(reference: Side, pair: Pair, ours: Stream, number: int) -> tuple[Stream, Stream]:
    """All pictures of both sides, brought to one size, format and rate.

    Args:
        reference: the one side.
        pair: the other, and how it fits.
        ours: the reference as it was opened; one opened file serves several pairs.
        number: tells this pair's file from the others of a graph.
    """
    width, height = compared_size(reference, pair)
    form = common_format(reference, pair.side)
    colour = signalled(reference.colour)
    ours = apply(ours, pair.fit.reference_filters)
    if pair.fit.crop:
        ours = ours.filter("crop", width, height)
    rate = reference.rate / pair.fit.reference_step
    ours = _settled(ours, rate, form, colour)
    theirs = apply(opened(pair.side, number), pair.fit.distorted_filters)
    return ours, _settled(theirs, rate, form, colour, (width, height))


def opened(side: Side, number: int = 0) -> Stream:
    """A side's pictures as they are decoded, or conformed."""
    if side.conform is not None:
        return open_master(side.path, side.conform)
    source = open_input(
        side.path,
        protocol_whitelist=PROTOCOLS,
        format_whitelist=FORMAT_WHITELIST,
        # The default and up: a file that is on both sides must not become one node of the graph.
        thread_queue_size=str(8 + number),
    )
    return source[str(side.stream)]


def signalled(colour: Colour) -> Colour:
    """The colour that both sides are labelled with: the reference's, as far as it is known."""

    def known(value: str, default: str) -> str:
        return default if value == UNKNOWN else value

    return Colour(
        known(colour.primaries, BT709.primaries),
        known(colour.transfer, BT709.transfer),
        known(colour.matrix, BT709.matrix),
        "full" if colour.range == "full" else "limited",
    )


def _settled(
    stream: Stream, rate: Fraction, form: str, colour: Colour, size: tuple[int, int] | None = None
) -> Stream:
    """Pictures of the compared size and format, each at the time that is its index.

    Code values are compared: both sides are labelled alike before anything could convert them, as
    that they are alike was checked before.
    """
    stream = _labelled(stream, colour)
    if size is not None:
        stream = stream.filter("scale", *size, flags=SCALE_FLAGS)
    stream = _labelled(stream.filter("format", form), colour).filter("setsar", 1)
    return stream.filter("settb", f"{rate.denominator}/{rate.numerator}").filter("setpts", "N")


def _labelled(stream: Stream, colour: Colour) -> Stream:
    return stream.filter(
        "setparams",
        field_mode="prog",
        range=colour.range,
        color_primaries=colour.primaries,
        color_trc=colour.transfer,
        colorspace=colour.matrix,
    )


def windowed(stream: Stream, window: Window | None, *, reference: bool) -> Stream:
    """The pictures from the first common one to the last."""
    if window is None:
        return stream
    start = window.reference_start if reference else window.distorted_start
    end = start + window.frames - 1
    return stream.filter("select", f"between(n,{start},{end})").filter("setpts", "N")
