"""The decision Master -> Conform: its chains, and what holds for all of them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.errors import ExitCode, MasterError
from encoder.media.colour import UNKNOWN, Colour, Hdr
from encoder.media.conform import Conform
from encoder.media.serial import from_plain, to_plain
from encoder.probe.cadence import WELL_KNOWN
from encoder.probe.conform import decide_conform, square

from .clips import PLAIN, master_of, plain

FLAGS = "flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
PQ = Colour("bt2020", "smpte2084", "bt2020nc", "limited")
HLG = replace(PQ, transfer="arib-std-b67")
NOTHING = Colour()

GUARD = f"scale=1920:1080:{FLAGS},format=yuv420p"
COUNT_24 = "setpts=PTS-STARTPTS,settb=1/24,fps=24/1:round=near"


def tail(primaries: str = "bt709", transfer: str = "bt709", matrix: str = "bt709") -> str:
    return (
        "setsar=1,setparams=field_mode=prog:range=limited:"
        f"color_primaries={primaries}:color_trc={transfer}:colorspace={matrix},format=yuv420p"
    )


def text(conform: Conform) -> str:
    """The chain as people write it."""
    parts = []
    for one in conform.filters:
        options = ":".join([*one.arguments, *(f"{key}={value}" for key, value in one.options)])
        parts.append(f"{one.name}={options}" if options else one.name)
    return ",".join(parts)


TONE = (
    "zscale=transfer=linear:npl=203:primaries=bt709:threads=1,format=gbrpf32le,"
    "tonemap=tonemap=mobius:param=0.3:desat=0:peak={peak},"
    "zscale=transfer=bt709:matrix=bt709:range=limited:dither=error_diffusion:threads=1,format=yuv420p"
)

GOLDEN: dict[str, tuple[dict[str, object], str]] = {
    "plain": ({}, f"{GUARD},{COUNT_24},{tail()}"),
    "counted, without times": (
        {"timed": False},
        f"{GUARD},settb=1/24,setpts=N,fps=24/1:round=near,{tail()}",
    ),
    "NTSC": (
        {"frame_rate": Fraction(30000, 1001)},
        f"{GUARD},setpts=PTS-STARTPTS,settb=1001/30000,fps=30000/1001:round=near,{tail()}",
    ),
    "variable": (
        {"cadence": "variable", "frame_rate": Fraction(30)},
        f"{GUARD},setpts=PTS-STARTPTS,fps=30/1:round=near,{tail()}",
    ),
    "faster than wanted": (
        {"frame_rate": Fraction(240)},
        f"{GUARD},setpts=PTS-STARTPTS,settb=1/240,fps=240/1:round=near,"
        f"framestep=4,settb=1/60,{tail()}",
    ),
    "variable and faster than wanted": (
        {"cadence": "variable", "frame_rate": Fraction(120000, 1001)},
        f"{GUARD},setpts=PTS-STARTPTS,fps=60000/1001:round=near,{tail()}",
    ),
    "interlaced": (
        {"scan": "interlaced", "parity": "bff"},
        f"{GUARD},bwdif=mode=send_frame:parity=bff:deint=all,{COUNT_24},{tail()}",
    ),
    "turned": (
        {"rotation": 90},
        f"{GUARD},{COUNT_24},sidedata=mode=delete:type=DISPLAYMATRIX,transpose=clock,{tail()}",
    ),
    "upside down": (
        {"rotation": 180},
        f"{GUARD},{COUNT_24},sidedata=mode=delete:type=DISPLAYMATRIX,hflip,vflip,{tail()}",
    ),
    "mirrored and turned": (
        {"rotation": 270, "mirrored": True},
        f"{GUARD},{COUNT_24},sidedata=mode=delete:type=DISPLAYMATRIX,transpose=cclock_flip,"
        f"{tail()}",
    ),
    "anamorphic": (
        {"width": 1440, "sample_aspect": Fraction(4, 3)},
        f"scale=1440:1080:{FLAGS},format=yuv420p,{COUNT_24},scale=w=1920:h=1080:{FLAGS},{tail()}",
    ),
    "odd": (
        {"width": 1919, "height": 1079},
        f"scale=1919:1079:{FLAGS},format=yuv420p,{COUNT_24},crop=w=1918:h=1078:x=0:y=0,{tail()}",
    ),
    "full range": (
        {"colour": Colour("bt709", "bt709", "bt709", "full"), "pixel_format": "yuvj420p"},
        f"scale=1920:1080:{FLAGS},{COUNT_24},"
        f"scale=in_range=full:out_range=limited:{FLAGS},{tail()}",
    ),
    "RGB": (
        {"colour": Colour(matrix="gbr", range="full"), "pixel_format": "gbrp"},
        f"scale=1920:1080:{FLAGS},format=gbrp,"
        f"setparams=color_primaries=bt709:color_trc=bt709,{COUNT_24},"
        f"scale=out_color_matrix=bt709:out_range=limited:{FLAGS},{tail()}",
    ),
    "10 bits": (
        {"pixel_format": "yuv422p10le", "bit_depth": 10},
        f"scale=1920:1080:{FLAGS},format=yuv422p10le,{COUNT_24},"
        f"scale=in_range=limited:out_range=limited:{FLAGS},{tail()}",
    ),
    "unsaid SD, 525 lines": (
        {"width": 640, "height": 480, "colour": NOTHING},
        f"scale=640:480:{FLAGS},format=yuv420p,{COUNT_24},"
        f"{tail('smpte170m', 'smpte170m', 'smpte170m')}",
    ),
    "unsaid SD, 625 lines": (
        {"width": 720, "height": 576, "colour": NOTHING},
        f"scale=720:576:{FLAGS},format=yuv420p,{COUNT_24},"
        f"{tail('bt470bg', 'smpte170m', 'bt470bg')}",
    ),
    "BT.2020 SDR": (
        {"colour": Colour("bt2020", "bt2020-10", "bt2020nc", "limited")},
        f"{GUARD},{COUNT_24},zscale=primaries=bt709:transfer=bt709:matrix=bt709:range=limited:"
        f"dither=error_diffusion:threads=1,format=yuv420p,{tail()}",
    ),
    "HLG": (
        {"colour": HLG, "pixel_format": "yuv420p10le", "bit_depth": 10},
        f"scale=1920:1080:{FLAGS},format=yuv420p10le,{COUNT_24},{TONE.format(peak='4.9261')},"
        f"{tail()}",
    ),
    "PQ with its peak": (
        {"colour": PQ, "hdr": Hdr(max_content_light=4000)},
        f"{GUARD},{COUNT_24},{TONE.format(peak='19.7044')},{tail()}",
    ),
    "PQ with a mastering display": (
        {"colour": PQ, "hdr": Hdr("G(1,1)B(1,1)R(1,1)WP(1,1)L(20000000,50)")},
        f"{GUARD},{COUNT_24},{TONE.format(peak='9.8522')},{tail()}",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_chains(name: str) -> None:
    changes, expected = GOLDEN[name]
    conform = decide_conform(plain(**changes), max_frame_rate=Fraction(60))
    assert text(conform) == expected


def test_a_plain_master_is_left_alone() -> None:
    conform = decide_conform(plain())
    assert conform.changes == ()
    assert (conform.width, conform.height) == (1920, 1080)
    assert conform.frame_rate == 24
    assert conform.input_options == (("noautorotate", None), ("reinit_filter", "0"))
    assert not conform.tone_mapped


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": NOTHING}, "BT.709 is assumed"),
        ({"scan": "interlaced", "parity": "tff"}, "Deinterlaced (top field first)"),
        ({"cadence": "variable"}, "Variable frame rate"),
        ({"frame_rate": Fraction(120)}, "Every second of 120 pictures"),
        ({"rotation": 90}, "Turned by 90 degrees clockwise"),
        ({"mirrored": True}, "Mirrored to stand upright"),
        ({"height": 1079}, "bottom row cut off"),
        ({"sample_aspect": Fraction(4, 3)}, "Stretched from 1920x1080 to 2560x1080"),
        ({"colour": replace(PLAIN.colour, range="full")}, "Full range converted"),
        ({"colour": PQ}, "HDR (PQ) tone-mapped to BT.709 SDR"),
        ({"colour": HLG}, "HDR (HLG) tone-mapped to BT.709 SDR"),
        ({"pixel_format": "yuv420p10le", "bit_depth": 10}, "10 bits converted to 8"),
        ({"pixel_format": "yuva444p12le", "bit_depth": 12}, "transparency is ignored"),
        ({"pixel_format": "gbrp"}, "RGB converted"),
        ({"colour": replace(PLAIN.colour, transfer="iec61966-2-4")}, "the same curve"),
    ],
)
def test_every_change_is_said(changes: dict[str, object], words: str) -> None:
    conform = decide_conform(plain(**changes), max_frame_rate=Fraction(60))
    assert words in ". ".join(conform.changes)


@pytest.mark.parametrize("profile", [4, 7, 8, 10, None])
def test_dolby_vision_with_a_base_layer_is_tone_mapped(profile: int | None) -> None:
    conform = decide_conform(plain(colour=PQ, hdr=Hdr(dolby_vision_profile=profile)))
    assert conform.tone_mapped


def test_dolby_vision_without_one_is_refused() -> None:
    with pytest.raises(MasterError, match="Dolby Vision profile 5") as caught:
        decide_conform(plain(hdr=Hdr(dolby_vision_profile=5)))
    assert caught.value.exit_code == ExitCode.MASTER


@pytest.mark.parametrize("size", [(15, 1080), (1920, 8), (17, 15)])
def test_tiny_pictures_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(MasterError, match="too small"):
        decide_conform(plain(width=size[0], height=size[1]))


@pytest.mark.parametrize(
    ("rate", "highest", "expected"),
    [
        (240, 60, 60),
        (120, 60, 60),
        (144, 60, 48),
        (Fraction(120000, 1001), 60, Fraction(60000, 1001)),
        (50, 30, 25),
        (60, 60, 60),
        (24, 60, 24),
        (35, 30, Fraction(35, 2)),
    ],
)
def test_rates_are_divided_by_whole_numbers(
    rate: Fraction | int, highest: int, expected: Fraction | int
) -> None:
    master = plain(frame_rate=Fraction(rate))
    assert decide_conform(master, max_frame_rate=Fraction(highest)).frame_rate == expected


@pytest.mark.parametrize(
    ("size", "aspect", "expected"),
    [
        ((720, 480), Fraction(8, 9), (720, 540)),
        ((720, 480), Fraction(32, 27), (854, 480)),
        ((720, 576), Fraction(16, 15), (768, 576)),
        ((1440, 1080), Fraction(4, 3), (1920, 1080)),
        ((640, 352), Fraction(44, 45), (640, 360)),
        ((1920, 1080), Fraction(1), (1920, 1080)),
    ],
)
def test_square_pixels_lose_no_samples(
    size: tuple[int, int], aspect: Fraction, expected: tuple[int, int]
) -> None:
    assert square(*size, aspect) == expected


names = st.sampled_from
colours = st.builds(
    Colour,
    names([UNKNOWN, "bt709", "bt470bg", "smpte170m", "bt2020", "smpte432", "film"]),
    names([UNKNOWN, "bt709", "smpte170m", "bt470bg", "smpte2084", "arib-std-b67", "bt2020-10"]),
    names([UNKNOWN, "gbr", "bt709", "smpte170m", "bt2020nc", "ycgco"]),
    names(["limited", "full", "unknown"]),
)
videos = st.builds(
    replace,
    st.just(PLAIN),
    width=st.integers(16, 8192),
    height=st.integers(16, 8192),
    sample_aspect=st.fractions(Fraction(1, 4), 4, max_denominator=100),
    rotation=names([0, 90, 180, 270]),
    mirrored=st.booleans(),
    frame_rate=st.sampled_from(WELL_KNOWN) | st.fractions(1, 500, max_denominator=1001),
    cadence=names(["constant", "variable"]),
    timed=st.booleans(),
    scan=names(["progressive", "interlaced"]),
    parity=names([None, "tff", "bff"]),
    pixel_format=names(["yuv420p", "yuvj420p", "yuv444p10le", "gbrp", "rgba", "yuva420p"]),
    colour=colours,
)


@given(videos, st.none() | st.sampled_from([Fraction(r) for r in (24, 25, 30, 50, 60)]))
def test_what_holds_for_every_conform(video: object, highest: Fraction | None) -> None:
    assert isinstance(video, type(PLAIN))
    conform = decide_conform(master_of(video), max_frame_rate=highest)
    assert conform.width % 2 == conform.height % 2 == 0
    turned = video.rotation in (90, 270)
    width, height = (video.height, video.width) if turned else (video.width, video.height)
    assert conform.width >= width - 1
    assert conform.height >= height - 1
    # One side keeps its samples; the other is at most a pixel and rounding off the true shape.
    aspect = 1 / video.sample_aspect if turned else video.sample_aspect
    exact = (width - width % 2) * aspect / (height - height % 2)
    off = abs(Fraction(conform.width, conform.height) / exact - 1)
    assert off <= Fraction(1, min(conform.width, conform.height) - 1)
    assert highest is None or conform.frame_rate <= highest
    assert (video.frame_rate / conform.frame_rate).denominator == 1
    assert conform.filters[-1].arguments == (conform.pixel_format,)
    assert UNKNOWN not in (
        conform.colour.primaries,
        conform.colour.transfer,
        conform.colour.matrix,
        conform.colour.range,
    )
    assert conform.tone_mapped == video.colour.is_hdr
    assert all(change and change[-1] != "." for change in conform.changes)
    assert from_plain(to_plain(conform), Conform) == conform
