"""Content keys out of a CPIX document (DASH-IF CPIX 2.3), whose keys are in it in the clear.

It comes from elsewhere: no document type is read, and what a rule or a signal says that is not
followed here is refused rather than passed over, as another key might be meant. No message holds
anything of it but names of elements, lines and identifiers of keys.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import NoReturn
from uuid import UUID
from xml.etree import ElementTree

from encoder.media.protection import (
    COMMON,
    FAIRPLAY,
    SCHEMES,
    ContentKey,
    Protection,
    Resolution,
    Scheme,
    Signal,
    System,
    Usage,
)
from encoder.package.protect_manifest import method_of
from encoder.package.pssh import is_pssh
from encoder.verify.xmltree import BadXml, Node, parse_xml

_BYTES = 16
# What intendedTrackType says where no filter does (CPIX 5.4, SPEKE 2); others are of who wrote it.
_TRACK_TYPES: dict[str, tuple[Resolution, ...]] = {
    "SD": ("sd",),
    "HD": ("hd",),
    "UHD": ("uhd",),
    "UHD1": ("uhd",),
    "UHD2": ("uhd",),
    "VIDEO": ("sd", "hd", "uhd"),
    "AUDIO": ("audio",),
    "ALL": ("sd", "hd", "uhd", "audio"),
}
_FILTERS = {
    "VideoFilter": ("video", "minPixels", "maxPixels"),
    "AudioFilter": ("audio", "minChannels", "maxChannels"),
}
_SYSTEMS: dict[UUID, System] = {
    UUID("e2719d58-a985-b3c9-781a-b030af78d30e"): "clearkey",
    COMMON: "clearkey",
    UUID("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"): "widevine",
    UUID("9a04f079-9840-4286-ab92-e65be0885f95"): "playready",
}
# What may be in a fragment of XML without being declared there.
_WRAPPED = (
    '<x xmlns:cenc="urn:mpeg:cenc:2013" xmlns:mspr="urn:microsoft:playready" '
    'xmlns:dashif="https://dashif.org/CPS">{}</x>'
)
_ADDRESS = re.compile(r'[^\s"\x00-\x1f\x7f]{1,4000}')
_LARGEST_NUMBER = 1 << 40


class BadCpix(ValueError):  # noqa: N818 - what the file is, not a defect of this program
    """Why a document is not one to take keys from."""


def is_xml(data: bytes) -> bool:
    """Whether a file is XML rather than YAML or JSON."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def read_cpix(data: bytes) -> Protection:
    """The protection that a document describes.

    Raises:
        BadCpix: when it is not one, its keys are encrypted, or it wants what is not done here.
    """
    try:
        root = parse_xml(data)
    except BadXml as error:
        _bad(f"{error}, in line {error.line}")
    if root.name != "CPIX":
        _bad(f"its root is {root.name}, not CPIX")
    if any(root.all(name) for name in ("DeliveryDataList", "ContentKeyPeriodList")):
        _bad("its keys are encrypted, or change over time; one in the clear for all of it is taken")
    listed = _of(root, "ContentKeyList", "ContentKey")
    if not listed:
        _bad("it lists no ContentKey")
    kids = [_kid(one) for one in listed]
    if len(set(kids)) != len(kids):
        _bad("it has several keys of the same kid")
    scheme = _scheme(listed)
    rules = _rules(_of(root, "ContentKeyUsageRuleList", "ContentKeyUsageRule"), kids)
    systems, signals = _signals(_of(root, "DRMSystemList", "DRMSystem"), kids, scheme)
    keys = []
    for kid, node in zip(kids, listed, strict=True):
        if rules and kid not in rules:
            continue  # It is for what is not here.
        classes, usages = rules.get(kid, (_TRACK_TYPES["ALL"], ()))
        keys.append(
            ContentKey(
                *(kid, _secret(node), classes, usages, _vector(node)),
                signals=signals.get(kid, ()),
                systems=systems.get(kid, ()),
            )
        )
    if len(keys) > 1 and not rules:
        _bad("it has several keys, and no ContentKeyUsageRule says what each is for")
    return Protection(scheme, tuple(keys), ("clearkey",) if not signals else ())


def _bad(why: str) -> NoReturn:
    raise BadCpix(why) from None


def _of(root: Node, listed: str, name: str) -> list[Node]:
    return [one for parent in root.all(listed) for one in parent.all(name)]


def _kid(node: Node, name: str = "kid") -> bytes:
    try:
        return UUID(node.get(name) or "").bytes
    except ValueError:
        _bad(f"{name} of {node.name} in line {node.line} is no UUID")


def _scheme(listed: Sequence[Node]) -> Scheme:
    found = {one.get("commonEncryptionScheme") for one in listed} - {None}
    if len(found) > 1:
        _bad("its keys are of several commonEncryptionSchemes")
    scheme = next((one for one in SCHEMES if one in found), None)
    if found and scheme is None:
        _bad(f"its commonEncryptionScheme is none of {', '.join(SCHEMES)}")
    return scheme or "cbcs"


def _decoded(node: Node, text: str | None, what: str) -> bytes:
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        _bad(f"{what} in line {node.line} is not base64")


def _secret(node: Node) -> bytes:
    way = node
    for name in ("Data", "Secret", "PlainValue"):
        found = way.first(name)
        if found is None:
            encrypted = name == "PlainValue" and way.first("EncryptedValue")
            why = "is encrypted" if encrypted else "is not in the document"
            _bad(f"the key of the ContentKey in line {node.line} {why}")
        way = found
    key = _decoded(way, way.text, "the PlainValue")
    if len(key) != _BYTES:
        _bad(f"the key in line {way.line} is not of {_BYTES} bytes")
    return key


def _vector(node: Node) -> bytes:
    text = node.get("explicitIV")
    vector = _decoded(node, text, "explicitIV")
    if len(vector) not in (0, _BYTES):
        _bad(f"explicitIV in line {node.line} is not of {_BYTES} bytes")
    return vector


_Use = tuple[tuple[Resolution, ...], tuple[Usage, ...]]


def _rules(listed: Sequence[Node], kids: Sequence[bytes]) -> dict[bytes, _Use]:
    """What each key is for: classes, or the filters of its rules instead."""
    found: dict[bytes, _Use] = {}
    for rule in listed:
        kid = _kid(rule)
        if kid not in kids:
            _bad(f"the rule in line {rule.line} is about a key that is not in the document")
        if unknown := [one.name for one in rule.children if one.name not in _FILTERS]:
            _bad(f"the rule in line {rule.line} has a {unknown[0]}, which is not followed here")
        usages = tuple(_usage(one) for one in rule.children)
        if len({one.kind for one in usages}) > 1:
            _bad(f"the rule in line {rule.line} wants tracks that are both video and audio")
        classes: tuple[Resolution, ...] = ()
        if not usages:
            intended = rule.get("intendedTrackType") or "ALL"
            if intended.upper() not in _TRACK_TYPES:
                _bad(f"the rule in line {rule.line} has no filter, and its type is not known")
            classes = _TRACK_TYPES[intended.upper()]
        before = found.get(kid, ((), ()))
        merged = (before[0] + classes, before[1] + usages)
        if all(merged):
            _bad(f"the rule in line {rule.line} has filters where another of its key has none")
        found[kid] = merged
    return found


def _usage(node: Node) -> Usage:
    kind, least, most = _FILTERS[node.name]
    if unknown := set(node.attributes) - {least, most}:
        _bad(f"{sorted(unknown)[0]} of the {node.name} in line {node.line} is not followed here")
    numbers = []
    for name in (least, most):
        text = node.get(name)
        if text is not None and not re.fullmatch(r"\d{1,12}", text):
            _bad(f"{name} in line {node.line} is no number")
        numbers.append(None if text is None else min(int(text), _LARGEST_NUMBER))
    return Usage("video" if kind == "video" else "audio", numbers[0] or 0, numbers[1])


def _signals(
    listed: Sequence[Node], kids: Sequence[bytes], scheme: Scheme
) -> tuple[dict[bytes, tuple[System, ...]], dict[bytes, tuple[Signal, ...]]]:
    """For each key the systems that are named, and what the document says itself of it for them."""
    named: dict[bytes, tuple[System, ...]] = {}
    found: dict[bytes, tuple[Signal, ...]] = {}
    for node in listed:
        kid, system = _kid(node), UUID(bytes=_kid(node, "systemId"))
        if kid not in kids:
            _bad(f"the DRMSystem in line {node.line} is about a key that is not in the document")
        if system in _SYSTEMS:
            named[kid] = (*named.get(kid, ()), _SYSTEMS[system])
            system = COMMON if _SYSTEMS[system] == "clearkey" else system
        signal = _signal(node, system, scheme)
        if any(one.system == system for one in found.get(kid, ())):
            _bad(f"the DRMSystem in line {node.line} is there twice for its key")
        found[kid] = (*found.get(kid, ()), signal)
    return named, found


def _signal(node: Node, system: UUID, scheme: Scheme) -> Signal:
    pssh = b""
    if (one := node.first("PSSH")) is not None:
        pssh = _decoded(one, one.text, "PSSH")
        if not is_pssh(pssh, system):
            _bad(f"PSSH in line {one.line} is not a whole box of {system}")
    lines: dict[str, tuple[str, ...]] = {"media": (), "master": ()}
    for one in node.all("HLSSignalingData"):
        playlist = one.get("playlist") or "media"
        if playlist not in lines:
            _bad(f"HLSSignalingData in line {one.line} is for no playlist that is known")
        lines[playlist] = _tags(one, playlist, scheme)
    if (one := node.first("URIExtXKey")) is not None and not lines["media"]:
        lines["media"] = _address(one, system, scheme)
    media, master = lines["media"], lines["master"]
    if media and not master:
        master = tuple(line.replace("#EXT-X-KEY:", "#EXT-X-SESSION-KEY:", 1) for line in media)
    return Signal(system, pssh, _dash(node), media, master)


def _dash(node: Node) -> str:
    """The XML of ContentProtectionData, in an element of its own."""
    one = node.first("ContentProtectionData")
    if one is None:
        return ""
    data = _decoded(one, one.text, "ContentProtectionData")
    try:
        text = _WRAPPED.format(data.decode("utf-8"))
        # Without a document type, which the other reader would take.
        parse_xml(text.encode())
        parsed = ElementTree.fromstring(text)
    except (UnicodeDecodeError, BadXml, ElementTree.ParseError):
        _bad(f"ContentProtectionData in line {one.line} is no XML")
    # The MPD's schema lets elements of other namespaces in there, and no others.
    if any(not child.tag.startswith("{") for child in parsed.iter() if child is not parsed):
        _bad(f"ContentProtectionData in line {one.line} has elements of no namespace")
    return text


def _text(node: Node) -> str:
    try:
        return _decoded(node, node.text, node.name).decode("utf-8").strip()
    except UnicodeDecodeError:
        _bad(f"{node.name} in line {node.line} is no text")


def _tags(node: Node, playlist: str, scheme: Scheme) -> tuple[str, ...]:
    start = {"media": "#EXT-X-KEY:", "master": "#EXT-X-SESSION-KEY:"}[playlist]
    lines = tuple(line.strip() for line in _text(node).splitlines() if line.strip())
    for line in lines:
        whole = line.startswith(start) and line.isprintable()
        if not whole or f"METHOD={method_of(scheme)}," not in line:
            _bad(
                f"HLSSignalingData in line {node.line} is not of {start[1:-1]} with "
                f"METHOD={method_of(scheme)}"
            )
    return lines


def _address(node: Node, system: UUID, scheme: Scheme) -> tuple[str, ...]:
    """The tag of an address alone, as CPIX had it before 2.3; only FairPlay's are known."""
    uri = _text(node)
    if system != FAIRPLAY:
        return ()
    if not _ADDRESS.fullmatch(uri):
        _bad(f"URIExtXKey in line {node.line} is no address")
    return (
        f'#EXT-X-KEY:METHOD={method_of(scheme)},URI="{uri}",'
        'KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"',
    )
