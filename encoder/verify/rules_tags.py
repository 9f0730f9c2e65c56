"""Rules about tags and their attribute lists: what RFC 8216bis demands of every playlist, whatever
it is of (sections 4.1, 4.2 and 4.4)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from encoder.verify.m3u8 import Playlist, Tag
from encoder.verify.rules_playlist import rule
from encoder.verify.subject import Subject
from encoder.verify.verdict import Hit, Place

_LISTS = (
    *("EXT-X-MEDIA", "EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-IMAGE-STREAM-INF"),
    *("EXT-X-MAP", "EXT-X-KEY", "EXT-X-SESSION-KEY"),
)
_STRING = re.compile(r'"[^"]*"')
_INTEGER = re.compile(r"\d{1,20}", re.ASCII)
_YES_NO = re.compile("YES|NO")
_FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    **dict.fromkeys(
        (
            *("URI", "GROUP-ID", "LANGUAGE", "ASSOC-LANGUAGE", "NAME", "INSTREAM-ID", "CODECS"),
            *("CHARACTERISTICS", "CHANNELS", "SUPPLEMENTAL-CODECS", "AUDIO", "VIDEO", "SUBTITLES"),
            *("BYTERANGE", "KEYFORMAT", "KEYFORMATVERSIONS", "STABLE-VARIANT-ID", "PATHWAY-ID"),
            *("STABLE-RENDITION-ID", "ALLOWED-CPC", "REQ-VIDEO-LAYOUT"),
        ),
        (_STRING, "a string in quotes"),
    ),
    **dict.fromkeys(("BANDWIDTH", "AVERAGE-BANDWIDTH"), (_INTEGER, "a whole number")),
    **dict.fromkeys(("DEFAULT", "AUTOSELECT", "FORCED"), (_YES_NO, "YES or NO")),
    "RESOLUTION": (re.compile(r"\d{1,6}x\d{1,6}", re.ASCII), "width x height"),
    "FRAME-RATE": (re.compile(r"\d{1,6}(\.\d{1,9})?", re.ASCII), "a number that is not negative"),
    "SCORE": (re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII), "a number that is not negative"),
    "TYPE": (re.compile("AUDIO|VIDEO|SUBTITLES|CLOSED-CAPTIONS"), "a type of rendition"),
    "VIDEO-RANGE": (re.compile("SDR|HLG|PQ"), "SDR, HLG or PQ"),
    "HDCP-LEVEL": (re.compile("TYPE-[01]|NONE"), "TYPE-0, TYPE-1 or NONE"),
    "CLOSED-CAPTIONS": (re.compile('NONE|"[^"]*"'), "NONE, or a group in quotes"),
    "IV": (re.compile("0[xX][0-9a-fA-F]{1,32}"), "128 bits in hexadecimal, after 0x"),
    "METHOD": (
        re.compile("NONE|AES-128|AES-256|AES-256-CTR|SAMPLE-AES|SAMPLE-AES-CTR"),
        "a method of encryption, as SAMPLE-AES",
    ),
}
_ONCE = (
    *("EXT-X-VERSION", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-PLAYLIST-TYPE"),
    *("EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-INDEPENDENT-SEGMENTS", "EXT-X-START"),
    *("EXT-X-ENDLIST", "EXT-X-I-FRAMES-ONLY"),
)
_OF_MEDIA = ("EXTINF", "EXT-X-TARGETDURATION", "EXT-X-BYTERANGE", "EXT-X-MAP", "EXT-X-ENDLIST")


def _playlists(s: Subject) -> Iterator[Playlist]:
    if s.master is not None:
        yield s.master
    yield from s.playlists.values()


def attribute_lists(s: Subject) -> Iterator[Hit]:
    for playlist in _playlists(s):
        for tag in playlist.tags:
            if tag.name in _LISTS:
                place = playlist.at(tag)
                yield from (Hit(place, *problem) for problem in _problems(tag))


def _problems(tag: Tag) -> Iterator[tuple[str, str]]:
    pairs, rest = tag.pairs()
    if rest:
        yield f"{rest[:60]} in the attributes of {tag.name}", "NAME=value, with commas between"
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            yield f"{name} {count} times on a tag", "each attribute once"
    for name, value in pairs:
        if name in _FORMS and not _FORMS[name][0].fullmatch(value):
            yield f"{name}={value[:60]}", f"{name} as {_FORMS[name][1]}"


def required(s: Subject) -> Iterator[Hit]:
    for playlist in _playlists(s):
        for tag in playlist.tags:
            if tag.name in _LISTS:
                yield from (Hit(playlist.at(tag), *one) for one in _lacking(tag))


def _lacking(tag: Tag) -> Iterator[tuple[str, str]]:
    attributes = tag.attributes
    needed: tuple[str, ...] = ()
    kind = attributes.get("TYPE")
    if tag.name in ("EXT-X-MAP", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-IMAGE-STREAM-INF"):
        needed = ("URI",)
    elif tag.name.endswith("KEY"):
        needed = ("METHOD",) if attributes.get("METHOD") == "NONE" else ("METHOD", "URI")
    elif tag.name == "EXT-X-MEDIA" and kind == "SUBTITLES":
        needed = ("URI",)
    elif tag.name == "EXT-X-MEDIA" and kind == "CLOSED-CAPTIONS":
        needed = ("INSTREAM-ID",)
        if "URI" in attributes:
            yield "URI on TYPE=CLOSED-CAPTIONS", "none: captions are in the pictures' segments"
    for name in needed:
        if not attributes.get(name):
            yield f"{tag.name} without {name}", f"{name} on it"


def one_kind(s: Subject) -> Iterator[Hit]:
    for playlist in _playlists(s):
        counts = Counter(tag.name for tag in playlist.tags if tag.name in _ONCE)
        for name, count in counts.items():
            if count > 1:
                yield Hit(playlist.at(playlist.all(name)[1]), f"{name} {count} times", "once")
        if not playlist.multivariant:
            continue
        wrong = next((tag for tag in playlist.tags if tag.name in _OF_MEDIA), None)
        if wrong is not None:
            found = f"{wrong.name} beside EXT-X-STREAM-INF"
            yield Hit(playlist.at(wrong), found, "tags of segments in media playlists alone")
        addressed = {tag for tag, _ in playlist.variants()}
        for tag in playlist.all("EXT-X-STREAM-INF"):
            if tag not in addressed:
                yield Hit(playlist.at(tag), "EXT-X-STREAM-INF without address", "a URI below it")


def captions(s: Subject) -> Iterator[Hit]:
    """RFC 8216bis 4.4.6.2: NONE is of all variants or of none."""
    said = [(tag, dict(tag.pairs()[0]).get("CLOSED-CAPTIONS")) for tag, _ in s.variants()]
    if s.master is None or not any(value == "NONE" for _, value in said):
        return
    for tag, value in said:
        if value != "NONE":
            found = f"CLOSED-CAPTIONS={value}" if value else "no CLOSED-CAPTIONS"
            yield Hit(s.master.at(tag), found, "NONE, as other variants have")
            return


def listed_once(s: Subject) -> Iterator[Hit]:
    """The same address with the same groups is no other choice."""
    seen: dict[tuple[str | None, ...], int] = {}
    for tag, address in s.master.variants() if s.master else ():
        attributes = tag.attributes
        groups = ("AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS", "PATHWAY-ID")
        known = (address.value, *map(attributes.get, groups))
        if s.master and known in seen:
            found = f"{address.value} a second time"
            yield Hit(s.master.at(tag), found, f"once: it is in line {seen[known]}")
        seen.setdefault(known, tag.line)


def led_to_their_kind(s: Subject) -> Iterator[Hit]:
    kinds = {"AUDIO": "audio", "VIDEO": "video", "SUBTITLES": "text"}
    for kind, wanted in kinds.items():
        for tag, stream in s.renditions(kind):
            found = stream.kind if stream and stream.readable else ""
            if s.master and stream and stream.container == "vtt":
                found = "text"
            if s.master and found and found != wanted:
                name = tag.attributes.get("URI", "?")
                yield Hit(s.master.at(tag), f"TYPE={kind} leads to {found} ({name})", wanted)


def groups_alike(s: Subject) -> Iterator[Hit]:
    """RFC 8216 4.3.4.1.1: groups are the same in other codings."""
    for kind in ("AUDIO", "SUBTITLES"):
        groups: dict[str, dict[str, Tag]] = {}
        for tag, _ in s.renditions(kind):
            attributes = tag.attributes
            inside = groups.setdefault(attributes.get("GROUP-ID", ""), {})
            inside[attributes.get("LANGUAGE", "") + " " + attributes.get("NAME", "")] = tag
        names = [frozenset(one) for one in groups.values()]
        most = max(names, key=len, default=frozenset())
        for group, inside in groups.items():
            lacking = sorted(most - frozenset(inside))
            if s.master and lacking:
                found = f"group {group} without {lacking[0].strip() or 'a name'}"
                tag = next(iter(inside.values()))
                yield Hit(s.master.at(tag), found, f"the {len(most)} members that others have")


def method_of_scheme(s: Subject) -> Iterator[Hit]:
    """RFC 8216bis 4.4.4.4: SAMPLE-AES of fMP4 is cbcs, SAMPLE-AES-CTR is cenc."""
    wanted = {"cbcs": "SAMPLE-AES", "cenc": "SAMPLE-AES-CTR"}
    for name, stream in s.streams.items():
        if stream.header is None or stream.header.others:
            continue
        scheme = stream.header.coding.scheme
        for tag in s.playlists[name].all("EXT-X-KEY"):
            method = tag.attributes.get("METHOD", "")
            if method.startswith("SAMPLE-AES") and method != wanted.get(scheme):
                found = f"METHOD={method} for {scheme or 'a clear track'}"
                yield Hit(Place(name, line=tag.line), found, wanted.get(scheme, "no EXT-X-KEY"))
                break


RULES = (
    rule(
        "4.2",
        "Attribute lists are as the format has them",
        True,
        "Write NAME=value with commas between and no spaces, each name once, strings in quotes and "
        "words and numbers without",
        attribute_lists,
        "RFC 8216",
    ),
    rule(
        "4.4",
        "Tags have the attributes that they cannot do without",
        True,
        "Write the attribute, or take the tag away",
        required,
        "RFC 8216",
    ),
    rule(
        "4.1 kinds",
        "A playlist is of variants or of segments, and what is said once is said once",
        True,
        "Keep tags of segments in the media playlists, put the URI in the line below "
        "EXT-X-STREAM-INF, and take repeated tags away",
        one_kind,
        "RFC 8216",
    ),
    rule(
        "4.4.6.2 captions",
        "CLOSED-CAPTIONS=NONE is on all variants or on none",
        True,
        "Write CLOSED-CAPTIONS=NONE on every EXT-X-STREAM-INF, or name the group of captions",
        captions,
        "RFC 8216",
    ),
    rule(
        "variants",
        "Every variant is listed once",
        False,
        "Take the repeated EXT-X-STREAM-INF and its URI away",
        listed_once,
        "OURS",
    ),
    rule(
        "4.4.6.1 kinds",
        "Renditions are of the type that they are said to be",
        True,
        "Correct TYPE, or the URI, so that it leads to the playlist that is meant",
        led_to_their_kind,
        "RFC 8216",
    ),
    rule(
        "4.4.6.1.1",
        "Groups of a type have the same members",
        True,
        "Give each group a rendition for each language and name, in its own coding",
        groups_alike,
        "RFC 8216",
    ),
    rule(
        "4.4.4.4",
        "METHOD is that of the tracks' encryption",
        True,
        "Write METHOD=SAMPLE-AES for cbcs, and encrypt with cbcs where it is cenc; no key for "
        "clear tracks",
        method_of_scheme,
        "RFC 8216",
    ),
)
