"""Values of a JSON file that this program or a person wrote, each with the way that leads to it.

A baseline is reviewed, merged and edited by people, and a report may be of another version: what is
not there, or is of another type, is refused with the file, the field and what to do.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from encoder.errors import RecordError, unreadable

_RATIO = re.compile(r"[0-9]{1,18}([./][0-9]{1,18})?")
_WORDS = {
    "NoneType": "null",
    "bool": "true or false",
    "dict": "an object",
    "float": "a number",
    "int": "a number",
    "list": "an array",
    "str": "text",
}


def cannot_read(path: Path, error: Exception) -> RecordError:
    """The refusal of a file that is no JSON object, or cannot be opened at all."""
    return RecordError(
        "A run cannot be read",
        where=str(path),
        why=unreadable(error),
        hint="Give a package, its report.json or a baseline",
    )


def _no_number(name: str) -> float:
    # A comparison with NaN is never true: no gate would fail for it.
    raise ValueError(f"it has {name} where a number should be")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A value, the file that it is of, the fields that lead to it, and what mends a wrong one.

    ``field`` reads like ``clips[0].rungs[1].rates.bytes``; that of the whole file is empty.
    """

    value: Any
    file: Path
    hint: str
    field: str = ""

    def wrong(self, why: str) -> RecordError:
        """The refusal of this value."""
        return RecordError(
            "A value of a run is missing or wrong",
            where=f"{self.file}: {self.field}" if self.field else str(self.file),
            why=why,
            hint=self.hint,
        )

    def at(self, name: str) -> Recorded:
        """A field of this object.

        Raises:
            RecordError: when this is no object, or it is not there.
        """
        found = self.entries().get(name)
        if found is None:
            way = f"{self.field}.{name}" if self.field else name
            raise Recorded(None, self.file, self.hint, way).wrong("it is not there")
        return found

    def entries(self) -> dict[str, Recorded]:
        """The fields of this object, in their order.

        Raises:
            RecordError: when it is none.
        """
        found = self._of(dict, "an object")
        before = f"{self.field}." if self.field else ""
        return {
            name: Recorded(value, self.file, self.hint, f"{before}{name}")
            for name, value in found.items()
        }

    def only(self, *names: str) -> None:
        """Refuses fields of other names: a file of another version is not to be half understood.

        Raises:
            RecordError: when there is one.
        """
        for name, field in self.entries().items():
            if name not in names:
                raise field.wrong("there is no such field")

    def items(self) -> list[Recorded]:
        """The elements of this array.

        Raises:
            RecordError: when it is none.
        """
        return [
            Recorded(value, self.file, self.hint, f"{self.field}[{number}]")
            for number, value in enumerate(self._of(list, "an array"))
        ]

    def text(self) -> str:
        """This text.

        Raises:
            RecordError: when it is none.
        """
        return str(self._of(str, "text"))

    def number(self, *, positive: bool = False) -> float:
        """This number, which is finite.

        Args:
            positive: whether it must be above zero.

        Raises:
            RecordError: when it is none.
        """
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self._of_another("a number")
        try:
            found = float(self.value)
        except OverflowError:  # digits without end
            found = math.inf
        if not math.isfinite(found):
            raise self.wrong(f"it has {found} where a number should be")
        if positive and found <= 0:
            raise self.wrong(f"it is {found:g}, and must be above zero")
        return found

    def whole(self) -> int:
        """This number, which is whole and not below zero.

        Raises:
            RecordError: when it is not.
        """
        found = self.number()
        if found != int(found) or found < 0:
            raise self.wrong(f"it is {found:g}, and must be a whole number, 0 or more")
        return int(found)

    def ratio(self) -> Fraction:
        """This number as text: ``30000/1001``; above zero.

        Raises:
            RecordError: when it is none.
        """
        given = self.text()
        try:
            # An exponent may stand for more digits than there is memory.
            if not _RATIO.fullmatch(given):
                raise ValueError("it is written otherwise")
            found = Fraction(given)
        except (ValueError, ZeroDivisionError) as error:
            raise self.wrong(f"{given!r:.40} is no ratio like 30000/1001") from error
        if found <= 0:
            raise self.wrong(f"it is {given}, and must be above zero")
        return found

    def _of(self, kind: type, word: str) -> Any:
        if not isinstance(self.value, kind):
            raise self._of_another(word)
        return self.value

    def _of_another(self, word: str) -> RecordError:
        name = type(self.value).__name__
        shown = f" ({self.value!r:.40})" if isinstance(self.value, str | int | float) else ""
        return self.wrong(f"it has {_WORDS.get(name, name)}{shown} where {word} should be")


def read_recorded(path: Path, hints: Mapping[str, str], otherwise: str) -> Recorded:
    """The JSON object of a file.

    Args:
        path: the file.
        hints: what mends a wrong value, by what its ``schema`` begins with.
        otherwise: of any other schema.

    Raises:
        RecordError: when there is no such object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    # A few thousand brackets are more than the parser goes down.
    except (OSError, ValueError, RecursionError) as error:
        raise cannot_read(path, error) from error
    if not isinstance(data, dict):
        raise cannot_read(path, ValueError("it is no JSON object"))
    schema = str(data.get("schema", ""))
    hint = next((hint for start, hint in hints.items() if schema.startswith(start)), otherwise)
    return Recorded(data, path, hint)
