"""Numbers as people read them in the reports: one way to write each quantity."""

from __future__ import annotations

import math
from fractions import Fraction

MINUS = "\N{MINUS SIGN}"
# Keeps number and unit, and the groups of a long number, on one line.
SPACE = "\N{NO-BREAK SPACE}"
NARROW = "\N{NARROW NO-BREAK SPACE}"
DASH = "\N{EN DASH}"


def bitrate(bits_per_second: float) -> str:
    """``830 kb/s``, ``5.21 Mb/s``: three significant digits, decimal prefixes."""
    if bits_per_second < 999_500:
        kilo = bits_per_second / 1e3
        return f"{kilo:.1f}{SPACE}kb/s" if kilo < 9.95 else f"{kilo:.0f}{SPACE}kb/s"
    mega = bits_per_second / 1e6
    digits = 2 if mega < 9.995 else 1 if mega < 99.95 else 0
    return f"{mega:.{digits}f}{SPACE}Mb/s"


def round_bitrate(bits_per_second: float) -> str:
    """A tick's bitrate, as short as it can be: ``300 kb/s``, ``1.5 Mb/s``."""
    if bits_per_second < 999_500:
        return f"{bits_per_second / 1e3:g}{SPACE}kb/s"
    return f"{bits_per_second / 1e6:g}{SPACE}Mb/s"


def kilobits(bits_per_second: float) -> str:
    """Whole kilobits, grouped by thousands, without the unit: for columns of one unit."""
    return grouped(round(bits_per_second / 1e3))


def grouped(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}".replace(",", NARROW).replace("-", MINUS)


def some(count: int, noun: str) -> str:
    """How many of something there are, for progress and messages."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def size(count: int) -> str:
    """Bytes with a decimal prefix."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            digits = 0 if unit == "bytes" or value >= 99.95 else 1
            return f"{value:.{digits}f}{SPACE}{unit}"
        value /= 1000
    raise AssertionError("unreachable")


def duration(seconds: Fraction | float) -> str:
    """``9.6 s``, ``4:05``, ``1:58:03``."""
    if seconds < 59.95:
        return f"{float(seconds):.1f}{SPACE}s"
    return clock(round(seconds), whole=True)


def clock(seconds: Fraction | float, *, whole: bool = False) -> str:
    """``0:07.48``, ``1:58:03.20``; to the second when ``whole``."""
    hundredths = math.floor(Fraction(seconds) * 100 + Fraction(1, 2))
    rest, cents = divmod(hundredths, 100)
    rest, secs = divmod(rest, 60)
    hours, minutes = divmod(rest, 60)
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{secs:02}" if whole else f"{head}:{secs:02}.{cents:02}"


def round_time(seconds: float, total: float) -> str:
    """A tick's time, in the form that suits a title of ``total`` seconds."""
    return f"{seconds:g}{SPACE}s" if total < 60 else clock(seconds, whole=True)


def signed(value: float, digits: int = 1) -> str:
    """With a sign that is as wide as a digit; a value that rounds to nothing has none."""
    text = f"{abs(value):.{digits}f}"
    if not any(c in "123456789" for c in text):
        return text
    return (MINUS if value < 0 else "+") + text


def percent(value: float, digits: int = 1) -> str:
    """A signed share in per cent."""
    return f"{signed(value, digits)}{SPACE}%"


def frame_rate(rate: Fraction) -> str:
    """``25``, ``23.976``, with the exact fraction where decimals are not exact."""
    if rate.denominator == 1:
        return str(rate.numerator)
    short = f"{float(rate):.3f}".rstrip("0")
    if Fraction(short) == rate:
        return short
    return f"{short} ({rate.numerator}/{rate.denominator})"


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``4th``, ``11th``, ``21st``."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def resolution(width: int, height: int) -> str:
    """``1920 x 1080`` with a multiplication sign."""
    return f"{width}{NARROW}\N{MULTIPLICATION SIGN}{NARROW}{height}"


def short_resolution(width: int, height: int) -> str:
    """``1080p``: by the short side, as people call them."""
    return f"{min(width, height)}p"


def elided(text: str, most: int) -> str:
    """The text with its middle left out where it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - (most - 1 - head) :]}"


def encodable(text: str) -> str:
    """The text with bytes that were no UTF-8 (as in some file names) written as ``\\xff``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
