"""What an audio track is called, and what it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from encoder.media.languages import UNDETERMINED, bcp_47, iso_639_2, language_name
from encoder.media.master import AudioStream

# DASH's roles for what dispositions say of a track (ISO/IEC 23009-1, 5.8.5.5).
_ROLES = {
    "comment": "commentary",
    "visual_impaired": "description",
    "descriptions": "description",
    "hearing_impaired": "enhanced-audio-intelligibility",
    "karaoke": "karaoke",
    "clean_effects": "supplementary",
    "dub": "dub",
}
# A track of these is not the programme's sound as everybody is meant to hear it.
_ASIDE = frozenset({"commentary", "description", "enhanced-audio-intelligibility", "karaoke"})

_WORDS = {
    "commentary": "commentary",
    "description": "description",
    "enhanced-audio-intelligibility": "clear speech",
    "karaoke": "karaoke",
    "supplementary": "music and effects",
}


def roles(stream: AudioStream) -> tuple[str, ...]:
    """DASH's roles of a stream: ``main`` unless it is aside from the programme's own sound."""
    found = tuple(dict.fromkeys(_ROLES[d] for d in stream.disposition if d in _ROLES))
    aside = _ASIDE.union({"supplementary"})
    return found if aside & set(found) else ("main", *found)


def language(stream: AudioStream) -> str:
    """The stream's language as a BCP 47 tag."""
    return bcp_47(stream.language)


def identifier(stream: AudioStream, layout: str, taken: Iterable[str]) -> str:
    """An id such as ``audio-eng-stereo``, that is not taken and is safe as a file name."""
    purposes = [role for role in roles(stream) if role in _WORDS]
    stem = "-".join(["audio", iso_639_2(language(stream)), *purposes[:1]])
    return _free(lambda number: "-".join([stem, *number, layout]), taken)


def name(stream: AudioStream, layout: str, taken: Iterable[str]) -> str:
    """A name for people, such as ``English commentary`` or ``English 5.1``, that is not taken."""
    tag = language(stream)
    spoken = [language_name(tag)] if tag != UNDETERMINED else []
    words = [*spoken, *(_WORDS[role] for role in roles(stream) if role in _WORDS)]
    text = " ".join(words) or "Audio"
    sound = [layout] if layout != "stereo" else []
    found = _free(lambda number: " ".join([text, *number, *sound]), taken)
    return found[0].upper() + found[1:]


def main_stream(streams: Iterable[AudioStream]) -> AudioStream:
    """The one that plays unless the viewer chooses: the default, the first main one, the first."""
    ordered = sorted(
        streams, key=lambda one: ("main" not in roles(one), "default" not in one.disposition)
    )
    return ordered[0]


def _free(made: Callable[[list[str]], str], taken: Iterable[str]) -> str:
    used = {one.lower() for one in taken}
    number = 1
    while True:
        text = made([str(number)] if number > 1 else [])
        if text.lower() not in used:
            return text
        number += 1
