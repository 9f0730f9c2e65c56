"""Rules about what manifests say of encrypted tracks (ISO/IEC 23001-7 11.2, RFC 8216 4.3.2.4)."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from encoder.media.protection import COMMON
from encoder.verify.rules_dash import PROTECTION, at
from encoder.verify.subject import Representation, Subject
from encoder.verify.verdict import Hit, Place, Rule
from encoder.verify.xmltree import Node

# Of AES, in bytes.
_BLOCK = 16


def _general(one: Representation) -> Node | None:
    """The description of its encryption, its own or its adaptation set's."""
    nodes = [*one.node.all("ContentProtection"), *one.adaptation.all("ContentProtection")]
    return next((node for node in nodes if node.get("schemeIdUri") == PROTECTION), None)


def declared_in_dash(s: Subject) -> Iterator[Hit]:
    for one in s.representations:
        coding = one.stream.header.coding if one.stream.header else None
        if coding is None or not coding.scheme:
            continue
        general = _general(one)
        if general is None:
            found = f"{one.id} is encrypted ({coding.scheme}), and nothing says so"
            yield Hit(at(s, one.node), found, "a ContentProtection of mp4protection")
            continue
        if general.get("value") != coding.scheme:
            found = f"{general.get('value')} for {one.id}"
            yield Hit(at(s, general), found, f"{coding.scheme}, as its schm box says")
        kid = (general.get("default_KID") or "").replace("-", "").lower()
        if kid and coding.kid and kid != coding.kid:
            found = f"default_KID {kid} for {one.id}"
            yield Hit(at(s, general), found, f"{coding.kid}, as its tenc box says")


def boxes_of_systems(s: Subject) -> Iterator[Hit]:
    """ClearKey goes by another identifier in an MPD than in the common box, which is for it."""
    descriptors = s.root.walk() if s.root else ()
    for node in (one for one in descriptors if one.name == "ContentProtection"):
        system = (node.get("schemeIdUri") or "").lower().removeprefix("urn:uuid:")
        for one in node.all("pssh"):
            try:
                data = base64.b64decode("".join(one.text.split()), validate=True)
            except ValueError:
                yield Hit(at(s, one), "a pssh that is not base64", "a whole box")
                continue
            found = data[12:28].hex()
            if len(data) < 32 or data[4:8] != b"pssh" or int.from_bytes(data[:4]) != len(data):
                yield Hit(at(s, one), "a pssh that is not one whole box", "a whole box")
            elif found not in (system.replace("-", ""), COMMON.hex):
                yield Hit(at(s, one), f"a box of system {found}", f"one of {system}")


def declared_in_hls(s: Subject) -> Iterator[Hit]:
    for name, stream in s.streams.items():
        scheme = stream.header.coding.scheme if stream.header else ""
        if not scheme or name not in s.playlists:
            continue
        segments = s.playlists[name].segments
        if not any(segment.keyed for segment in segments):
            yield Hit(stream.place, f"encrypted segments ({scheme}) without a key", "EXT-X-KEY")
            continue
        # Some may be clear, before a licence is there; those that are not need one.
        for segment, part in zip(segments, stream.parts, strict=False):
            if not segment.keyed and any(one.sealed for one in part.fragments):
                found = f"an encrypted segment ({scheme}) before any key"
                yield Hit(part.place, found, "EXT-X-KEY")
                break


def whole_blocks(s: Subject) -> Iterator[Hit]:
    for name, stream in s.streams.items():
        for segment, part in zip(s.playlists[name].segments, stream.parts, strict=False):
            if segment.whole and part.size % _BLOCK:
                found = f"{part.size} bytes of {part.name}, encrypted whole"
                yield Hit(part.place, found, f"a multiple of {_BLOCK}")
                break


def vector_of_map(s: Subject) -> Iterator[Hit]:
    for name in s.streams:
        for segment in s.playlists[name].segments[:1]:
            if segment.map_key is not None and not segment.map_key.get("IV"):
                place = Place(name, line=segment.line)
                yield Hit(place, "an EXT-X-MAP that is encrypted whole, without IV", "IV")


RULES = (
    Rule(
        "CENC 11.2",
        "ContentProtection has the scheme and the key of the tracks",
        "must",
        "dash",
        "Write ContentProtection from the tenc boxes of the tracks",
        declared_in_dash,
    ),
    Rule(
        "CENC 11.2 pssh",
        "cenc:pssh is the whole box of its system",
        "must",
        "dash",
        "Write the pssh box of the system, in base64",
        boxes_of_systems,
    ),
    Rule(
        "RFC 8216 5.2",
        "Segments that are encrypted whole are of whole blocks",
        "must",
        "hls",
        "Encrypt each segment with AES in CBC mode and PKCS7 padding",
        whole_blocks,
    ),
    Rule(
        "RFC 8216 4.3.2.5",
        "An EXT-X-MAP that is encrypted whole has an IV",
        "must",
        "hls",
        "Give EXT-X-KEY an IV, or put it behind EXT-X-MAP",
        vector_of_map,
    ),
    Rule(
        "RFC 8216 4.3.2.4",
        "Playlists of encrypted segments have EXT-X-KEY",
        "must",
        "hls",
        "Declare the key of the segments",
        declared_in_hls,
    ),
)
