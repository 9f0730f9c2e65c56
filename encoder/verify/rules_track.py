"""Rules about tracks as their boxes show them: codings, CMAF (ISO/IEC 23000-19)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from encoder.verify.initialisation import Coding
from encoder.verify.nal import configured_sps
from encoder.verify.subject import Stream, Subject
from encoder.verify.verdict import Check, Hit, Place, Rule, Severity

_AVC_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High"}
# Beyond this many findings of a kind in a file, more help nobody.
_MOST = 3


def _head(stream: Stream) -> Place:
    name, offset, _ = stream.header_place or ("", 0, 0)
    return Place(name, offset=offset)


def _codings(s: Subject, *kinds: str) -> Iterator[tuple[Stream, Coding]]:
    for stream in s.tracks():
        if stream.kind == "video" and stream.header and stream.header.coding.kind in kinds:
            yield stream, stream.header.coding


def avc_level(s: Subject) -> Iterator[Hit]:
    for stream, coding in _codings(s, "avc1", "avc3"):
        profile, _, level = coding.record[1:4]
        if profile not in _AVC_PROFILES or level > 52:
            name = _AVC_PROFILES.get(profile, f"profile {profile}")
            yield Hit(_head(stream), f"{name} {level / 10:.1f}", "at most High 5.2")


def hevc_level(s: Subject) -> Iterator[Hit]:
    for stream, coding in _codings(s, "hvc1", "hev1"):
        profile, level = coding.record[1] & 0x1F, coding.record[12]
        if profile not in (1, 2) or level > 153:
            yield Hit(_head(stream), f"profile {profile}, level {level / 30:.1f}", "Main10 5.1")


def sets_outside(s: Subject) -> Iterator[Hit]:
    for stream, coding in _codings(s, "avc3", "hev1"):
        if s.master or s.playlists:
            wanted = {"avc3": "avc1", "hev1": "hvc1"}[coding.kind]
            yield Hit(_head(stream), coding.kind, wanted)


def decode_times(s: Subject) -> Iterator[Hit]:
    yield from s.noted("CMAF 7.3.2.2")
    for stream in s.tracks():
        count = 0
        for before, one in pairwise(stream.fragments()):
            wanted = before.decode + before.duration
            if one.decode != wanted and count < _MOST:
                count += 1
                name = next(p.name for p in stream.parts if one in p.fragments)
                yield Hit(Place(name, offset=one.offset), f"tfdt {one.decode}", str(wanted))


def data_offsets(s: Subject) -> Iterator[Hit]:
    yield from s.noted("CMAF 7.3.2.3")


def hevc_colour(s: Subject) -> Iterator[Hit]:
    for stream, coding in _codings(s, "hvc1", "hev1"):
        if coding.colour is None:
            yield Hit(_head(stream), "no colr of type nclx", "colr nclx")


def index_references(s: Subject) -> Iterator[Hit]:
    for stream in s.tracks():
        for media in stream.media:
            # Of several, none is of the whole file; that they are several is found elsewhere.
            if len(media.indexes) == 1:
                yield from _index(stream, media.name)


def _index(stream: Stream, name: str) -> Iterator[Hit]:
    media = next(one for one in stream.media if one.name == name)
    index = media.indexes[0]
    place = Place(name, offset=index.offset)
    fragments = [one for one in media.fragments if one.offset >= index.anchor]
    if len(index.references) != len(fragments):
        found = f"{len(index.references)} references"
        # An index of segments of several fragments is still an index, if less useful.
        yield Hit(place, found, f"{len(fragments)}, one a fragment")
    scale = index.timescale
    if stream.header and scale != stream.header.timescale:
        yield Hit(place, f"a timescale of {scale}", f"{stream.header.timescale}, as mdhd has it")
    elif stream.header and fragments and media.header_end:
        start = fragments[0].first
        if index.start not in (start, start - (stream.header.skip or 0)):
            yield Hit(place, f"an earliest presentation time of {index.start}", f"{start}")
    at, count, place_of = index.anchor, 0, 0
    known = {one.offset: one for one in fragments}
    ends = {one.end for one in fragments}
    for number, (size, duration, _) in enumerate(index.references):
        one = known.get(at)
        end = at + (size & 0x7FFFFFFF)
        if one is None or end not in ends or end <= at:
            wanted = "the bytes of a fragment"
            if one is not None:
                wanted = f"{one.end - one.offset} bytes"
            yield Hit(place, f"reference {number}: bytes {at} to {end}", wanted)
            return
        inside = []
        while place_of < len(fragments) and fragments[place_of].offset < end:
            inside.append(fragments[place_of])
            place_of += 1
        real = sum(f.duration for f in inside)
        header = stream.header
        if header and scale == header.timescale and abs(real - duration) > 0 and count < _MOST:
            skipped = (header.skip or 0) if number == 0 else 0
            last = number == len(index.references) - 1
            shown = inside[-1].last - inside[0].first
            # The last sample may be said to last longer, or for no time.
            near = last and abs(real - duration) <= stream.frame * header.timescale
            if duration not in (real - skipped, shown, shown - skipped) and not near:
                count += 1
                yield Hit(place, f"reference {number}: {duration} ticks", f"{real} ticks")
        at = end


def one_profile(s: Subject) -> Iterator[Hit]:
    for one in s.root.walk() if s.root else ():
        if one.name != "AdaptationSet":
            continue
        found = {
            rep.stream.header.coding.kind
            for rep in s.representations
            if rep.adaptation is one and rep.stream.header is not None
        }
        if len(found) > 1:
            place = Place(s.mpd, line=one.line)
            yield Hit(place, ", ".join(sorted(found)), "one coding in an AdaptationSet")


def offsets_or_edits(s: Subject) -> Iterator[Hit]:
    for stream in s.tracks():
        signed = next((one for one in stream.fragments() if one.signed), None)
        if signed and stream.header and stream.header.skip:
            name = next(part.name for part in stream.parts if signed in part.fragments)
            place = Place(name, offset=signed.offset)
            found = f"trun version 1 and an edit list that skips {stream.header.skip} ticks"
            yield Hit(place, found, "one of them")


def same_sps(s: Subject) -> Iterator[Hit]:
    for stream, coding in _codings(s, "avc1"):
        known = set(configured_sps(coding))
        for one in stream.fragments():
            if set(one.picture.sps) - known:
                name = next(part.name for part in stream.parts if one in part.fragments)
                found = "a sequence parameter set in the samples that avcC does not have"
                yield Hit(Place(name, offset=one.data), found, "the same parameters throughout")
                break
    for adaptation in {id(one.adaptation): one.adaptation for one in s.representations}.values():
        inside = [one for one in s.representations if one.adaptation is adaptation]
        sets = {
            configured_sps(one.stream.header.coding)
            for one in inside
            if one.stream.header and one.stream.header.coding.kind.startswith("avc")
        }
        if adaptation.get("bitstreamSwitching") == "true" and len(sets) > 1:
            place = Place(s.mpd, line=adaptation.line)
            yield Hit(place, f"bitstreamSwitching with {len(sets)} different SPS", "identical SPS")


def single_index(s: Subject) -> Iterator[Hit]:
    for stream in s.tracks():
        for media in stream.media:
            # A segment that is a file of its own may carry an index of itself.
            if media.header_end and len(media.indexes) > 1:
                place = Place(media.name, offset=media.indexes[1].offset)
                yield Hit(place, f"{len(media.indexes)} sidx boxes", "a single sidx")


def box_structure(s: Subject) -> Iterator[Hit]:
    yield from s.noted("OURS boxes")


def _rule(name: str, text: str, must: bool, fix: str, check: Check) -> Rule:
    severity: Severity = "must" if must else "should"
    return Rule(name, text, severity, "media", fix, check)


RULES = (
    _rule(
        "HLS 1.3b",
        "H.264 of at most High 5.2",
        True,
        "Encode at a lower profile or level",
        avc_level,
    ),
    _rule(
        "HLS 1.6b",
        "HEVC of at most Main10 5.1",
        True,
        "Encode at a lower profile or level",
        hevc_level,
    ),
    _rule(
        "HLS 1.10",
        "avc1 and hvc1 rather than avc3 and hev1",
        False,
        "Keep parameter sets in the sample entry",
        sets_outside,
    ),
    _rule(
        "CMAF 7.3.2.2",
        "tfdt is the sum of what came before",
        True,
        "Write decode times without gap or overlap",
        decode_times,
    ),
    _rule(
        "CMAF 7.3.2.3",
        "trun places its samples in the mdat behind it",
        True,
        "Write the data offset and sizes of the samples as they are",
        data_offsets,
    ),
    _rule("CMAF 7.3.2.4", "HEVC has colr of type nclx", True, "Write colr", hevc_colour),
    _rule(
        "CMAF 7.3.3.3",
        "One fragment for each reference of the sidx, as it is",
        True,
        "Write the index from the fragments",
        index_references,
    ),
    _rule(
        "CMAF 7.3.4.1",
        "One media profile in a switching set",
        True,
        "Give each coding an AdaptationSet of its own",
        one_profile,
    ),
    _rule(
        "CMAF 9.2.1",
        "trun version 1 or an edit list, not both",
        True,
        "Write signed composition offsets (trun version 1), or offsets from 0 on and an edit list",
        offsets_or_edits,
    ),
    _rule(
        "CMAF B.2.4",
        "Identical SPS where one initialisation serves all",
        True,
        "Encode all of them with the same profile, level and size, or take bitstreamSwitching away",
        same_sps,
    ),
    _rule("WAVE 4.1.2", "A single sidx", True, "Write one index of the whole file", single_index),
    _rule(
        "OURS boxes",
        "Files are whole and can be read",
        True,
        "Copy the file again if it was cut on its way; otherwise mux it again, with sizes of boxes "
        "that are those of what is in them",
        box_structure,
    ),
)
