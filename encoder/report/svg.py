"""Writes SVG: elements as text, numbers short, everything escaped. Colours come from the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

Value = str | float | None


def number(value: float) -> str:
    """A coordinate to a tenth of a pixel, without trailing zeros."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def element(name: str, /, *children: str, **attributes: Value) -> str:
    """An element of children that are SVG already.

    Names of attributes are Python's: ``class_`` and ``stroke_width`` become ``class`` and
    ``stroke-width``; an attribute that is None is left out.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None:
            continue
        content = value if isinstance(value, str) else number(value)
        parts.append(f'{key.rstrip("_").replace("_", "-")}="{escape(content)}"')
    head = " ".join(parts)
    return f"<{head}>{''.join(children)}</{name}>" if children else f"<{head}/>"


def words(content: str, x: float, y: float, class_: str) -> str:
    """A line of text; its class says how it is aligned."""
    return element("text", escape(content), x=x, y=y, class_=class_)


def tip(content: str) -> str:
    """What a pointer over the enclosing element is told."""
    return element("title", escape(content))


def straight(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def points(xs: Iterable[float], ys: Iterable[float]) -> str:
    """Coordinates for ``points``."""
    return " ".join(f"{number(x)},{number(y)}" for x, y in zip(xs, ys, strict=True))


def polyline(coordinates: Sequence[tuple[float, float]], class_: str) -> str:
    """A line through points."""
    return element(
        "polyline",
        points=points((x for x, _ in coordinates), (y for _, y in coordinates)),
        class_=class_,
    )


def steps(edges: NDArray[np.float64], levels: NDArray[np.float64]) -> list[tuple[float, float]]:
    """The corners of a staircase: each level from its edge to the next."""
    xs = np.repeat(edges, 2)[1:-1]
    return list(zip(xs.tolist(), np.repeat(levels, 2).tolist(), strict=True))
