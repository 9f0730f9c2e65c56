"""Rules of our own: what makes a title of an adaptive set, and of a folder a package."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate

from encoder.verify.m3u8 import Tag, number
from encoder.verify.rules_dash import trick
from encoder.verify.subject import Stream, Subject
from encoder.verify.verdict import Check, Hit, Needs, Place, Rule, Severity

# What an ingest puts beside the package.
_BESIDE = ("package.json", "report.json", "report.html")


def video(s: Subject) -> list[Stream]:
    """The renditions: what is for trick modes has other frames."""
    aside = {one.stream.header_place for one in s.representations if trick(one.adaptation)}
    return [one for one in s.tracks() if one.kind == "video" and one.header_place not in aside]


def _place(stream: Stream) -> Place:
    return Place(stream.parts[0].name if stream.parts else stream.label)


def frames(s: Subject) -> Iterator[Hit]:
    streams = video(s)
    # Renditions of half the frame rate have half the frames.
    wanted = s.facts.get("frames")
    by_rate: dict[Fraction, list[Stream]] = {}
    for stream in streams:
        by_rate.setdefault(stream.frame, []).append(stream)
    for alike in by_rate.values():
        most = max(one.samples for one in alike)
        whole = isinstance(wanted, int) and alike == streams
        for stream in alike:
            expected = wanted if whole else most
            if stream.samples != expected:
                why = "as the master" if whole else "as other renditions have"
                yield Hit(_place(stream), f"{stream.samples} frames", f"{expected}, {why}")


def durations(s: Subject) -> Iterator[Hit]:
    streams = video(s)
    longest = max((one.end for one in streams), default=Fraction(0))
    for stream in streams:
        if longest - stream.end > max(one.frame for one in streams):
            found = f"{float(stream.end):.3f} s"
            yield Hit(_place(stream), found, f"{float(longest):.3f} s, as the longest rendition")


def boundaries(s: Subject) -> Iterator[Hit]:
    streams = video(s)
    sets = {id(one): _set_of(s, one) for one in streams}
    for key in dict.fromkeys(sets.values()):
        alike = [one for one in streams if sets[id(one)] == key]
        # Those of the majority are right, so that the one which differs is named.
        starts = [_starts(one) for one in alike]
        if not starts:
            continue
        wanted = max(starts, key=starts.count)
        for stream, found in zip(alike, starts, strict=True):
            if found != wanted:
                apart = sorted(set(found) ^ set(wanted))[:4]
                text = f"boundaries differ at {', '.join(f'{float(one):.3f} s' for one in apart)}"
                yield Hit(_place(stream), text, f"those of {alike[starts.index(wanted)].label}")


def _set_of(s: Subject, stream: Stream) -> str:
    """Renditions of one coding are switched between."""
    return stream.header.coding.kind if stream.header else ""


def _starts(stream: Stream) -> tuple[Fraction, ...]:
    scale = stream.header.timescale if stream.header else 1
    lengths = [one.duration for one in stream.fragments()]
    return tuple(Fraction(tick, scale) for tick in accumulate(lengths[:-1], initial=0))


def audio_covers(s: Subject) -> Iterator[Hit]:
    end = max((one.end for one in video(s)), default=None)
    for stream in s.tracks():
        if end is None or stream.kind != "audio":
            continue
        if end - stream.end > stream.frame + Fraction(1, 1000):
            found = f"sound ends at {float(stream.end):.3f} s"
            yield Hit(_place(stream), found, f"{float(end):.3f} s, where the pictures end")


def files_there(s: Subject) -> Iterator[Hit]:
    yield from s.noted("OURS files")
    published = s.facts.get("files")
    for name, size in published.items() if isinstance(published, dict) else ():
        real = s.files.size(name)
        if real != size:
            found = f"{name} is not there" if real is None else f"{name} has {real} bytes"
            yield Hit(Place("package.json"), found, f"{size} bytes, as it was published")


def ranges_there(s: Subject) -> Iterator[Hit]:
    yield from s.noted("OURS ranges")
    for stream in s.every():
        starts = {one for media in stream.media for one in media.starts}
        for part in stream.parts if stream.readable else ():
            if part.size and not part.fragments:
                found = f"bytes {part.offset} to {part.offset + part.size} hold no fragment"
                yield Hit(part.place, found, f"a fragment of {part.name}")
                break
            last = part.fragments[-1] if part.fragments else None
            if (
                last
                and part.size
                and (last.end != part.offset + part.size or part.offset not in starts)
            ):
                found = f"bytes {part.offset} to {part.offset + part.size}"
                wanted = f"whole fragments: {part.fragments[0].offset} to {last.end}"
                yield Hit(part.place, found, wanted)
                break


def nothing_else(s: Subject) -> Iterator[Hit]:
    published = s.facts.get("files")
    known = set(published) if isinstance(published, dict) else set()
    homes = {posixpath.dirname(one) for one in s.declared} - {""}
    for name in s.files.all():
        if name in s.declared or name in known or name in _BESIDE:
            continue
        # Before it is published, a package has reports beside it that are not listed yet.
        if not known and s.facts and posixpath.dirname(name) not in homes:
            continue
        # Somebody else's folder may hold what is their business.
        severity: Severity = "must" if s.facts else "should"
        yield Hit(
            Place(name), "no manifest names this file", "a folder of the package alone", severity
        )


def _score(tag: Tag) -> float | None:
    """The SCORE of a variant; None where there is none."""
    text = tag.attributes.get("SCORE", "")
    return float(text) if re.fullmatch(r"\d{1,15}(\.\d{1,15})?", text, re.ASCII) else None


def score_order(s: Subject) -> Iterator[Hit]:
    measured = s.facts.get("vmaf")
    if not isinstance(measured, dict):
        return
    known = []
    for tag, stream in s.variants():
        # A track of one file is known by it, one of many by its playlist.
        names = (stream.parts[0].name, stream.label) if stream and stream.parts else ()
        declared = _score(tag)
        name = next((one for one in names if one in measured), None)
        if name is not None and declared is not None:
            known.append((declared, measured[name], tag))
    for declared, real, tag in known:
        wrong = [o for o in known if (o[0] - declared) * (o[1] - real) < 0]
        if wrong and s.master:
            found = f"SCORE={declared:g} for a measured VMAF of {real:g}"
            wanted = f"the order of the measured: {wrong[0][1]:g} has SCORE={wrong[0][0]:g}"
            yield Hit(s.master.at(tag), found, wanted)
            return


def dominated(s: Subject) -> Iterator[Hit]:
    found = []
    for tag, address in s.master.variants() if s.master else ():
        attributes = tag.attributes
        value, rate = _score(tag), number(attributes.get("AVERAGE-BANDWIDTH"))
        if value is not None and rate is not None:
            group = (attributes.get("AUDIO"), attributes.get("CODECS", "").partition(".")[0])
            found.append((group, rate, value, tag, address.value))
    for group, bits, score, tag, name in found:
        better = [o for o in found if o[0] == group and o[1] < bits and o[2] >= score]
        if better and s.master:
            text = f"{name}: {bits} b/s for SCORE={score:g}"
            yield Hit(
                s.master.at(tag), text, f"more than {better[0][4]}, which costs {better[0][1]}"
            )


def decodes_alone(s: Subject) -> Iterator[Hit]:
    for stream in s.every():
        for part in stream.parts if stream.kind == "video" else ():
            first = part.fragments[0] if part.fragments else None
            if first is None:
                continue
            if not first.starts_sync or first.picture.start == "none":
                place = Place(part.name, offset=first.offset)
                yield Hit(place, "a segment starts with no key frame", "one that decodes alone")
                break


def _rule(name: str, text: str, must: bool, needs: Needs, fix: str, check: Check) -> Rule:
    severity: Severity = "must" if must else "should"
    return Rule(f"OURS {name}", text, severity, needs, fix, check)


RULES = (
    _rule(
        "frames",
        "Every rendition has every frame",
        True,
        "media",
        "Encode this rendition again from the same source and frame rate, and let nothing drop or "
        "repeat frames",
        frames,
    ),
    _rule(
        "durations",
        "Renditions last equally long, within one frame",
        True,
        "media",
        "Encode this rendition to the last frame of the source, as the others",
        durations,
    ),
    _rule(
        "boundaries",
        "All renditions share every boundary",
        True,
        "media",
        "Force key frames at the same frames in every rendition, without scene cuts of each own",
        boundaries,
    ),
    _rule(
        "audio",
        "Sound covers the pictures",
        True,
        "media",
        "Pad the sound with silence",
        audio_covers,
    ),
    _rule(
        "files",
        "Every declared file exists",
        True,
        "media",
        "Put the file there, under the very name that is declared, or take it out of the manifest",
        files_there,
    ),
    _rule(
        "ranges",
        "Every declared byte range exists and is whole fragments",
        True,
        "media",
        "Write the range from the first byte of a moof to the last of the mdat behind it",
        ranges_there,
    ),
    _rule(
        "nothing else",
        "Nothing undeclared lies in the folder",
        True,
        "folder",
        "Move it elsewhere",
        nothing_else,
    ),
    _rule(
        "score order",
        "SCORE orders variants as the measured VMAF does",
        True,
        "scores",
        "Write the scores as measured",
        score_order,
    ),
    _rule(
        "dominated",
        "No variant costs more and looks no better",
        False,
        "multivariant",
        "Leave that variant out",
        dominated,
    ),
    _rule(
        "alone",
        "Every segment decodes alone",
        True,
        "media",
        "Cut segments at key frames that no later picture refers across, IDR frames in H.264",
        decodes_alone,
    ),
)
