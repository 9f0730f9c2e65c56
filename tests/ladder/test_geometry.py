"""Which resolutions a title may have."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.codecs import codec_named
from encoder.errors import UsageError
from encoder.ladder.decide import decide_ladder
from encoder.ladder.geometry import allowed_sizes, even, fit_box, resolutions
from tests.ladder.test_evidence import APPLE, POLICY, analysis, conform

SIDES = (2160, 1440, 1080, 720, 540, 432, 360, 234)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, [(1920, 1080), (1280, 720), (960, 540), (768, 432), (640, 360), (416, 234)]),
        (720, 1280, [(720, 1280), (540, 960), (432, 768), (360, 640), (234, 416)]),
        (1920, 800, [(1920, 800), (1728, 720), (1296, 540), (1036, 432), (864, 360), (562, 234)]),
        (320, 180, [(320, 180)]),
        (640, 364, [(640, 364), (412, 234)]),
    ],
)
def test_sizes(width: int, height: int, expected: list[tuple[int, int]]) -> None:
    assert resolutions(width, height, SIDES) == expected


def test_a_master_above_the_policy_is_scaled_down() -> None:
    assert resolutions(3840, 2160, (1080, 720)) == [(1920, 1080), (1280, 720)]


@given(st.integers(1, 4000).map(lambda n: 2 * n), st.integers(1, 4000).map(lambda n: 2 * n))
def test_never_larger_than_the_master_always_even(width: int, height: int) -> None:
    sizes = resolutions(width, height, SIDES)
    assert sizes
    for w, h in sizes:
        assert w % 2 == h % 2 == 0
        assert 2 <= w <= width
        assert 2 <= h <= height
    assert len(set(sizes)) == len(sizes)


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        ((1280, 720), (1280, 720), (1280, 720)),
        ((1280, 720), (1920, 1080), None),
        ((720, 1280), (640, 360), (360, 640)),
        ((1440, 1080), (1280, 720), (960, 720)),
        ((1920, 800), (1920, 1080), (1920, 800)),
    ],
)
def test_boxes(
    size: tuple[int, int], box: tuple[int, int], expected: tuple[int, int] | None
) -> None:
    assert fit_box(*size, *box) == expected


@given(st.fractions(0, 10_000))
def test_even(value: Fraction) -> None:
    assert even(value) % 2 == 0
    assert abs(even(value) - value) <= (1 if value >= 1 else 2)


@pytest.mark.parametrize(
    ("level", "rate", "sizes"),
    [
        (None, 50, [(1280, 720), (960, 540), (640, 360)]),
        ("3.1", 30, [(1280, 720), (960, 540), (640, 360)]),
        ("3.1", 50, [(960, 540), (640, 360)]),
        ("3", 25, [(640, 360)]),
    ],
)
def test_only_sizes_that_devices_decode(
    level: str | None, rate: int, sizes: list[tuple[int, int]]
) -> None:
    shape = replace(conform(), frame_rate=Fraction(rate))
    policy = replace(POLICY, heights=(720, 540, 360), max_level=level)
    assert allowed_sizes(shape, policy) == sizes


def test_no_size_that_devices_decode() -> None:
    with pytest.raises(UsageError, match=r"beyond level 1\.2"):
        allowed_sizes(conform(), replace(POLICY, heights=(720,), max_level="1.2"))


def test_rungs_keep_to_the_rates_of_a_level() -> None:
    policy = replace(POLICY, heights=(234, 180), max_level="1.3", buffer_seconds=4.0)
    level = codec_named("h264").level("1.3")
    ladder = decide_ladder(conform(), analysis([100, 80]), policy, APPLE, ())
    assert len(ladder.rungs) > 1
    for rung in ladder.rungs:
        assert rung.max_level == "1.3"
        assert level.holds(rung.width, rung.height, Fraction(25))
        assert rung.max_bitrate <= level.bitrate
        assert rung.buffer_bits <= level.buffer
