"""Plain data that any JSON parser takes, whatever the file names and figures it came from.

Every JSON text that is printed or written for others goes through :func:`json_text` or
:func:`json_line`: bytes of file names that are no UTF-8 are written as ``\\xff``, and a number that
is not finite is null, so that neither can make the text invalid.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

from encoder.errors import ExitCode
from encoder.report.text import encodable

ERROR_SCHEMA = "encoder.error/1"

# More than any measurement's own precision, and short enough to read.
DIGITS = 4

Plain = dict[str, Any]


def number(value: float | None, digits: int = DIGITS) -> float | None:
    """A measured number, rounded; None when it does not exist or is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)


def seconds(time: Fraction) -> float:
    """A time in seconds, to the microsecond."""
    return round(float(time), 6)


def clean(value: Any) -> Any:
    """The same with all text fit for UTF-8, and null for every number that is not finite."""
    if isinstance(value, dict):
        return {_text(key): clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [clean(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _text(value) if isinstance(value, str) else value


def _text(text: str) -> str:
    try:
        return encodable(text)
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte, as YAML can spell
        return text.encode("utf-8", "backslashreplace").decode()


def json_text(document: Plain) -> str:
    """A document as indented JSON, fit for UTF-8."""
    return json.dumps(clean(document), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def json_line(document: Plain) -> str:
    """A document as one line of ASCII: for streams whose encoding is not ours to choose."""
    return json.dumps(clean(document), allow_nan=False) + "\n"


def failure(code: ExitCode, what: str, where: str = "", why: str = "", hint: str = "") -> Plain:
    """Why a verb did not do what it was asked, schema ``encoder.error/1``.

    The parts are those of :class:`encoder.errors.EncoderError`.
    """
    return {
        "schema": ERROR_SCHEMA,
        "exit_code": int(code),
        "what": what,
        "where": where,
        "why": why,
        "hint": hint,
    }
