"""What docs/json-verbs.md says of each JSON object, and whether an object is so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from tests.report.test_document import DOCUMENTATION, fits, walk

# Objects with a key for each file, condition, rate or metric.
_BY_NAME = (
    "files.",
    "clips[].conditions.",
    "clips[].rungs[].rates.",
    "clips[].rungs[].scores.",
    "clips[].rungs[].shots.",
)
VERBS = DOCUMENTATION.with_name("json-verbs.md")

Kinds = dict[str, str]
Plain = dict[str, Any]


def rows(text: str) -> Iterator[tuple[str, str, str]]:
    """Path, type and unit of every row of the tables of fields."""
    for found in re.finditer(r"^\| `([^`|]+)` \|([^|]+)\|([^|]*)\|", text, re.MULTILINE):
        path, kind, unit = (part.strip() for part in found.groups())
        if not path.startswith("encoder "):
            yield path, kind, unit


def sections(level: str, text: str) -> dict[str, str]:
    """The text below each heading that is a name in code."""
    parts = re.split(rf"^{level} (.+)$", text, flags=re.MULTILINE)
    return {
        name.strip("`"): body
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
        if name.startswith("`")
    }


def expanded(kinds: Kinds) -> Kinds:
    """With the fields of those rows that say which others they are like."""
    found = dict(kinds)
    for path, kind in kinds.items():
        plain, _, other = kind.partition(", like ")
        if not other:
            continue
        model = other.strip("`")
        found[path] = plain
        at = path + "[]" if plain.startswith("array") else path
        inner = {p: k for p, k in kinds.items() if p.startswith(f"{model}.")}
        assert inner, f"nothing is like {model}"
        found |= {at + p.removeprefix(model): k for p, k in inner.items()}
    return found


def documented() -> dict[str, Kinds]:
    """The types of the fields of each schema; those of events by their kinds."""
    found = {}
    for schema, body in sections("##", VERBS.read_text("utf-8")).items():
        kinds = sections("###", body)
        common = body.partition("\n### ")[0]
        if not kinds:
            found[schema] = expanded({path: kind for path, kind, _ in rows(common)})
        for name, part in kinds.items():
            found[f"{schema} {name}"] = expanded(
                {path: kind for path, kind, _ in rows(common + part)}
            )
    return found


def name_of(document: Plain) -> str:
    schema = str(document["schema"])
    return f"{schema} {document['event']}" if schema == "encoder.event/1" else schema


def fields_of(document: Plain) -> list[tuple[str, Any]]:
    """Every field; those of an object whose keys are names of something are not fields."""
    return [(p, v) for p, v in walk(document) if not p.startswith(_BY_NAME)]


def wrong_in(document: Plain) -> list[tuple[str, Any, str | None]]:
    """The fields that are not documented, or not of their type."""
    kinds = documented()[name_of(document)]
    return [
        (path, value, kinds.get(path))
        for path, value in fields_of(document)
        if path not in kinds or not suits(value, kinds[path])
    ]


def suits(value: Any, kind: str) -> bool:
    if kind == "object of integer":
        return isinstance(value, dict) and all(fits(one, "integer") for one in value.values())
    return fits(value, kind)


def strict(text: str) -> Any:
    """What a strict parser reads."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)
