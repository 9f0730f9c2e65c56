"""What encoders are asked for."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from encoder.codecs import CrfZone, EncodeSettings, check_preset, codec_named
from encoder.codecs.levels import AV1_LEVELS, AVC_LEVELS
from encoder.errors import UsageError
from encoder.media.frames import FrameRange

COMMON = {"frame_rate": Fraction(24), "width": 640, "height": 360, "gop_frames": 48}


def settings(preset: str, **rate: object) -> EncodeSettings:
    return EncodeSettings(**COMMON, preset=preset, **rate)  # type: ignore[arg-type]


def test_x264_capped_crf() -> None:
    options = codec_named("h264").options(
        settings("medium", crf=23.5, max_bitrate=2_000_000, buffer_bits=1_500_000)
    )
    assert options == {
        "c:v": "libx264",
        "preset": "medium",
        "profile:v": "high",
        "pix_fmt": "yuv420p",
        "g": 48,
        "sc_threshold": 0,
        "forced-idr": 1,
        "flags:v": "+cgop+bitexact",
        "threads:v": 1,
        "crf": 23.5,
        "maxrate:v": 2_000_000,
        "bufsize:v": 1_500_000,
        "x264-params": "stitchable=1",
    }


def test_x264_has_a_zone_for_each_crf() -> None:
    zones = (CrfZone(FrameRange(0, 48), 23.0), CrfZone(FrameRange(48, 50), 27.5))
    options = codec_named("h264").options(settings("medium", crf=23, zones=zones))
    assert options["x264-params"] == "stitchable=1:zones=0,47,crf=23/48,49,crf=27.5"


def test_x264_average_bitrate() -> None:
    options = codec_named("h264").options(
        settings("medium", bitrate=730_000, max_bitrate=1_000_000, buffer_bits=1_000_000)
    )
    assert options["b:v"] == 730_000
    assert "crf" not in options


def test_svt_av1_capped_crf() -> None:
    options = codec_named("av1").options(
        settings("8", crf=35, max_bitrate=1_000_000, buffer_bits=1_000_000)
    )
    assert options["c:v"] == "libsvtav1"
    assert options["crf"] == 35
    assert options["maxrate:v"] == 1_000_000
    assert "bufsize:v" not in options


@pytest.mark.parametrize("name", ["h264", "av1"])
def test_a_codec_is_consistent(name: str) -> None:
    codec = codec_named(name)
    low, high = codec.crf_range
    assert low < high
    assert low <= codec.trial_span[0] < codec.trial_span[1] <= high
    assert codec.default_preset in codec.presets
    assert check_preset(codec, codec.default_preset) == codec.default_preset


def test_unknown_names_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="av1, h264"):
        codec_named("vp6")
    with pytest.raises(UsageError, match="medium"):
        check_preset(codec_named("h264"), "warp")


def test_an_encode_has_one_way_of_rate_control() -> None:
    with pytest.raises(ValueError, match="either"):
        settings("medium")
    with pytest.raises(ValueError, match="either"):
        settings("medium", crf=20, bitrate=1000)
    with pytest.raises(ValueError, match="zones"):
        settings("medium", bitrate=1000, zones=(CrfZone(FrameRange(0, 9), 20.0),))


@pytest.mark.parametrize(
    ("level", "width", "height", "rate", "holds"),
    [
        ("3.1", 1280, 720, 30, True),
        ("3.1", 1280, 720, 31, False),
        ("3.1", 1728, 720, 30, False),
        ("4", 1920, 1080, 30, True),
        ("4", 1920, 1080, 31, False),
        ("4.2", 1920, 1080, 60, True),
        # Few enough samples, but too wide.
        ("3", 2448, 160, 10, False),
        ("5.2", 3840, 2160, 60, True),
        ("5.2", 4096, 2160, 61, False),
    ],
)
def test_levels_of_h264_hold_what_they_are_known_for(
    level: str, width: int, height: int, rate: int, holds: bool
) -> None:
    found = codec_named("h264").level(level)
    assert found.holds(width, height, Fraction(rate)) is holds
    assert found.holds(height, width, Fraction(rate)) is holds


def test_levels_rise() -> None:
    for levels in (AVC_LEVELS, AV1_LEVELS):
        for lower, higher in pairwise(levels):
            assert lower.rate <= higher.rate
            assert lower.picture <= higher.picture
            assert lower.bitrate <= higher.bitrate
    with pytest.raises(UsageError, match=r"5\.2"):
        codec_named("h264").level("9")


@pytest.mark.parametrize(
    ("preset", "level", "height", "references"),
    [
        ("medium", None, 1080, None),
        ("veryslow", None, 1080, None),
        ("veryslow", None, 2160, 5),
        ("slow", "4", 1080, 4),
        ("medium", "4", 1080, None),
        ("slow", "3.1", 720, None),
        ("slower", "3.1", 720, 5),
    ],
)
def test_x264_refers_to_no_more_than_a_level_keeps(
    preset: str, level: str | None, height: int, references: int | None
) -> None:
    asked = EncodeSettings(
        Fraction(24), height * 16 // 9, height, preset, 48, crf=24, max_level=level
    )
    assert codec_named("h264").options(asked).get("refs") == references
