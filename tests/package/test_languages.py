"""Language codes of media headers and manifests."""

from __future__ import annotations

import pytest

from encoder.media.languages import _PAIRS, bcp_47, iso_639_2, language_name


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "eng"),
        ("pt-BR", "por"),
        ("ZH-Hant", "zho"),
        ("de", "deu"),
        ("yue", "yue"),
        ("ger", "deu"),
        ("und", "und"),
        ("", "und"),
        ("x-klingon", "und"),
        ("1234", "und"),
        ("éng", "und"),
    ],
)
def test_codes_of_tags(tag: str, code: str) -> None:
    assert iso_639_2(tag) == code


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("eng", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("chi", "zh"),
        ("yue", "yue"),
        ("en-GB", "en-GB"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("sr-LATN", "sr-Latn"),
        ("de-1996", "de-1996"),
        # What is no tag is none in the schema of DASH either, and breaks more than a player's menu.
        ("en-US-", "en-US"),
        ('en-a"b<c', "en"),
        ("en-toolongforone-US", "en"),
        ("und-x", "und"),
        (" ENG ", "en"),
        ("und", "und"),
        ("", "und"),
        ("e", "und"),
        ("english", "und"),
        ("```", "und"),
    ],
)
def test_tags_of_codes(code: str, tag: str) -> None:
    assert bcp_47(code) == tag


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("pt", "Portuguese"),
        ("pt-BR", "Portuguese (BR)"),
        ("zh-Hans", "Chinese (Simplified)"),
        ("zh-Hant-TW", "Chinese (Traditional, TW)"),
        ("tlh", "tlh"),
    ],
)
def test_names_tell_variants_of_a_language_apart(tag: str, name: str) -> None:
    assert language_name(tag) == name


def test_every_language_survives_the_way_there_and_back() -> None:
    assert len(_PAIRS) == len({short for short, _ in _PAIRS}) == len({long for _, long in _PAIRS})
    assert len(_PAIRS) > 180
    for short, long in _PAIRS:
        assert (len(short), len(long)) == (2, 3)
        assert bcp_47(iso_639_2(short)) == short
