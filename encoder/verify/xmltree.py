"""XML with the line of every element. Document type declarations are refused: they can make a
small file expand without bound, and no manifest needs one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

# Far more than a manifest of hours has; beyond it, memory and the stack are at stake.
_MOST_NODES, _DEEPEST, _LONGEST = 200_000, 64, 1 << 20


class BadXml(ValueError):  # noqa: N818 - what the file is, not a defect of this program
    """Not well formed, with a document type, or of no manifest's size. ``line`` is where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(slots=True)
class Node:
    """An element: its name and attributes without namespace prefixes, its line and its content, and
    the namespace that it is of (empty for none)."""

    name: str
    attributes: dict[str, str]
    line: int
    children: list[Node] = field(default_factory=list)
    text: str = ""
    namespace: str = ""

    def all(self, name: str) -> list[Node]:
        """The children of a name."""
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> Node | None:
        """The first child of a name."""
        return next((child for child in self.children if child.name == name), None)

    def get(self, name: str) -> str | None:
        """An attribute."""
        return self.attributes.get(name)

    def walk(self) -> Iterator[Node]:
        """This element and all below it, in order."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse_xml(data: bytes) -> Node:
    """The root element.

    Raises:
        BadXml: when it is not well formed, declares a document type, or is larger or nested deeper
            than any manifest.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    root = Node("", {}, 0)
    open_nodes = [root]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > _MOST_NODES or len(open_nodes) > _DEEPEST:
            what = "elements" if count > _MOST_NODES else "levels"
            most = _MOST_NODES if count > _MOST_NODES else _DEEPEST
            raise BadXml(f"more than {most} {what}", parser.CurrentLineNumber)
        namespace, _, local = name.rpartition(" ")
        plain = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        node = Node(local, plain, parser.CurrentLineNumber, namespace=namespace)
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    def end(_name: str) -> None:
        open_nodes.pop()

    def content(text: str) -> None:
        if len(open_nodes[-1].text) < _LONGEST:
            open_nodes[-1].text += text

    def refuse(*_: object) -> None:
        raise BadXml("it declares a document type", parser.CurrentLineNumber)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = content
    parser.StartDoctypeDeclHandler = refuse
    parser.buffer_text = True
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BadXml(expat.ErrorString(error.code), error.lineno) from error
    except (LookupError, ValueError) as error:
        if isinstance(error, BadXml):
            raise
        raise BadXml(str(error), 1) from error
    return root.children[0]
