"""What a track of subtitles is called, and what it is for."""

from __future__ import annotations

from collections.abc import Sequence

from encoder.media.languages import UNDETERMINED, iso_639_2, language_name
from encoder.media.master import TextStream

# What may be said of a sidecar, and what dispositions of a master's stream say of it.
TRAITS = ("sdh", "forced", "commentary", "default")
# A container's "default" is not among them: muxers set it on whatever comes first, and subtitles
# that nobody asked for would be shown to everybody.
_DISPOSITIONS = {
    "hearing_impaired": "sdh",
    "captions": "sdh",
    "forced": "forced",
    "comment": "commentary",
}
# DASH's roles (ISO/IEC 23009-1, 5.8.5.5), and words for people.
_ROLES = {"sdh": "caption", "forced": "forced-subtitle", "commentary": "commentary"}
_WORDS = {"caption": "SDH", "forced-subtitle": "forced", "commentary": "commentary"}


def traits(stream: TextStream) -> tuple[str, ...]:
    """What a master's stream is for, of :data:`TRAITS`, by its flags and its title."""
    found = [_DISPOSITIONS[one] for one in stream.disposition if one in _DISPOSITIONS]
    words = stream.title.lower().replace("(", " ").replace(")", " ").split()
    if {"sdh", "cc"} & set(words):
        found.append("sdh")
    if "forced" in words:
        found.append("forced")
    return tuple(dict.fromkeys(found))


def roles(said: Sequence[str]) -> tuple[str, ...]:
    """DASH's roles of traits."""
    found = tuple(_ROLES[one] for one in said if one in _ROLES)
    return found if {"caption", "forced-subtitle"} & set(found) else ("subtitle", *found)


def label(
    language: str, of: Sequence[str], taken: Sequence[str], names: Sequence[str] = ()
) -> tuple[str, str]:
    """An id such as ``text-eng-sdh`` and a name such as ``English SDH``.

    Args:
        language: a BCP 47 tag.
        of: its roles.
        taken: the ids that there are already.
        names: their names.
    """
    known = [_WORDS[role] for role in of if role in _WORDS]
    stem = "-".join(["text", iso_639_2(language), *(one.lower() for one in known)])
    spoken = language_name(language) if language != UNDETERMINED else "Subtitles"
    name = " ".join([spoken, *known])
    return _free(stem, "-", taken), _free(name, " ", names)


def _free(text: str, between: str, taken: Sequence[str]) -> str:
    found, number = text, 1
    while found in taken:
        number += 1
        found = f"{text}{between}{number}"
    return found
