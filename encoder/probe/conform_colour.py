"""The colour half of conforming: what is assumed, kept, converted and tone-mapped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from encoder.errors import MasterError
from encoder.media.colour import BT709, UNKNOWN, Colour
from encoder.media.conform import Filter
from encoder.media.master import Master, VideoStream

# Sharp, and rounded the same way on every processor.
SCALE_FLAGS = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
_HD_WIDTH, _HD_HEIGHT = 1280, 720
# What is kept as it is: every player shows it right when it is signalled.
_KEPT_PRIMARIES = frozenset({"bt709", "smpte170m", "bt470bg"})
_KEPT_MATRICES = frozenset({"bt709", "smpte170m", "bt470bg"})
# One curve under several numbers (H.273 says that 1, 6, 14 and 15 are the same; 11 extends it to
# values that a limited 8-bit signal hardly holds), and two that television never displayed
# otherwise (BT.1886).
_SAME_CURVE = {
    "bt2020-10": "bt709",
    "bt2020-12": "bt709",
    "iec61966-2-4": "bt709",
    "bt1361e": "bt709",
    "smpte240m": "bt709",
    "bt470m": "smpte170m",
    "bt470bg": "smpte170m",
}
_KEPT_TRANSFERS = frozenset({"bt709", "smpte170m", "iec61966-2-1"})
_HALVES = {"bt709": "BT.709", "smpte170m": "BT.601 (525 lines)", "bt470bg": "BT.601 (625 lines)"}
_HDR_NAMES = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
# How FFmpeg's names of pixel formats begin.
_RGB = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "x2", "pal8")
_ALPHA = ("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya", "ayuv", "vuya", "pal8")
# zscale cuts pictures into as many slices as there are threads, and neither its dithering nor its
# filters for chroma look beyond a slice: the machine's cores would be seen in the pictures.
_ONE_THREAD = ("threads", "1")
# Luminance in cd/m2 that becomes 1.0 in linear light: the diffuse white of PQ and HLG (ITU-R
# BT.2408). With the tone curve below it ends at 85 % of the SDR signal, where BT.2408 puts it too.
_REFERENCE_WHITE = 203
# What HLG is displayed at by definition (BT.2100), and what PQ is mastered at that does not say.
_USUAL_PEAK = 1000
_LEAST_PEAK, _GREATEST_PEAK = 400, 10_000
_MASTERING_PEAK = re.compile(r"L\((\d+),")
_MASTERING_UNIT = 10_000


@dataclass(frozen=True, slots=True)
class ColourPlan:
    """What happens to colour.

    ``source`` is the master's with the gaps filled in, ``target`` the reference pictures'.
    ``assumed`` says which gaps were filled, ``converts`` whether pixel values depend on it.
    ``filters`` go before scaling, ``scale_options`` into the scale filter.
    """

    source: Colour
    target: Colour
    assumed: str = ""
    converts: bool = False
    filters: tuple[Filter, ...] = ()
    scale_options: tuple[tuple[str, str], ...] = ()
    tone_mapped: bool = False
    changes: tuple[str, ...] = ()


def shown(rate: Fraction) -> str:
    """A frame rate for people: 29.97, 25."""
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")


def is_rgb(pixel_format: str) -> bool:
    """Whether a pixel format holds red, green and blue."""
    return pixel_format.startswith(_RGB)


def has_alpha(pixel_format: str) -> bool:
    """Whether a pixel format has an alpha channel."""
    return pixel_format.startswith(_ALPHA)


def assumed_colour(video: VideoStream) -> Colour:
    """The colour with its gaps filled: from what it does say, and else from size and rate."""
    said = video.colour
    primaries, transfer, matrix = said.primaries, said.transfer, said.matrix
    rgb = is_rgb(video.pixel_format)
    wide = "bt2020" in (primaries, matrix[:6]) or said.is_hdr
    if wide:
        default, curve = "bt2020", "bt2020-10"
    elif video.height >= _HD_HEIGHT or video.width >= _HD_WIDTH or rgb:
        default, curve = "bt709", "bt709"
    else:
        # 625 lines go with 25 or 50 pictures a second.
        european = video.height == 576 or video.frame_rate in (25, 50)
        default, curve = ("bt470bg" if european else "smpte170m"), "smpte170m"
    if primaries == UNKNOWN:
        primaries = matrix if matrix in _KEPT_PRIMARIES else default
    if matrix == UNKNOWN or (matrix == "gbr" and not rgb):
        matrix = primaries if primaries in _KEPT_MATRICES else default
        matrix = "bt2020nc" if primaries == "bt2020" or matrix == "bt2020" else matrix
    if rgb:
        matrix = "gbr"
    if transfer == UNKNOWN:
        transfer = curve
    full = said.range == "full" or (said.range == "unknown" and rgb)
    return Colour(primaries, transfer, matrix, "full" if full else "limited")


def plan_colour(master: Master, source: Colour) -> ColourPlan:
    """What happens to the colour of a master on its way to 8-bit SDR.

    Raises:
        MasterError: for Dolby Vision profile 5, whose pictures are in a colour space of its own.
    """
    video = master.video
    if video.hdr is not None and video.hdr.dolby_vision_profile == 5:
        raise MasterError(
            "The master is Dolby Vision profile 5",
            where=str(master.path),
            why="Its pictures are in a colour space that only Dolby's own tools show right; others "
            "would make them green and purple",
            hint="Export it as HDR10, HLG, Dolby Vision profile 8 or SDR",
        )
    assumed = _assumption(video, source)
    alpha = ("Its transparency is ignored",) if has_alpha(video.pixel_format) else ()
    if source.is_hdr:
        return _tone_mapped(video, source, assumed, alpha)
    if not _is_kept(source):
        return _converted(source, assumed, alpha)
    return _kept(video, source, assumed, alpha)


def _assumption(video: VideoStream, source: Colour) -> str:
    said = video.colour
    gaps = [
        name
        for name, claimed, value in (
            ("primaries", said.primaries, source.primaries),
            ("transfer", said.transfer, source.transfer),
            ("matrix", said.matrix, source.matrix),
        )
        if claimed != value
    ]
    if not gaps:
        return ""
    name = {"bt2020": "BT.2020"}.get(source.primaries) or _HALVES.get(
        source.primaries, source.primaries
    )
    return f"The master does not say its colour {_listed(gaps)}; {name} is assumed"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _is_kept(source: Colour) -> bool:
    return (
        source.primaries in _KEPT_PRIMARIES
        and source.matrix in _KEPT_MATRICES | {"gbr"}
        and _SAME_CURVE.get(source.transfer, source.transfer) in _KEPT_TRANSFERS
    )


def _kept(video: VideoStream, source: Colour, assumed: str, alpha: tuple[str, ...]) -> ColourPlan:
    rgb = source.matrix == "gbr"
    matrix = "bt709" if rgb else source.matrix
    transfer = _SAME_CURVE.get(source.transfer, source.transfer)
    target = Colour(source.primaries, transfer, matrix, "limited")
    changes = list(alpha)
    options: list[tuple[str, str]] = []
    if rgb:
        options += [("out_color_matrix", "bt709"), ("out_range", "limited")]
        changes.append("RGB converted to BT.709 YCbCr")
    elif source.range == "full":
        options += [("in_range", "full"), ("out_range", "limited")]
        changes.append("Full range converted to limited")
    if not options and video.pixel_format != "yuv420p":
        # Matrix and range stay; the format filter that follows makes it 8-bit 4:2:0.
        options += [("in_range", "limited"), ("out_range", "limited")]
    if video.bit_depth > 8:
        changes.append(f"{video.bit_depth} bits converted to 8")
    if transfer != source.transfer:
        changes.append(f"Its transfer {source.transfer} is signalled as {transfer}, the same curve")
    return ColourPlan(
        source=source,
        target=target,
        assumed=assumed,
        converts=bool(options),
        scale_options=tuple(options),
        changes=tuple(changes),
    )


def _converted(source: Colour, assumed: str, alpha: tuple[str, ...]) -> ColourPlan:
    return ColourPlan(
        source=source,
        target=BT709,
        assumed=assumed,
        converts=True,
        filters=(
            Filter(
                "zscale",
                options=(
                    ("primaries", "bt709"),
                    ("transfer", "bt709"),
                    ("matrix", "bt709"),
                    ("range", "limited"),
                    ("dither", "error_diffusion"),
                    _ONE_THREAD,
                ),
            ),
            Filter("format", ("yuv420p",)),
        ),
        changes=(*alpha, f"Converted from {source.primaries} primaries to BT.709"),
    )


def _peak(video: VideoStream, source: Colour) -> int:
    """The luminance, in cd/m2, that becomes SDR's brightest."""
    if source.transfer == "arib-std-b67" or video.hdr is None:
        return _USUAL_PEAK
    mastering = _MASTERING_PEAK.search(video.hdr.mastering_display or "")
    peak = video.hdr.max_content_light or (
        int(mastering.group(1)) // _MASTERING_UNIT if mastering else _USUAL_PEAK
    )
    return min(max(peak, _LEAST_PEAK), _GREATEST_PEAK)


def _tone_mapped(
    video: VideoStream, source: Colour, assumed: str, alpha: tuple[str, ...]
) -> ColourPlan:
    name = _HDR_NAMES[source.transfer]
    return ColourPlan(
        source=source,
        target=BT709,
        assumed=assumed,
        converts=True,
        filters=(
            Filter(
                "zscale",
                options=(
                    ("transfer", "linear"),
                    ("npl", str(_REFERENCE_WHITE)),
                    ("primaries", "bt709"),
                    _ONE_THREAD,
                ),
            ),
            Filter("format", ("gbrpf32le",)),
            # The curve leaves what is darker than a third of white alone and bends the rest
            # smoothly up to the peak. Desaturating highlights would bleach skies and fires.
            Filter(
                "tonemap",
                options=(
                    ("tonemap", "mobius"),
                    ("param", "0.3"),
                    ("desat", "0"),
                    ("peak", f"{_peak(video, source) / _REFERENCE_WHITE:.4f}"),
                ),
            ),
            Filter(
                "zscale",
                options=(
                    ("transfer", "bt709"),
                    ("matrix", "bt709"),
                    ("range", "limited"),
                    ("dither", "error_diffusion"),
                    _ONE_THREAD,
                ),
            ),
            Filter("format", ("yuv420p",)),
        ),
        tone_mapped=True,
        changes=(*alpha, f"HDR ({name}) tone-mapped to BT.709 SDR"),
    )
