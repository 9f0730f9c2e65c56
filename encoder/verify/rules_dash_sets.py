"""Rules about what adaptation sets and representations say of themselves: of what kind they are,
how large, for whom, and how they sound (ISO/IEC 23009-1 5.3, DASH-IF IOP 3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from encoder.verify.load_dash import whole
from encoder.verify.rules_dash import ROLE, at, rule, sets, trick
from encoder.verify.subject import Representation, Subject
from encoder.verify.verdict import Hit
from encoder.verify.xmltree import Node

# ISO/IEC 23009-1 table 34; of the last word both spellings are about.
_ROLES = frozenset(
    (
        *("main", "alternate", "supplementary", "commentary", "dub", "caption", "subtitle"),
        *("description", "sign", "metadata", "enhanced-audio-intelligibility", "emergency"),
        *("karaoke", "easyreader", "forced-subtitle", "forced_subtitle"),
    )
)
# Channels of a ChannelConfiguration (ISO/IEC 23091-3) where these are not as many as it says.
_CONFIGURED = {"7": 8, "9": 3, "10": 4, "11": 7, "12": 8, "13": 24, "14": 8, "15": 12, "16": 10}
_CONFIGURATIONS = (
    "urn:mpeg:mpegB:cicp:ChannelConfiguration",
    "urn:mpeg:dash:23003:3:audio_channel_configuration:2011",
)
_RATIO = re.compile(r"([1-9]\d{0,8}):([1-9]\d{0,8})", re.ASCII)


def mime_types(s: Subject) -> Iterator[Hit]:
    for one in s.representations:
        header, mime = one.stream.header, one.get("mimeType")
        if header is None or header.kind not in ("video", "audio", "text"):
            continue
        wanted = f"{'application' if header.kind == 'text' else header.kind}/mp4"
        if mime is not None and mime != wanted:
            yield Hit(at(s, one.node), f"@mimeType is {mime}", f"{wanted}, as the file has it")
        content = one.adaptation.get("contentType")
        # A track that is muxed with others may be called by any of them.
        if content is not None and content != header.kind and not header.others:
            found = f'contentType="{content}"'
            yield Hit(at(s, one.adaptation), found, f"{header.kind}, as {one.id} is")


def sampling_rates(s: Subject) -> Iterator[Hit]:
    for _, inside in sets(s, "audio"):
        for one in inside:
            text = one.get("audioSamplingRate")
            real = one.stream.header.coding.rate if one.stream.header else 0
            if text is None:
                yield Hit(at(s, one.node), "no @audioSamplingRate", f"{real or 'the rate in Hz'}")
                continue
            # SBR doubles the rate that the sample entry may have. Several are a range.
            said = [whole(part) for part in text.split()]
            fitting = {real, 2 * real, real // 2} if _doubled(one) else {real}
            if real and not (fitting & set(said) or (len(said) == 2 and said[0] < real < said[1])):
                yield Hit(at(s, one.node), f"@audioSamplingRate is {text}", str(real))


def _doubled(one: Representation) -> bool:
    header = one.stream.header
    return header is not None and header.coding.codec in ("mp4a.40.5", "mp4a.40.29")


def channel_configurations(s: Subject) -> Iterator[Hit]:
    for _, inside in sets(s, "audio"):
        for one in inside:
            name = "AudioChannelConfiguration"
            found = [*one.node.all(name), *one.adaptation.all(name)]
            coding = one.stream.header.coding if one.stream.header else None
            if not found:
                wanted = f"one of {coding.channels} channels" if coding else "the channels"
                yield Hit(at(s, one.node), f"no {name}", wanted)
            for node in found:
                value = node.get("value") or ""
                known = node.get("schemeIdUri") in _CONFIGURATIONS
                # Of E-AC-3 the sample entry knows the first substream alone.
                if not known or coding is None or not coding.channels or coding.kind == "ec-3":
                    continue
                fitting = {whole(value, -1), _CONFIGURED.get(value)}
                if coding.channels not in fitting:
                    yield Hit(at(s, node), f"{name} {value or 'of nothing'}", str(coding.channels))


def limits(s: Subject) -> Iterator[Hit]:
    for adaptation in _adaptations(s):
        inside = [one for one in s.representations if one.adaptation is adaptation]
        for name, own in (
            ("Width", "width"),
            ("Height", "height"),
            ("Bandwidth", "bandwidth"),
            ("FrameRate", "frameRate"),
        ):
            values = [value for one in inside if (value := _number(one.get(own)))]
            for bound, worst in (("max", max), ("min", min)):
                text = adaptation.get(bound + name)
                said = _number(text)
                if text is None or not values:
                    continue
                if said is None or worst(said, worst(values)) != said:
                    found = f"@{bound}{name} is {text}"
                    yield Hit(at(s, adaptation), found, f"{worst(values)}, as in the set")


def _number(text: str | None) -> Fraction | None:
    """A whole number or a fraction of two."""
    found = re.fullmatch(r"(\d{1,12})(?:/([1-9]\d{0,8}))?", text or "", re.ASCII)
    return Fraction(int(found[1]), int(found[2] or 1)) if found else None


def pixels(s: Subject) -> Iterator[Hit]:
    for adaptation, inside in sets(s, "video"):
        for one in inside:
            text = one.get("sar")
            header = one.stream.header
            shape = header.coding.pixel if header else None
            wide, high = shape if shape and all(shape) else (1, 1)
            real = Fraction(wide, high)
            wanted = f"{real.numerator}:{real.denominator}"
            if text is None:
                # Where pixels are square, players take them to be.
                if real != 1 and not trick(adaptation):
                    yield Hit(at(s, one.node), "no @sar", f"{wanted}, as pasp has it")
                continue
            found = _RATIO.fullmatch(text)
            if found is None:
                yield Hit(at(s, one.node), f"@sar is {text}", "two numbers, as 1:1")
            elif header and Fraction(int(found[1]), int(found[2])) != real:
                yield Hit(at(s, one.node), f"@sar is {text}", f"{wanted}, as in the file")


def roles(s: Subject) -> Iterator[Hit]:
    for adaptation in _adaptations(s):
        for node in adaptation.all("Role"):
            value = node.get("value") or ""
            if node.get("schemeIdUri") == ROLE and value not in _ROLES:
                found = f"Role {value or 'without value'}"
                yield Hit(at(s, node), found, "one of ISO/IEC 23009-1, as main or commentary")


def access_points(s: Subject) -> Iterator[Hit]:
    on_demand = "isoff-on-demand" in ((s.root.get("profiles") if s.root else "") or "")
    for adaptation, inside in sets(s, "video"):
        said = {
            name: adaptation.get(name)
            for name in ("startWithSAP", "subsegmentStartsWithSAP")
            if adaptation.get(name) is not None
        }
        for name, text in said.items():
            if whole(text, -1) not in range(7):
                yield Hit(at(s, adaptation), f"@{name} is {text}", "a type of access point, 1 or 2")
        if "subsegmentStartsWithSAP" not in said and on_demand and len(inside) > 1:
            found = "no @subsegmentStartsWithSAP among representations to switch between"
            yield Hit(at(s, adaptation), found, "1 where segments start with IDR frames", "should")
        least = min((whole(text) for text in said.values()), default=0)
        for one in inside if least in (1, 2, 3) else ():
            for part in one.stream.parts:
                first = part.fragments[0] if part.fragments else None
                start = first.picture.start if first else "unknown"
                if first and (
                    not first.starts_sync or start == "none" or (start == "open" and least < 3)
                ):
                    found = f"access points of type {least} in every segment, not in this"
                    place = at(s, one.node)
                    yield Hit(place, f"{found}: byte {first.offset} of {part.name}", "an IDR frame")
                    break


def distinct_sets(s: Subject) -> Iterator[Hit]:
    for period in s.root.all("Period") if s.root else ():
        seen = set()
        for adaptation in period.all("AdaptationSet"):
            name = adaptation.get("id")
            if name is not None and name in seen:
                yield Hit(at(s, adaptation), f"a second AdaptationSet {name}", "ids that differ")
            seen.add(name)
            if not adaptation.all("Representation"):
                yield Hit(at(s, adaptation), "an AdaptationSet of nothing", "a Representation")


def _adaptations(s: Subject) -> Iterator[Node]:
    for period in s.root.all("Period") if s.root else ():
        yield from period.all("AdaptationSet")


RULES = (
    rule(
        "DASH 5.3.7.2 mimeType",
        "@mimeType and @contentType are those of the files",
        True,
        "Write video/mp4, audio/mp4 or application/mp4 by the handler of the track: players make "
        "their buffers of it",
        mime_types,
    ),
    rule(
        "IOP 3.2.4 rate",
        "@audioSamplingRate on sound, as in the files",
        True,
        "Write the sampling rate of the sample entry, in Hz",
        sampling_rates,
    ),
    rule(
        "IOP 3.2.4 channels",
        "AudioChannelConfiguration on sound, as in the files",
        True,
        "Write the number of channels that the coding's configuration has",
        channel_configurations,
    ),
    rule(
        "DASH 5.3.3.2 limits",
        "@maxWidth and the like hold for all representations of the set",
        True,
        "Write the largest (for @min..., the least) value among the representations, or leave it "
        "out",
        limits,
    ),
    rule(
        "IOP 3.2.4 sar",
        "@sar is the shape of the files' pixels",
        True,
        "Write the ratio that pasp has, 1:1 where there is none",
        pixels,
    ),
    rule(
        "DASH 5.8.5.5",
        "Roles are of those that players know",
        True,
        "Write a value of the table, or use a scheme of your own in schemeIdUri",
        roles,
    ),
    rule(
        "DASH 5.3.3.2 SAP",
        "Segments start with the access points that the set promises",
        True,
        "Cut segments at IDR frames, or promise the type of access point that they start with",
        access_points,
    ),
    rule(
        "DASH 5.3.3.2 sets",
        "Adaptation sets of a period have ids that differ, and something in them",
        True,
        "Number the sets, and leave out those without representations",
        distinct_sets,
    ),
)
