"""Rules about what there is to hear and read beside the variants: EXT-X-MEDIA and its groups."""

from __future__ import annotations

from collections.abc import Iterator

from encoder.verify.rules_multivariant import codecs, coding, rule
from encoder.verify.subject import Subject
from encoder.verify.verdict import Hit


def stereo_aac(s: Subject) -> Iterator[Hit]:
    audio = list(s.renditions("AUDIO"))
    declared = [c for tag, _ in s.variants() for c in codecs(tag.attributes.get("CODECS"))]
    if s.master is None or not (
        audio or any(coding(c) in ("mp4a", "ac-3", "ec-3") for c in declared)
    ):
        return
    if not any(c.startswith("mp4a.40.") for c in declared):
        yield Hit(s.master.at(), f"CODECS {', '.join(dict.fromkeys(declared))}", "AAC (mp4a.40.2)")
        return
    counts = [tag.attributes.get("CHANNELS", "2").partition("/")[0] for tag, _ in audio]
    # Sound of one channel has no stereo to offer.
    if counts and not {"1", "2"} & set(counts):
        yield Hit(s.master.at(audio[0][0]), f"CHANNELS {', '.join(counts)}", "a stereo rendition")


def digital_plus(s: Subject) -> Iterator[Hit]:
    declared = {c for tag, _ in s.variants() for c in codecs(tag.attributes.get("CODECS"))}
    if s.master and "ec-3" in declared and "ac-3" not in declared:
        yield Hit(s.master.at(), "ec-3 without ac-3", "the same sound as ac-3 too")


def language(s: Subject) -> Iterator[Hit]:
    for tag in s.master.all("EXT-X-MEDIA") if s.master else ():
        attributes = tag.attributes
        if s.master and attributes.get("TYPE") != "VIDEO" and not attributes.get("LANGUAGE"):
            name = attributes.get("NAME", "?")
            yield Hit(s.master.at(tag), f"no LANGUAGE on {name}", "a BCP 47 tag, und at least")


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


def groups(s: Subject) -> Iterator[Hit]:
    for tag, _ in s.variants():
        for kind in ("AUDIO", "SUBTITLES", "VIDEO"):
            group = tag.attributes.get(kind)
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
        "4.4.6.2",
        "Every group that a variant names exists",
        True,
        "Add the EXT-X-MEDIA or take the attribute away",
        groups,
        "RFC 8216",
    ),
)
