"""Rules about the MPD (ISO/IEC 23009-1, DASH-IF interoperability points)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from math import gcd

from encoder.media.languages import is_tag
from encoder.verify.load_dash import seconds, whole
from encoder.verify.rules_multivariant import codecs, coding
from encoder.verify.schema import schema_errors
from encoder.verify.subject import Representation, Subject
from encoder.verify.verdict import Check, Hit, Place, Rule, Severity
from encoder.verify.xmltree import Node

_LIVE, _ON_DEMAND = "isoff-live", "isoff-on-demand"
PROTECTION = "urn:mpeg:dash:mp4protection:2011"
ROLE = "urn:mpeg:dash:role:2011"
TRICK_MODE = "http://dashif.org/guidelines/trickmode"


def at(s: Subject, node: Node) -> Place:
    """The place of an element."""
    return Place(s.mpd, line=node.line)


def _nodes(s: Subject, name: str) -> Iterator[Node]:
    for node in s.root.walk() if s.root else ():
        if node.name == name:
            yield node


def sets(s: Subject, kind: str) -> list[tuple[Node, list[Representation]]]:
    """The adaptation sets of a kind, with their representations."""
    found: dict[int, tuple[Node, list[Representation]]] = {}
    for one in s.representations:
        if one.stream.kind == kind:
            found.setdefault(id(one.adaptation), (one.adaptation, []))[1].append(one)
    return list(found.values())


def _profiles(s: Subject) -> str:
    return (s.root.get("profiles") if s.root else None) or ""


def trick(adaptation: Node) -> bool:
    """Whether a set is for fast playback."""
    kinds = (one.get("schemeIdUri") or "" for one in adaptation.children)
    return any("trickmode" in one for one in kinds)


def well_formed(s: Subject) -> Iterator[Hit]:
    yield from s.noted("DASH xml")


def schema(s: Subject) -> Iterator[Hit]:
    if s.schema is None:
        return
    for line, message in schema_errors(s.schema, s.files.text(s.mpd)):
        yield Hit(Place(s.mpd, line=line), message, "what DASH-MPD.xsd allows")


def structure(s: Subject) -> Iterator[Hit]:
    """The schema's demands that matter most, for when there is no schema."""
    if s.root is None:
        return
    if s.root.name != "MPD":
        yield Hit(at(s, s.root), f"<{s.root.name}>", "<MPD>")
        return
    for name in ("profiles", "minBufferTime"):
        if not s.root.get(name):
            yield Hit(at(s, s.root), f"no MPD@{name}", f"MPD@{name}")
    if not s.root.all("Period"):
        yield Hit(at(s, s.root), "no Period", "a Period")
    for period in s.root.all("Period"):
        seen = set()
        for one in s.representations:
            if one.period is not period:
                continue
            for name in ("id", "bandwidth"):
                if not one.node.get(name):
                    yield Hit(at(s, one.node), f"no Representation@{name}", f"@{name}")
            if one.get("mimeType") is None:
                yield Hit(at(s, one.node), "no @mimeType", "@mimeType here or above")
            if one.id in seen:
                yield Hit(at(s, one.node), f"a second id {one.id}", "ids that differ")
            seen.add(one.id)


def presentation_duration(s: Subject) -> Iterator[Hit]:
    if s.root is None or s.root.get("type") == "dynamic":
        return
    text = s.root.get("mediaPresentationDuration")
    periods = s.root.all("Period")
    if text is None and not all(one.get("duration") for one in periods):
        yield Hit(at(s, s.root), "no mediaPresentationDuration", "the duration of the title")
        return
    if text is not None and seconds(text) is None:
        yield Hit(at(s, s.root), text, "a duration such as PT12.5S")


def timeline_within(s: Subject) -> Iterator[Hit]:
    limit = seconds(s.root.get("maxSegmentDuration")) if s.root else None
    if limit is None:
        return
    for template in _nodes(s, "SegmentTemplate"):
        scale = whole(template.get("timescale"), 1) or 1
        for one in template.walk():
            if one.name == "S" and Fraction(whole(one.get("d")), scale) > limit + Fraction(1, 2):
                found = f"S@d of {whole(one.get('d')) / scale:.3f} s"
                yield Hit(at(s, one), found, f"at most maxSegmentDuration, {float(limit):.3f} s")
    for rep in s.representations:
        long = max((part.duration for part in rep.stream.parts), default=Fraction(0))
        if (
            rep.addressing
            and rep.addressing.name == "SegmentBase"
            and long > limit + Fraction(1, 2)
        ):
            found = f"a segment of {float(long):.3f} s"
            yield Hit(at(s, rep.node), found, f"at most {float(limit):.3f} s")


def addressing(s: Subject) -> Iterator[Hit]:
    profiles = _profiles(s)
    for one in s.representations:
        name = one.addressing.name if one.addressing else "none"
        if one.stream.container == "vtt":
            continue
        if _LIVE in profiles and _ON_DEMAND not in profiles and name != "SegmentTemplate":
            yield Hit(at(s, one.node), f"{name} in the live profile", "SegmentTemplate")
        if _ON_DEMAND in profiles and name in ("SegmentTemplate", "SegmentList"):
            place = at(s, one.addressing or one.node)
            yield Hit(place, f"{name} in the on-demand profile", "SegmentBase with a sidx")


def aspect(s: Subject) -> Iterator[Hit]:
    for adaptation, inside in sets(s, "video"):
        text = adaptation.get("par")
        best = max(
            ((whole(one.get("width")), whole(one.get("height"))) for one in inside),
            default=(0, 0),
        )
        common = gcd(*best) or 1
        if text is None:
            wanted = f"{best[0] // common}:{best[1] // common}"
            yield Hit(at(s, adaptation), "no AdaptationSet@par", wanted)
        elif not re.fullmatch(r"[1-9]\d{0,5}:[1-9]\d{0,5}", text):
            yield Hit(at(s, adaptation), f"@par is {text}", "two numbers, as 16:9")
        else:
            yield from _shape(s, adaptation, text, inside)


def _shape(s: Subject, adaptation: Node, par: str, inside: list[Representation]) -> Iterator[Hit]:
    """Pictures of another shape than @par says, by more than sizes in whole, even pixels are."""
    across, down = map(int, par.split(":"))
    for one in inside:
        width, height = whole(one.get("width")), whole(one.get("height"))
        sar = re.fullmatch(r"([1-9]\d{0,5}):([1-9]\d{0,5})", one.get("sar") or "1:1", re.ASCII)
        if not width or not height or sar is None:
            continue
        shown = width * int(sar[1]), height * int(sar[2])
        if abs(shown[0] * down - shown[1] * across) > 2 * max(
            across * int(sar[2]), down * int(sar[1])
        ):
            common = gcd(*shown)
            wanted = f"{shown[0] // common}:{shown[1] // common}, as {one.id} is shown"
            yield Hit(at(s, adaptation), f"@par is {par}", wanted)
            return


def language(s: Subject) -> Iterator[Hit]:
    for kind in ("audio", "text"):
        for adaptation, inside in sets(s, kind):
            if not all(one.get("lang") for one in inside):
                yield Hit(at(s, adaptation), f"no @lang on {kind}", "a BCP 47 tag, und at least")
            for one in inside:
                said = one.get("lang")
                if said and not is_tag(said):
                    yield Hit(at(s, one.node), f"@lang is {said}", "a BCP 47 tag, as zh-Hans")


def progressive(s: Subject) -> Iterator[Hit]:
    for _, inside in sets(s, "video"):
        for one in inside:
            if one.get("scanType") not in (None, "progressive"):
                found = f"@scanType is {one.get('scanType')}"
                yield Hit(at(s, one.node), found, "progressive")


def main_role(s: Subject) -> Iterator[Hit]:
    video = [(a, inside) for a, inside in sets(s, "video") if not trick(a)]
    periods = {id(inside[0].period) for _, inside in video}
    if len(video) <= len(periods):
        return
    mains: set[int] = set()
    for adaptation, inside in video:
        roles = [
            one.get("value") for one in adaptation.all("Role") if one.get("schemeIdUri") == ROLE
        ]
        if not roles:
            yield Hit(at(s, adaptation), "no Role among several video sets", "Role main or another")
        if "main" in roles:
            mains.add(id(inside[0].period))
    for adaptation, inside in video:
        if id(inside[0].period) not in mains:
            mains.add(id(inside[0].period))
            yield Hit(at(s, adaptation), "none of several video sets has Role main", "Role main")


def subsegments(s: Subject) -> Iterator[Hit]:
    for kind in ("video", "audio"):
        for adaptation, inside in sets(s, kind):
            if _ON_DEMAND not in _profiles(s) or len(inside) < 2:
                continue
            if adaptation.get("subsegmentAlignment") not in ("true", "1"):
                yield Hit(at(s, adaptation), "no subsegmentAlignment", 'subsegmentAlignment="true"')


def default_kid(s: Subject) -> Iterator[Hit]:
    for node in _nodes(s, "ContentProtection"):
        if node.get("schemeIdUri") == PROTECTION and not node.get("default_KID"):
            yield Hit(at(s, node), "mp4protection without default_KID", "cenc:default_KID")


def sets_outside(s: Subject) -> Iterator[Hit]:
    for one in s.representations:
        inband = [c for c in codecs(one.get("codecs")) if coding(c) in ("avc3", "hev1")]
        if inband and "avc3" not in _profiles(s):
            yield Hit(at(s, one.node), inband[0], "avc1 or hvc1 in this profile")


def rule(name: str, text: str, must: bool, fix: str, check: Check) -> Rule:
    """A rule about the MPD."""
    severity: Severity = "must" if must else "should"
    return Rule(name, text, severity, "schema" if check is schema else "dash", fix, check)


RULES = (
    rule("DASH xml", "The manifest is well-formed XML", True, "Write well-formed XML", well_formed),
    rule("DASH schema", "Valid against DASH-MPD.xsd", True, "Write what the schema allows", schema),
    rule(
        "DASH 5.3",
        "What every MPD must have is there",
        True,
        "Write the attribute or element that is wanted, and ids once",
        structure,
    ),
    rule(
        "DASH 5.3.1.2 duration",
        "A static MPD has mediaPresentationDuration",
        True,
        "Write mediaPresentationDuration, how long the pictures last, as PT12.5S",
        presentation_duration,
    ),
    rule(
        "DASH 5.3.9.6",
        "No S@d above maxSegmentDuration",
        True,
        "Raise maxSegmentDuration, or cut earlier",
        timeline_within,
    ),
    rule(
        "DASH 8.3",
        "Live needs SegmentTemplate, on-demand forbids it",
        True,
        "Declare the profile that fits, or address segments as it demands",
        addressing,
    ),
    rule(
        "IOP 3.2.4 par",
        "@par on video sets, as the pictures are",
        True,
        "Add the aspect ratio of the picture",
        aspect,
    ),
    rule("IOP 3.2.4 lang", "@lang on audio and text sets", True, "Add @lang", language),
    rule("IOP 3.2.4 scan", "Video is progressive", True, "Deinterlace", progressive),
    rule(
        "IOP 3.2.2",
        "Role main where several video sets are",
        True,
        "Say which one is main",
        main_role,
    ),
    rule(
        "IOP 3.10.3",
        "subsegmentAlignment in on-demand sets",
        True,
        'Add subsegmentAlignment="true" when they are aligned',
        subsegments,
    ),
    rule(
        "IOP default_KID",
        "mp4protection has default_KID",
        True,
        "Add cenc:default_KID",
        default_kid,
    ),
    rule(
        "IOP 6.2.5.2",
        "avc3 and hev1 only in the profile that demands them",
        True,
        "Keep parameter sets in the sample entry",
        sets_outside,
    ),
)
