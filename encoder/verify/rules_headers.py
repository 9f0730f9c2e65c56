"""Rules about initialisations: what a decoder is set up with (ISO/IEC 14496-12, 14496-15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from encoder.verify.initialisation import Initialisation
from encoder.verify.nal import configured_sps
from encoder.verify.subject import Stream, Subject
from encoder.verify.verdict import Hit, Place, Rule

# Bytes of a sequence parameter set up to its level, with the NAL unit's header.
_LEVEL_AT = 4


def _place(stream: Stream) -> Place:
    name, offset, _ = stream.header_place or (stream.label, None, 0)
    return Place(name, offset=offset)


def fragments_announced(s: Subject) -> Iterator[Hit]:
    for stream in s.tracks():
        if stream.header and not stream.header.typed:
            yield Hit(_place(stream), "an initialisation that does not start with ftyp", "ftyp")
        if stream.header and not stream.header.extended:
            found = f"no trex for track {stream.header.track_id} in moov"
            yield Hit(_place(stream), found, "mvex with a trex for the track")


def sets_agree(s: Subject) -> Iterator[Hit]:
    for stream in s.tracks():
        coding = stream.header.coding if stream.header else None
        if coding is None or coding.kind not in ("avc1", "avc3"):
            continue
        known = configured_sps(coding)
        if not known and coding.kind == "avc1":
            yield Hit(_place(stream), "avcC without a sequence parameter set", "those of the track")
        for one in known:
            if len(one) < _LEVEL_AT or one[1:_LEVEL_AT] != coding.record[1:_LEVEL_AT]:
                found = f"avcC of profile and level {coding.record[1:4].hex()}"
                wanted = f"{one[1:4].hex()}, as its sequence parameter set"
                yield Hit(_place(stream), found, wanted)
                break


def one_initialisation(s: Subject) -> Iterator[Hit]:
    """A file has one, whichever manifest leads to it."""
    known: dict[str, tuple[Initialisation, Stream]] = {}
    streams = [*s.streams.values(), *(one.stream for one in s.representations)]
    for stream in streams:
        if stream.header is None or not stream.readable:
            continue
        # Of bytes of another size the same boxes may be read.
        header = replace(stream.header, digest="")
        for name in {part.name for part in stream.parts}:
            first, other = known.setdefault(name, (header, stream))
            if first != header:
                found = f"{stream.label} decodes {name} with another initialisation"
                yield Hit(stream.place, found, f"that of {other.label}")
                break


RULES = (
    Rule(
        "ISO 14496-12 8.8",
        "Initialisations start with ftyp and announce fragments",
        "must",
        "media",
        "Write ftyp in front of moov, and mvex with a trex for each track into it: players take "
        "fragments for nothing without",
        fragments_announced,
    ),
    Rule(
        "ISO 14496-15 5.3.3",
        "avcC has the profile and level of its sequence parameter sets",
        "must",
        "media",
        "Write avcC from the sequence parameter sets of the track",
        sets_agree,
    ),
    Rule(
        "OURS initialisation",
        "Manifests lead to the same initialisation for the same media",
        "must",
        "media",
        "Point EXT-X-MAP and Initialization at the header that the media was packaged with",
        one_initialisation,
    ),
)
