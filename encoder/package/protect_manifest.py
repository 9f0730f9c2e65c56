"""What manifests say of protection: HLS's EXT-X-KEY and DASH's ContentProtection.

All of it is what the tracks themselves say. ``cbcs`` is SAMPLE-AES in HLS, and FairPlay finds its
key by an ``skd`` address with the key's identifier.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from uuid import UUID

from encoder.media.package import Track
from encoder.media.protection import (
    CLEARKEY,
    COMMON,
    FAIRPLAY,
    PLAYREADY,
    WHOLE,
    WIDEVINE,
    Protected,
    Signal,
)
from encoder.package.pssh import object_of, system_of

CENC_NAMESPACE = "urn:mpeg:cenc:2013"
_MP4_PROTECTION = "urn:mpeg:dash:mp4protection:2011"
_METHODS = {"cbcs": "SAMPLE-AES", "cenc": "SAMPLE-AES-CTR", WHOLE: "AES-128"}
# Prefixes that people know.
_PREFIXES = {
    CENC_NAMESPACE: "cenc",
    "urn:microsoft:playready": "mspr",
    "https://dashif.org/CPS": "dashif",
    "http://dashif.org/guidelines/clearKey": "clearkey",
}
_NAME = re.compile(r"(?:\{([^}]*)\})?(.+)")


def method_of(scheme: str) -> str:
    """What HLS calls a scheme."""
    return _METHODS[scheme]


def _key_lines(said: Protected, name: str) -> list[str]:
    """The EXT-X-KEY or EXT-X-SESSION-KEY tags for every system that HLS knows.

    Widevine's and PlayReady's formats are theirs. ClearKey has none in HLS: this is the one of
    hls.js, whose address holds the key's identifier. What the key's owner says of a system comes
    instead.
    """
    method = _METHODS[said.scheme]
    if said.scheme == WHOLE:
        return [f'#{name}:METHOD={method},URI="{said.address}"']
    boxes = {system_of(one): one for one in said.pssh}
    found: dict[UUID, list[str]] = {}
    if said.scheme == "cbcs":
        uri = f"skd://{said.kid.hex()}"
        found[FAIRPLAY] = [_key(name, method, uri, "com.apple.streamingkeydelivery")]
    if WIDEVINE in boxes:
        uri = "data:text/plain;base64," + _base64(boxes[WIDEVINE])
        found[WIDEVINE] = [_key(name, method, uri, f"urn:uuid:{WIDEVINE}")]
    if PLAYREADY in boxes:
        uri = "data:text/plain;charset=UTF-16;base64," + _base64(object_of(boxes[PLAYREADY]))
        found[PLAYREADY] = [_key(name, method, uri, "com.microsoft.playready")]
    if COMMON in boxes:
        uri = "data:text/plain;base64," + _base64(said.kid)
        found[COMMON] = [_key(name, method, uri, "org.w3.clearkey")]
    for signal in said.signals:
        if lines := signal.media if name == "EXT-X-KEY" else signal.master:
            found[signal.system] = list(lines)
    return [line for lines in found.values() for line in lines]


def key_lines(track: Track) -> list[str]:
    """The EXT-X-KEY lines of a track's media playlist; none where it is clear."""
    return [] if track.protected is None else _key_lines(track.protected, "EXT-X-KEY")


def session_keys(tracks: Iterable[Track]) -> list[str]:
    """The EXT-X-SESSION-KEY lines of a multivariant playlist: each key once."""
    said = [track.protected for track in tracks if track.protected]
    found = [line for one in said for line in _key_lines(one, "EXT-X-SESSION-KEY")]
    return list(dict.fromkeys(found))


def _key(name: str, method: str, uri: str, keyformat: str) -> str:
    return f'#{name}:METHOD={method},URI="{uri}",KEYFORMAT="{keyformat}",KEYFORMATVERSIONS="1"'


def namespaces(tracks: Iterable[Track]) -> dict[str, str]:
    """The attributes that the MPD's root needs for :func:`say_protection`."""
    protected = any(track.protected for track in tracks)
    return {"xmlns:cenc": CENC_NAMESPACE} if protected else {}


def say_protection(adaptation: ET.Element, track: Track) -> None:
    """Describes how a set of representations, all with the same key, is protected (ISO/IEC
    23009-1 5.8.4.1, ISO/IEC 23001-7 11.2); nothing where it is clear."""
    said = track.protected
    if said is None:
        return
    kid = str(UUID(bytes=said.kid))
    attributes = {"schemeIdUri": _MP4_PROTECTION, "value": said.scheme, "cenc:default_KID": kid}
    ET.SubElement(adaptation, "ContentProtection", attributes)
    boxes = {system_of(one): one for one in said.pssh}
    told = {_shown(one.system): one for one in said.signals if one.dash}
    for system in dict.fromkeys([*map(_shown, boxes), *told]):
        attributes = {"schemeIdUri": f"urn:uuid:{system}"}
        if system == CLEARKEY:
            attributes |= {"value": "ClearKey1.0"}
        own = ET.SubElement(adaptation, "ContentProtection", attributes)
        if system in told:
            own.extend(_elements(told[system]))
        # ClearKey goes by default_KID (DASH-IF IOP 5, part 6): dash.js takes what would be a box
        # here for identifiers of keys.
        if system in boxes and own.find("cenc:pssh") is None:
            ET.SubElement(own, "cenc:pssh").text = _base64(boxes[system])


def _shown(system: UUID) -> UUID:
    """ClearKey goes by DASH-IF's identifier in an MPD, and by that of the common box in a file."""
    return CLEARKEY if system == COMMON else system


def _elements(signal: Signal) -> list[ET.Element]:
    """What a key's owner wants to be in the description of a system, as the MPD writes it."""
    return [_prefixed(one) for one in ET.fromstring(signal.dash)]


def _prefixed(element: ET.Element) -> ET.Element:
    """An element whose namespace is declared by itself, unless the MPD's root does."""
    found = _NAME.fullmatch(element.tag)
    uri, local = found.groups() if found else ("", element.tag)
    prefix = _PREFIXES.get(uri or "", "own")
    # What has no namespace is of none, not of the MPD's.
    attributes = {"xmlns": uri or ""}
    tag = local
    if uri:
        attributes = {} if uri == CENC_NAMESPACE else {f"xmlns:{prefix}": uri}
        tag = f"{prefix}:{local}"
    made = ET.Element(tag, attributes | element.attrib)
    made.text = (element.text or "").strip() or None
    made.extend(_prefixed(one) for one in element)
    return made


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
