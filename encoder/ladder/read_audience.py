"""Reads audiences: those that come with the program, percentiles in a policy, histogram files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from encoder.errors import UsageError, unreadable
from encoder.ladder.shipped import audience_folder
from encoder.ladder.strict_yaml import Mapped, Source, compose, number, text, whole
from encoder.media.audience import Audience

DEFAULT_AUDIENCE = "world-2017"
_YAML = (".yaml", ".yml")
_bandwidth = whole(1_000, 1_000_000_000_000)
_percentile = number(0, 100)
_weight = number(0, 1e15)


def shipped_audiences() -> tuple[str, ...]:
    """The names of the audiences that come with the program."""
    return tuple(sorted(path.stem for path in audience_folder().glob("*.yaml")))


def load_audience(choice: str) -> Audience:
    """The audience of that name, or in that file.

    Args:
        choice: a name that comes with the program, or the path of a YAML file with ``percentiles``
            or a ``histogram``, or of a CSV file of bandwidths and weights.

    Raises:
        UsageError: when there is no such audience, or it is wrong; the message has file, line and
            column.
    """
    if choice in shipped_audiences():
        return _file(audience_folder() / f"{choice}.yaml")
    path = Path(choice)
    if not path.is_file():
        raise UsageError(
            "No such audience",
            where=choice,
            hint=f"Give the path of a YAML or CSV file, or one of {', '.join(shipped_audiences())}",
        )
    return _file(path)


def audience_field(source: Source, node: yaml.Node, name: str) -> Audience:
    """Reads the ``audience`` of a policy: a name, ``percentiles``, or a ``histogram`` file.

    Raises:
        UsageError: when it is none of these.
    """
    if isinstance(node, yaml.ScalarNode):
        choice = text(source, node, name)
        if choice not in shipped_audiences():
            raise source.wrong(
                node,
                f"no audience `{choice}` comes with the program",
                f"Known: {', '.join(shipped_audiences())}; or give `percentiles` or a `histogram`",
            )
        return load_audience(choice)
    return _distribution(source, Mapped(source, node, f"`{name}`"))


def _file(path: Path) -> Audience:
    try:
        written = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = unreadable(error)
        raise UsageError("The audience cannot be read", where=str(path), why=why) from error
    source = Source(str(path), written, "audience")
    if path.suffix.lower() not in _YAML:
        return replace(_of_csv(source), name=path.stem, source=path.name)
    root = compose(source)
    if isinstance(root, yaml.SequenceNode):
        return replace(_of_list(source, root), name=path.stem, source=path.name)
    return replace(_distribution(source, Mapped(source, root, "the audience")), name=path.stem)


def _distribution(source: Source, fields: Mapped) -> Audience:
    """A mapping with ``percentiles`` or ``histogram``, and what may be said of it."""
    fields.take("description", text, "")
    origin = fields.take("source", text, "")
    percentiles = fields.take("percentiles", _of_percentiles)
    histogram = fields.take("histogram", _of_histogram)
    fields.done()
    # The default of a field is None, whatever its type.
    found = [one for one in (percentiles, histogram) if one is not None]
    if len(found) != 1:
        raise source.wrong(fields.node, f"{fields.what} needs either `percentiles` or `histogram`")
    return replace(found[0], source=origin or found[0].source)


def _of_percentiles(source: Source, node: yaml.Node, name: str) -> Audience:
    if not isinstance(node, yaml.MappingNode):
        raise source.wrong(
            node, f"`{name}` must be a mapping of percentiles to bandwidths", "{5: 900_000, ...}"
        )
    found: dict[float, float] = {}
    above: tuple[float, float] | None = None
    for key, value in node.value:
        percentile = _percentile(source, key, "a percentile")
        bandwidth = _bandwidth(source, value, f"bandwidth of percentile {percentile:g}")
        if above is not None and percentile <= above[0]:
            raise source.wrong(key, f"`{name}` must rise from one to the next")
        if above is not None and bandwidth <= above[1]:
            raise source.wrong(value, "bandwidths must rise with their percentiles")
        found[percentile] = bandwidth
        above = percentile, bandwidth
    if len(found) < 2:
        raise source.wrong(node, f"`{name}` needs at least two")
    return Audience.of_percentiles(found, name="percentiles of the policy")


def _of_histogram(source: Source, node: yaml.Node, name: str) -> Audience:
    """A list of bandwidths and weights, or the file that holds one."""
    if isinstance(node, yaml.SequenceNode):
        return _of_list(source, node)
    written = text(source, node, name)
    path = Path(source.name).parent / written
    if not path.is_file():
        raise source.wrong(node, f"`{name}` is no file: {path}", "It is relative to this file")
    if path.suffix.lower() in _YAML:
        other = _source_of(path)
        return replace(_of_list(other, compose(other)), name=path.stem, source=path.name)
    return replace(_of_csv(_source_of(path)), name=path.stem, source=path.name)


def _source_of(path: Path) -> Source:
    try:
        return Source(str(path), path.read_text(encoding="utf-8-sig"), "histogram")
    except (OSError, UnicodeDecodeError) as error:
        why = unreadable(error)
        raise UsageError("The histogram cannot be read", where=str(path), why=why) from error


def _of_list(source: Source, node: yaml.Node) -> Audience:
    if not isinstance(node, yaml.SequenceNode):
        raise source.wrong(
            node,
            "a histogram must be a list of bandwidths and weights",
            "- {bandwidth: 4_000_000, weight: 12.5}",
        )
    bins = []
    for item in node.value:
        fields = Mapped(source, item, "a bin")
        bandwidth = fields.take("bandwidth", _bandwidth, required=True)
        bins.append((bandwidth, fields.take("weight", _weight, required=True)))
        fields.done()
    return _histogram(source, bins)


def _of_csv(source: Source) -> Audience:
    """Lines of ``bandwidth,weight``; a first line that says so and comments with ``#`` may be."""
    bins = []
    first = True
    for number_, line in enumerate(source.text.splitlines()):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = line.split(",")
        heading = [cell.strip().lower() for cell in cells] == ["bandwidth", "weight"]
        if len(cells) != 2:
            raise source.wrong(
                _Place(number_, 0), "a line must be a bandwidth and a weight, with a comma between"
            )
        if not (first and heading):
            bandwidth = _cell(source, number_, 0, cells[0], "bandwidth")
            weight = _cell(source, number_, len(cells[0]) + 1, cells[1], "weight")
            bins.append((bandwidth, weight))
        first = False
    return _histogram(source, bins)


def _cell(source: Source, line: int, column: int, cell: str, name: str) -> float:
    place = _Place(line, column + len(cell) - len(cell.lstrip()))
    try:
        value = float(cell)
    except ValueError:
        hint = "A bandwidth is in bits per second: 2 Mb/s is 2000000" if name == "bandwidth" else ""
        raise source.wrong(
            place, f"the {name} must be a number, not `{cell.strip()}`", hint
        ) from None
    if not math.isfinite(value) or value < 0 or (name == "bandwidth" and value < 1_000):
        least = "at least 1000" if name == "bandwidth" else "0 or more"
        raise source.wrong(place, f"the {name} must be {least}, not {cell.strip()}")
    return value


class _Place:
    """A place in a text, counted from 0."""

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column


def _histogram(source: Source, bins: Sequence[tuple[float, float]]) -> Audience:
    try:
        return Audience.of_histogram(bins)
    except ValueError as error:
        raise source.wrong(None, str(error)) from error
