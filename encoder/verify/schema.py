"""Validation against DASH-MPD.xsd, which the caller has: its publisher's licence is its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from encoder.errors import MachineError, UsageError

_XLINK = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" '
    'targetNamespace="http://www.w3.org/1999/xlink">'
    + "".join(
        f'<xs:attribute name="{name}" type="xs:string"/>'
        for name in ("type", "href", "show", "actuate")
    )
    + "</xs:schema>"
)


def schema_errors(schema: Path, data: bytes) -> Iterator[tuple[int, str]]:
    """What a manifest breaks of the schema: line and message of each error.

    Nothing is fetched: the schema's one import, of XLink, is answered here.

    Args:
        schema: DASH-MPD.xsd.
        data: the manifest.

    Raises:
        MachineError: when lxml, which validates, is not installed.
        UsageError: when the schema cannot be read.
    """
    try:
        from lxml import etree
    except ImportError as error:
        raise MachineError(
            "A schema cannot be validated against",
            why="the Python package lxml is not installed",
            hint="Install lxml, or leave out --dash-schema",
        ) from error

    class Xlink(etree.Resolver):  # type: ignore[misc]
        def resolve(self, address: str, _public: str, context: Any) -> Any:
            if address and address.endswith("xlink.xsd"):
                return self.resolve_string(_XLINK, context)
            return None

    # The schema composes its patterns of entities that it declares itself.
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Xlink())
    try:
        known = etree.XMLSchema(etree.parse(str(schema), parser))
    except (OSError, etree.LxmlError) as error:
        raise UsageError(
            "The DASH schema cannot be read",
            where=str(schema),
            why=str(error).splitlines()[0],
            hint="Give the DASH-MPD.xsd of ISO/IEC 23009-1",
        ) from error
    try:
        document = etree.fromstring(data, etree.XMLParser(no_network=True, resolve_entities=False))
    except etree.XMLSyntaxError:
        return
    known.validate(document)
    for one in known.error_log:
        yield one.line, one.message.replace("{urn:mpeg:dash:schema:mpd:2011}", "")
