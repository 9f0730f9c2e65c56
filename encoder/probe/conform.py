"""Master -> Conform: how decoded pictures become the reference pictures everything else sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from encoder.errors import MasterError
from encoder.media.conform import Conform, Filter
from encoder.media.master import Master, VideoStream
from encoder.probe.conform_colour import (
    SCALE_FLAGS,
    ColourPlan,
    assumed_colour,
    plan_colour,
    shown,
)

PIXEL_FORMAT = "yuv420p"
_TURNS = {90: "clock", 270: "cclock"}
_MIRRORED_TURNS = {90: "clock_flip", 270: "cclock_flip"}
# The macroblock of the codecs: encoders and measures go wrong below.
_LEAST = 16


@dataclass(frozen=True, slots=True)
class _Step:
    """Filters, and the sentence that explains them (empty: nothing that a person cares about)."""

    filters: tuple[Filter, ...]
    change: str = ""


def decide_conform(master: Master, *, max_frame_rate: Fraction | None = None) -> Conform:
    """The one filter chain from a master's decoded pictures to reference pictures.

    Filters come in the order in which they do least harm: fields are joined into pictures before
    anything mixes their lines, pictures are put on their cadence and thinned out before work is
    spent on them, turned, cut to even size, and brought to square pixels, 8 bits and the colour of
    the output in one go.

    Args:
        master: the source.
        max_frame_rate: the highest rate that is wanted, in Hz; a faster master is thinned out by a
            whole number.

    Raises:
        MasterError: when its pictures cannot be shown right (Dolby Vision without a base layer
            that others understand), or are too small.
    """
    video = master.video
    rate, step = _target_rate(video.frame_rate, max_frame_rate)
    colour = assumed_colour(video)
    plan = plan_colour(master, colour)
    turned = _turned(video)
    width, height = _even(turned.width), _even(turned.height)
    if min(width, height) < _LEAST:
        raise MasterError(
            "The master is too small",
            where=str(master.path),
            why=f"Its pictures are {video.width}x{video.height}",
            hint=f"Give one of at least {_LEAST}x{_LEAST}",
        )
    target = square(width, height, turned.sample_aspect)
    steps = (
        _guard(video),
        _assume(video, plan),
        _deinterlace(video),
        _cadence(video, rate, step),
        _turn(video),
        _crop(turned),
        _pixels(video, plan, (width, height), target),
    )
    tail = (
        Filter("setsar", ("1",)),
        Filter(
            "setparams",
            options=(
                ("field_mode", "prog"),
                ("range", plan.target.range),
                ("color_primaries", plan.target.primaries),
                ("color_trc", plan.target.transfer),
                ("colorspace", plan.target.matrix),
            ),
        ),
        Filter("format", (PIXEL_FORMAT,)),
    )
    return Conform(
        stream_index=video.index,
        input_options=(
            ("noautorotate", None),
            # A change in mid-stream would build the chain anew, and its count of pictures would
            # start again at 0.
            ("reinit_filter", "0"),
        ),
        filters=tuple(f for s in steps for f in s.filters) + tail,
        width=target[0],
        height=target[1],
        frame_rate=rate,
        colour=plan.target,
        pixel_format=PIXEL_FORMAT,
        audio_offset=video.start,
        tone_mapped=plan.tone_mapped,
        changes=tuple(s.change for s in steps if s.change),
    )


def square(width: int, height: int, sample_aspect: Fraction) -> tuple[int, int]:
    """The size in square pixels, both even, that loses no samples: only one side grows."""
    if sample_aspect > 1:
        return _nearest_even(width * sample_aspect), height
    return width, _nearest_even(height / sample_aspect)


def _even(size: int) -> int:
    return size - size % 2


def _nearest_even(size: Fraction) -> int:
    return 2 * round(size / 2)


def _target_rate(rate: Fraction, highest: Fraction | None) -> tuple[Fraction, int]:
    if highest is None or rate <= highest:
        return rate, 1
    step = ceil(rate / highest)
    return rate / step, step


def _turned(video: VideoStream) -> VideoStream:
    """The stream's size and sample aspect after turning it upright."""
    if video.rotation not in (90, 270):
        return video
    return replace(
        video, width=video.height, height=video.width, sample_aspect=1 / video.sample_aspect
    )


def _guard(video: VideoStream) -> _Step:
    """Pictures of one size and format even if they change in mid-stream; free when they do not."""
    scale = Filter("scale", (str(video.width), str(video.height)), (("flags", SCALE_FLAGS),))
    if video.pixel_format.startswith("yuvj"):
        return _Step((scale,))
    return _Step((scale, Filter("format", (video.pixel_format,))))


def _assume(video: VideoStream, plan: ColourPlan) -> _Step:
    if not plan.assumed:
        return _Step(())
    names = (
        ("range", video.colour.range, plan.source.range),
        ("color_primaries", video.colour.primaries, plan.source.primaries),
        ("color_trc", video.colour.transfer, plan.source.transfer),
        ("colorspace", video.colour.matrix, plan.source.matrix),
    )
    options = tuple((key, value) for key, claimed, value in names if claimed != value)
    # Only where a conversion reads it: the end of the chain signals colour anyway.
    filters = (Filter("setparams", options=options),) if plan.converts else ()
    return _Step(filters, plan.assumed)


def _deinterlace(video: VideoStream) -> _Step:
    if video.scan == "progressive":
        return _Step(())
    parity = video.parity or "tff"
    order = {"tff": "top", "bff": "bottom"}[parity]
    return _Step(
        (Filter("bwdif", options=(("mode", "send_frame"), ("parity", parity), ("deint", "all"))),),
        f"Deinterlaced ({order} field first), one picture for each frame",
    )


def _cadence(video: VideoStream, rate: Fraction, step: int) -> _Step:
    from_zero = Filter("setpts", ("PTS-STARTPTS",))
    if video.cadence == "variable":
        return _Step(
            (from_zero, _fps(rate)),
            f"Variable frame rate (on average {shown(video.average_frame_rate)}) to constant "
            f"{shown(rate)} frames per second by repeating or leaving out pictures",
        )
    change = ""
    thin: tuple[Filter, ...] = ()
    if step > 1:
        thin = (Filter("framestep", (str(step),)), _ticks(rate))
        change = f"Every {_ordinal(step)} of {shown(video.frame_rate)} pictures a second is used"
    original = video.frame_rate
    if video.timed:
        # One tick a picture: times are rounded to places, so that jitter and milliseconds neither
        # double nor drop any. fps fills a place only where a damaged picture could not be decoded.
        return _Step((from_zero, _ticks(original), _fps(original), *thin), change)
    # fps does nothing here but declare the rate.
    counted = (_ticks(original), Filter("setpts", ("N",)), _fps(original))
    return _Step((*counted, *thin), change)


def _ticks(rate: Fraction) -> Filter:
    return Filter("settb", (f"{rate.denominator}/{rate.numerator}",))


def _fps(rate: Fraction) -> Filter:
    return Filter("fps", (f"{rate.numerator}/{rate.denominator}",), (("round", "near"),))


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def _turn(video: VideoStream) -> _Step:
    filters: list[Filter] = []
    mirrored, rotation = video.mirrored, video.rotation
    if (mirrored, rotation) == (False, 0):
        return _Step(())
    # The matrix would otherwise travel on into output files and turn the pictures again.
    filters.append(Filter("sidedata", options=(("mode", "delete"), ("type", "DISPLAYMATRIX"))))
    if mirrored and rotation in _MIRRORED_TURNS:
        filters.append(Filter("transpose", (_MIRRORED_TURNS[rotation],)))
    elif rotation == 180:
        # A mirror image turned by half is one upside down.
        filters += [Filter("vflip")] if mirrored else [Filter("hflip"), Filter("vflip")]
    elif rotation:
        filters.append(Filter("transpose", (_TURNS[rotation],)))
    else:
        filters.append(Filter("hflip"))
    parts = ["mirrored"] if mirrored else []
    parts += [f"turned by {rotation} degrees clockwise"] if rotation else []
    return _Step(tuple(filters), f"{' and '.join(parts).capitalize()} to stand upright")


def _crop(turned: VideoStream) -> _Step:
    width, height = _even(turned.width), _even(turned.height)
    if (width, height) == (turned.width, turned.height):
        return _Step(())
    lost = [
        name
        for name, cut in (("right column", turned.width - width), ("bottom row", turned.height % 2))
        if cut
    ]
    return _Step(
        (
            Filter(
                "crop",
                options=(("w", str(width)), ("h", str(height)), ("x", "0"), ("y", "0")),
            ),
        ),
        f"The {' and '.join(lost)} cut off, as encoders need even sizes",
    )


def _pixels(
    video: VideoStream, plan: ColourPlan, size: tuple[int, int], target: tuple[int, int]
) -> _Step:
    changes = list(plan.changes)
    resize: tuple[tuple[str, str], ...] = ()
    if size != target:
        resize = (("w", str(target[0])), ("h", str(target[1])))
        aspect = video.sample_aspect
        changes.insert(
            0,
            f"Stretched from {size[0]}x{size[1]} to {target[0]}x{target[1]}, as its pixels are not "
            f"square ({aspect.numerator}:{aspect.denominator})",
        )
    filters = plan.filters
    if resize or plan.scale_options:
        scale = Filter("scale", options=(*resize, *plan.scale_options, ("flags", SCALE_FLAGS)))
        # Tone mapping is costly: it is done at the smaller size, which is the one before.
        filters = (*filters, scale)
    return _Step(filters, ". ".join(changes))
