"""Rules about what there is to hear and read beside the variants: EXT-X-MEDIA and its groups."""

from __future__ import annotations

from collections.abc import Iterator

from encoder.media.languages import bcp_47, is_tag
from encoder.verify.rules_multivariant import codecs, coding, rule
from encoder.verify.subject import Subject
from encoder.verify.verdict import Hit, Place

# AAC, with SBR, with parametric stereo, and xHE-AAC, as RFC 6381 has them.
_AAC = ("mp4a.40.2", "mp4a.40.5", "mp4a.40.29", "mp4a.40.42")


def stereo_aac(s: Subject) -> Iterator[Hit]:
    audio = list(s.renditions("AUDIO"))
    declared = [c for tag, _ in s.variants() for c in codecs(tag.attributes.get("CODECS"))]
    if s.master is None or not (
        audio or any(coding(c) in ("mp4a", "ac-3", "ec-3") for c in declared)
    ):
        return
    if not any(c in _AAC for c in declared):
        yield Hit(s.master.at(), f"CODECS {', '.join(dict.fromkeys(declared))}", "AAC (mp4a.40.2)")
        return
    # Of what could not be read, the playlist says how many channels it has, and is believed.
    kinds = [stream.header.coding if stream and stream.header else None for _, stream in audio]
    counts = [tag.attributes.get("CHANNELS", "2").partition("/")[0] for tag, _ in audio]
    # Sound of one channel has no stereo to offer.
    fitting = [
        said in ("1", "2") and (kind is None or kind.codec in _AAC)
        for said, kind in zip(counts, kinds, strict=True)
    ]
    if fitting and not any(fitting):
        known = [kind.codec if kind else "?" for kind in kinds]
        found = ", ".join(f"{a} of {b} channels" for a, b in zip(known, counts, strict=True))
        yield Hit(s.master.at(audio[0][0]), found, "a rendition of AAC in stereo")


def channels(s: Subject) -> Iterator[Hit]:
    for tag, stream in s.renditions("AUDIO"):
        said = tag.attributes.get("CHANNELS", "")
        coding = stream.header.coding if stream and stream.header else None
        # Objects and the extensions of E-AC-3 are not in the sample entry's count.
        if not s.master or not said.isascii() or not said.isdigit() or coding is None:
            continue
        if coding.channels and coding.kind != "ec-3" and int(said[:9]) != coding.channels:
            yield Hit(s.master.at(tag), f'CHANNELS="{said}"', f'CHANNELS="{coding.channels}"')


def digital_plus(s: Subject) -> Iterator[Hit]:
    declared = {c for tag, _ in s.variants() for c in codecs(tag.attributes.get("CODECS"))}
    if s.master and "ec-3" in declared and "ac-3" not in declared:
        yield Hit(s.master.at(), "ec-3 without ac-3", "the same sound as ac-3 too")


def language(s: Subject) -> Iterator[Hit]:
    for tag in s.master.all("EXT-X-MEDIA") if s.master else ():
        attributes = tag.attributes
        said, name = attributes.get("LANGUAGE"), attributes.get("NAME", "?")
        if s.master and attributes.get("TYPE") != "VIDEO" and not said:
            yield Hit(s.master.at(tag), f"no LANGUAGE on {name}", "a BCP 47 tag, und at least")
        elif s.master and said and not is_tag(said):
            yield Hit(s.master.at(tag), f'LANGUAGE="{said}"', "a BCP 47 tag, as zh-Hans")


def accessible_text(s: Subject) -> Iterator[Hit]:
    spoken = "public.accessibility.transcribes-spoken-dialog"
    sounds = "public.accessibility.describes-music-and-sound"
    for tag, _ in s.renditions("SUBTITLES"):
        traits = tag.attributes.get("CHARACTERISTICS", "").split(",")
        if s.master and (spoken in traits) != (sounds in traits):
            yield Hit(s.master.at(tag), ",".join(traits), f"{spoken},{sounds}")


def accessible_chosen(s: Subject) -> Iterator[Hit]:
    for kind in ("SUBTITLES", "AUDIO"):
        for tag, _ in s.renditions(kind):
            attributes = tag.attributes
            traits = attributes.get("CHARACTERISTICS", "")
            if (
                s.master
                and "public.accessibility" in traits
                and attributes.get("AUTOSELECT") != "YES"
            ):
                yield Hit(s.master.at(tag), "AUTOSELECT is not YES", "AUTOSELECT=YES")


def default_chosen(s: Subject) -> Iterator[Hit]:
    for tag in s.master.all("EXT-X-MEDIA") if s.master else ():
        attributes = tag.attributes
        if s.master and attributes.get("DEFAULT") == "YES" and attributes.get("AUTOSELECT") == "NO":
            yield Hit(s.master.at(tag), "DEFAULT=YES,AUTOSELECT=NO", "AUTOSELECT=YES")


def groups_told_apart(s: Subject) -> Iterator[Hit]:
    """RFC 8216 4.3.4.1 and 4.3.4.1.1: what each rendition says, and says alone in its group."""
    seen: set[tuple[str, str, str]] = set()
    chosen: set[tuple[str, str]] = set()
    for tag in s.master.all("EXT-X-MEDIA") if s.master else ():
        attributes = tag.attributes
        place = s.master.at(tag) if s.master else Place("")
        for name in ("TYPE", "GROUP-ID", "NAME"):
            if not attributes.get(name):
                yield Hit(place, f"no {name}", f"{name} on every EXT-X-MEDIA")
        group = attributes.get("TYPE", ""), attributes.get("GROUP-ID", "")
        known = (*group, attributes.get("NAME", ""))
        if known in seen and known[2]:
            yield Hit(place, f"a second {known[2]} in group {group[1]}", "names that differ")
        seen.add(known)
        if attributes.get("DEFAULT") == "YES":
            if group in chosen:
                yield Hit(place, f"a second DEFAULT=YES in group {group[1]}", "one at most")
            chosen.add(group)
        if "FORCED" in attributes and group[0] != "SUBTITLES":
            yield Hit(place, f"FORCED on TYPE={group[0]}", "FORCED on subtitles alone")


def channels_declared(s: Subject) -> Iterator[Hit]:
    for tag, _ in s.renditions("AUDIO"):
        if s.master and "CHANNELS" not in tag.attributes:
            name = tag.attributes.get("NAME", "?")
            yield Hit(s.master.at(tag), f"no CHANNELS on {name}", 'CHANNELS="2" for stereo')


def spoken(s: Subject) -> Iterator[Hit]:
    """What a track says of its own language, where it says anything."""
    said = [
        (s.master.at(tag), "LANGUAGE", tag.attributes.get("LANGUAGE"), stream)
        for tag, stream in s.renditions("AUDIO")
        if s.master
    ]
    said += [
        (Place(s.mpd, line=one.node.line), "@lang", one.get("lang"), one.stream)
        for one in s.representations
        if one.stream.kind == "audio"
    ]
    for place, name, language, stream in said:
        own = stream.header.language if stream and stream.header else "und"
        if not language or language == "und" or own in ("und", "mul", "zxx", "mis", "```"):
            continue
        known, real = bcp_47(language).partition("-")[0], bcp_47(own).partition("-")[0]
        if real != "und" and known not in (real, "und"):
            yield Hit(place, f'{name}="{language}"', f"{bcp_47(own)}, as the track's mdhd box says")


def same_languages(s: Subject) -> Iterator[Hit]:
    hls = {tag.attributes.get("LANGUAGE") or "" for tag, _ in s.renditions("AUDIO")}
    dash = {one.get("lang") or "" for one in s.representations if one.stream.kind == "audio"}
    # Where one says nothing, that is found elsewhere.
    if hls and dash and hls != dash and "" not in hls | dash:
        wanted = f"{', '.join(sorted(hls))}, as in HLS"
        yield Hit(Place(s.mpd), f"sound in {', '.join(sorted(dash))}", wanted)


def groups(s: Subject) -> Iterator[Hit]:
    for tag, _ in s.variants():
        for kind in ("AUDIO", "SUBTITLES", "VIDEO", "CLOSED-CAPTIONS"):
            group = tag.attributes.get(kind)
            if kind == "CLOSED-CAPTIONS" and group == "NONE":
                continue
            if s.master and group is not None and not any(s.renditions(kind, group)):
                yield Hit(
                    s.master.at(tag), f'{kind}="{group}"', f"an EXT-X-MEDIA of that {kind} group"
                )


RULES = (
    rule("2.3", "Stereo AAC is there", True, "Add a stereo AAC rendition", stereo_aac),
    rule("2.6", "Dolby Digital Plus implies Dolby Digital", True, "Add ac-3", digital_plus),
    rule("4.4", "LANGUAGE on every EXT-X-MEDIA but video", True, "Add LANGUAGE", language),
    rule(
        "4.5",
        "SDH subtitles have both CHARACTERISTICS",
        False,
        "Name both, spoken dialog and music and sound",
        accessible_text,
    ),
    rule(
        "4.6",
        "Accessible renditions may be selected automatically",
        True,
        "Add AUTOSELECT=YES",
        accessible_chosen,
    ),
    rule(
        "4.4.6.1",
        "DEFAULT=YES does not go with AUTOSELECT=NO",
        True,
        "Write AUTOSELECT=YES",
        default_chosen,
        "RFC 8216",
    ),
    rule(
        "4.4.6.1 channels",
        "CHANNELS is the number of channels in the files",
        True,
        "Declare as many as the sample entry has",
        channels,
        "RFC 8216",
    ),
    rule(
        "4.3.4.1",
        "Renditions of a group have names that differ, and one default at most",
        True,
        "Write TYPE, GROUP-ID and NAME, a name once in a group, and one DEFAULT=YES",
        groups_told_apart,
        "RFC 8216",
    ),
    rule(
        "4.4.6.1 count",
        "CHANNELS on sound",
        False,
        "Write the number of channels as CHANNELS",
        channels_declared,
        "RFC 8216",
    ),
    rule(
        "spoken",
        "Languages are those that the tracks name themselves",
        False,
        "Write the language that is spoken into both the manifests and the mdhd box; two tracks "
        "may have changed places",
        spoken,
        "OURS",
    ),
    rule(
        "languages",
        "HLS and DASH have sound in the same languages",
        False,
        "Give both manifests the same tracks, and each of them the same language in both",
        same_languages,
        "OURS",
    ),
    rule(
        "4.4.6.2",
        "Every group that a variant names exists",
        True,
        "Add the EXT-X-MEDIA or take the attribute away",
        groups,
        "RFC 8216",
    ),
)
