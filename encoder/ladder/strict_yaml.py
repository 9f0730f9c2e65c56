"""YAML without surprises: every mistake is an error with file, line, column and a hint.

PyYAML reads ``16:9`` as 969 and ``no`` as false, and takes the last of two equal keys. Here a file
is only composed into nodes; what each scalar means is decided by the field it stands in.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

import yaml

from encoder.errors import UsageError

T = TypeVar("T")
N = TypeVar("N", int, float, Fraction)

# Characters of a line that are shown of it.
_QUOTED = 160
_RATE_HINT = "Bitrates are in bits per second: 2 Mb/s is 2_000_000"


class Mark(Protocol):
    """A place in a text, as PyYAML's events and errors give it: line and column from 0."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML text, the name it goes by in messages, and what it is."""

    name: str
    text: str
    kind: str = "policy"

    def wrong(self, node: yaml.Node | Mark | None, why: str, hint: str = "") -> UsageError:
        """The error for a place in the text, with the line quoted."""
        mark = node.start_mark if isinstance(node, yaml.Node) else node
        if mark is None:
            return UsageError(f"The {self.kind} is wrong", where=self.name, why=why, hint=hint)
        lines = self.text.splitlines()
        quoted = lines[mark.line].strip() if mark.line < len(lines) else ""
        quoted = quoted if len(quoted) <= _QUOTED else f"{quoted[:_QUOTED]}..."
        return UsageError(
            f"The {self.kind} is wrong",
            where=f"{self.name}:{mark.line + 1}:{mark.column + 1}",
            why=f"{why}" + (f" (in `{quoted}`)" if quoted else ""),
            hint=hint,
        )


class Mapped:
    """A mapping node whose fields are taken one by one; what is left over is an error."""

    def __init__(self, source: Source, node: yaml.Node, what: str) -> None:
        if not isinstance(node, yaml.MappingNode):
            raise source.wrong(node, f"{what} must be a mapping of names to values")
        self.source = source
        self.node = node
        self.what = what
        self._fields: dict[str, yaml.Node] = {}
        self._known: list[str] = []
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                raise source.wrong(key, f"a name is expected in {what}")
            if name in self._fields:
                raise source.wrong(
                    key, f"`{name}` is given twice", "Keep one; YAML would use the last"
                )
            self._fields[name] = value
        self._keys = {key.value: key for key, _ in node.value}

    def take(
        self,
        name: str,
        read: Callable[[Source, yaml.Node, str], T],
        default: T | None = None,
        *,
        required: bool = False,
    ) -> T:
        """The value of a field.

        Raises:
            UsageError: when it is missing and required, or not of the kind that ``read`` reads.
        """
        self._known.append(name)
        node = self._fields.pop(name, None)
        if node is None:
            if required:
                raise self.source.wrong(self.node, f"{self.what} lacks `{name}`")
            return default  # type: ignore[return-value]
        return read(self.source, node, name)

    def done(self) -> None:
        """Checks that every field was known.

        Raises:
            UsageError: naming the first that was not, with the closest that is.
        """
        for name in self._fields:
            close = difflib.get_close_matches(name, self._known, 1)
            hint = f"Did you mean `{close[0]}`?" if close else f"Known: {', '.join(self._known)}"
            raise self.source.wrong(self._keys[name], f"unknown field `{name}`", hint)


def compose(source: Source) -> yaml.Node:
    """The root node of a text that holds one document.

    Raises:
        UsageError: when it is not YAML, is empty, or uses anchors or aliases.
    """
    try:
        for event in yaml.parse(source.text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise source.wrong(event.start_mark, "anchors and aliases are not used here")
        node = yaml.compose(source.text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise source.wrong(error.problem_mark, error.problem or "not YAML") from error
    except yaml.YAMLError as error:
        raise source.wrong(None, f"not YAML: {error}") from error
    if node is None:
        raise source.wrong(None, "the file is empty")
    return node


def _scalar(source: Source, node: yaml.Node, name: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise source.wrong(node, f"`{name}` must be a single value")
    return str(node.value)


def text(source: Source, node: yaml.Node, name: str) -> str:
    """A text, as written; not empty."""
    value = _scalar(source, node, name).strip()
    if not value:
        raise source.wrong(node, f"`{name}` is empty")
    return value


def whole(low: int, high: int) -> Callable[[Source, yaml.Node, str], int]:
    """A reader of whole numbers within bounds; underscores may group digits."""

    def read(source: Source, node: yaml.Node, name: str) -> int:
        value = _scalar(source, node, name)
        digits = value.replace("_", "")
        if not (digits.isascii() and digits.isdigit()):
            raise source.wrong(
                node,
                f"`{name}` must be a whole number, not `{value}`",
                _RATE_HINT if "bitrate" in name or "bandwidth" in name else "",
            )
        return _within(source, node, name, int(digits), low, high)

    return read


def number(low: float, high: float) -> Callable[[Source, yaml.Node, str], float]:
    """A reader of decimal numbers within bounds."""

    def read(source: Source, node: yaml.Node, name: str) -> float:
        value = _scalar(source, node, name)
        try:
            found = float(value)
        except ValueError:
            raise source.wrong(node, f"`{name}` must be a number, not `{value}`") from None
        return _within(source, node, name, found, low, high)

    return read


def fraction(low: int, high: int) -> Callable[[Source, yaml.Node, str], Fraction]:
    """A reader of exact positive numbers: ``30``, ``2.5`` or ``30000/1001``."""

    def read(source: Source, node: yaml.Node, name: str) -> Fraction:
        value = _scalar(source, node, name)
        try:
            found = Fraction(value)
        except (ValueError, ZeroDivisionError):
            raise source.wrong(
                node, f"`{name}` must be a number such as 30, 2.5 or 30000/1001, not `{value}`"
            ) from None
        return _within(source, node, name, found, low, high)

    return read


def _within(source: Source, node: yaml.Node, name: str, value: N, low: float, high: float) -> N:
    if not low <= value <= high:  # also catches NaN
        raise source.wrong(node, f"`{name}` must be between {low} and {high}, not {value}")
    return value


def truth(source: Source, node: yaml.Node, name: str) -> bool:
    """``true`` or ``false``, and nothing else that YAML might take for one."""
    value = _scalar(source, node, name)
    if value not in ("true", "false"):
        raise source.wrong(node, f"`{name}` must be true or false, not `{value}`")
    return value == "true"


def choice(values: Sequence[str]) -> Callable[[Source, yaml.Node, str], str]:
    """A reader of one of a few words."""

    def read(source: Source, node: yaml.Node, name: str) -> str:
        value = _scalar(source, node, name)
        if value not in values:
            raise source.wrong(node, f"`{name}` must be one of {', '.join(values)}, not `{value}`")
        return value

    return read


def items(
    read: Callable[[Source, yaml.Node, str], T],
) -> Callable[[Source, yaml.Node, str], tuple[T, ...]]:
    """A reader of a list that is not empty."""

    def read_all(source: Source, node: yaml.Node, name: str) -> tuple[T, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise source.wrong(node, f"`{name}` must be a list")
        if not node.value:
            raise source.wrong(node, f"`{name}` is an empty list")
        return tuple(read(source, item, name) for item in node.value)

    return read_all


def or_none(
    read: Callable[[Source, yaml.Node, str], T],
) -> Callable[[Source, yaml.Node, str], T | None]:
    """A reader that also takes ``none``."""

    def read_it(source: Source, node: yaml.Node, name: str) -> T | None:
        if isinstance(node, yaml.ScalarNode) and node.value == "none":
            return None
        return read(source, node, name)

    return read_it
