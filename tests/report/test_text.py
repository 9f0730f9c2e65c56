"""How quantities are written."""

from __future__ import annotations

from fractions import Fraction

import pytest

from encoder.report import text


def plain(written: str) -> str:
    """With ordinary spaces and signs."""
    return written.translate({0xA0: " ", 0x202F: " ", 0x2212: "-"})


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (0, "0.0 kb/s"),
        (8_400, "8.4 kb/s"),
        (96_400, "96 kb/s"),
        (999_499, "999 kb/s"),
        (999_500, "1.00 Mb/s"),
        (5_214_000, "5.21 Mb/s"),
        (12_340_000, "12.3 Mb/s"),
        (184_000_000, "184 Mb/s"),
    ],
)
def test_bitrates(bits: int, expected: str) -> None:
    assert plain(text.bitrate(bits)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (Fraction(48, 5), "9.6 s"),
        (Fraction(5994, 100), "59.9 s"),
        (Fraction(5999, 100), "1:00"),
        (245, "4:05"),
        (7083, "1:58:03"),
    ],
)
def test_durations(seconds: Fraction, expected: str) -> None:
    assert plain(text.duration(seconds)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (Fraction(0), "0:00.00"),
        (Fraction(187, 25), "0:07.48"),
        (Fraction(59_999, 1000), "1:00.00"),
        (Fraction(7083), "1:58:03.00"),
    ],
)
def test_clock(seconds: Fraction, expected: str) -> None:
    assert text.clock(seconds) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.25, "+1.2"), (-1.26, "-1.3"), (0.04, "0.0"), (-0.04, "0.0"), (-24.31, "-24.3")],
)
def test_signs(value: float, expected: str) -> None:
    assert plain(text.signed(value)) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (13_420_000, "13.4 MB"),
        (32_500_000_000, "32.5 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes(count: int, expected: str) -> None:
    assert plain(text.size(count)) == expected


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (Fraction(25), "25"),
        (Fraction(25, 2), "12.5"),
        (Fraction(24000, 1001), "23.976 (24000/1001)"),
    ],
)
def test_frame_rates(rate: Fraction, expected: str) -> None:
    assert text.frame_rate(rate) == expected


def test_long_text_loses_its_middle() -> None:
    assert text.elided("abcdefghij", 10) == "abcdefghij"
    assert text.elided("abcdefghijk", 10) == "abcd\N{HORIZONTAL ELLIPSIS}ghijk"
    assert len(text.elided("x" * 500, 24)) == 24


def test_groups_of_thousands() -> None:
    assert plain(text.grouped(180_000)) == "180 000"
    assert plain(text.kilobits(12_555_400)) == "12 555"


def test_ordinals() -> None:
    written = [text.ordinal(n) for n in (1, 2, 3, 4, 5, 11, 12, 13, 21, 102, 113)]
    assert " ".join(written) == "1st 2nd 3rd 4th 5th 11th 12th 13th 21st 102nd 113th"
