"""Names, ids and roles of audio tracks; the matrices by themselves."""

from __future__ import annotations

from fractions import Fraction

import pytest

from encoder.encode.downmix import mix
from encoder.encode.tracks import identifier, language, main_stream, name, roles
from encoder.media.master import AudioStream


def stream(code: str = "eng", *disposition: str, index: int = 1) -> AudioStream:
    return AudioStream(
        index=index,
        codec="aac",
        profile="LC",
        sample_rate=48000,
        channels=2,
        layout="stereo",
        start=Fraction(0),
        duration=Fraction(1),
        bitrate=None,
        language=code,
        title="",
        disposition=disposition,
    )


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (stream(), ("main",)),
        (stream("eng", "default", "original"), ("main",)),
        (stream("eng", "dub"), ("main", "dub")),
        (stream("eng", "comment"), ("commentary",)),
        (stream("eng", "descriptions", "visual_impaired"), ("description",)),
        (stream("eng", "hearing_impaired"), ("enhanced-audio-intelligibility",)),
        (stream("eng", "clean_effects"), ("supplementary",)),
    ],
)
def test_roles(one: AudioStream, expected: tuple[str, ...]) -> None:
    assert roles(one) == expected


@pytest.mark.parametrize(
    ("one", "tag", "named", "called"),
    [
        (stream("eng"), "en", "English", "audio-eng-stereo"),
        (stream("ger"), "de", "German", "audio-deu-stereo"),
        (stream("gsw"), "gsw", "Gsw", "audio-gsw-stereo"),
        (stream("und"), "und", "Audio", "audio-und-stereo"),
        (stream("und", "comment"), "und", "Commentary", "audio-und-commentary-stereo"),
        (stream("fra", "comment"), "fr", "French commentary", "audio-fra-commentary-stereo"),
        (stream("../x"), "und", "Audio", "audio-und-stereo"),
    ],
)
def test_names(one: AudioStream, tag: str, named: str, called: str) -> None:
    assert language(one) == tag
    assert name(one, "stereo", []) == named
    assert identifier(one, "stereo", []) == called


def test_names_are_unique() -> None:
    names: list[str] = []
    ids: list[str] = []
    for layout in ("stereo", "5.1", "stereo", "5.1", "stereo"):
        names.append(name(stream(), layout, names))
        ids.append(identifier(stream(), layout, ids))
    assert names == ["English", "English 5.1", "English 2", "English 2 5.1", "English 3"]
    assert len(set(ids)) == 5


def test_the_main_stream() -> None:
    commentary = stream("eng", "comment", "default", index=1)
    german, english = stream("deu", index=2), stream("eng", "default", index=3)
    assert main_stream([commentary, german, english]) is english
    assert main_stream([commentary, german]) is german
    assert main_stream([commentary]) is commentary


def test_matrices() -> None:
    assert mix("mono", 1, "5.1") == mix("mono", 1, "stereo")
    assert mix("4 channels", 4, "stereo") is None
    assert mix("6 channels", 6, "stereo") == mix("5.1", 6, "stereo")
    back = mix("4.0", 4, "stereo")
    assert back is not None
    assert back.pan == "stereo|FL=1*c0+0.707107*c2+0.5*c3|FR=1*c1+0.707107*c2+0.5*c3"
    assert back.adds
    quad = mix("quad", 4, "5.1")
    assert quad is not None
    assert quad.pan == "5.1|FL=1*c0|FR=1*c1|FC=0*c0|LFE=0*c0|BL=1*c2|BR=1*c3"
    assert not quad.adds
