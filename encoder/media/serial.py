"""Values to plain data and back, for JSON files and cache entries.

Fractions become ``"24000/1001"``, paths text, tuples lists. Structuring is strict: a field that is
not of the value's class is an error, so that a file of another version is refused, not misread.
"""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import cattrs
from cattrs.gen import make_dict_structure_fn

T = TypeVar("T")


def _fraction(text: object, _: type) -> Fraction:
    return Fraction(str(text))


def fraction_text(value: Fraction) -> str:
    """``num/den``, also for whole numbers, so that one parser serves all."""
    return f"{value.numerator}/{value.denominator}"


def _make() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(Fraction, fraction_text)
    converter.register_structure_hook(Fraction, _fraction)
    converter.register_unstructure_hook(Path, str)
    converter.register_unstructure_hook_func(
        lambda cls: isinstance(cls, type) and issubclass(cls, Path), str
    )
    converter.register_structure_hook(Path, lambda text, _: Path(str(text)))
    converter.register_structure_hook_factory(
        is_dataclass, lambda cls: make_dict_structure_fn(cls, converter)
    )
    return converter


_CONVERTER = _make()


def to_plain(value: object) -> Any:
    """A value as dicts, lists, text and numbers."""
    return _CONVERTER.unstructure(value)


def from_plain(data: object, cls: type[T]) -> T:
    """The value of class ``cls`` that :func:`to_plain` made ``data`` from.

    Raises:
        ValueError: when the data does not fit the class.
    """
    try:
        return _CONVERTER.structure(data, cls)
    except Exception as error:
        raise ValueError(f"not a {cls.__name__}: {error}") from error


def to_json(value: object) -> str:
    """Compact JSON text of a value, in stable order, without NaN or Infinity."""
    return json.dumps(to_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
