"""Language codes of media headers and manifests."""

from __future__ import annotations

import pytest

from encoder.media.languages import _PAIRS, bcp_47, iso_639_2


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


def test_every_language_survives_the_way_there_and_back() -> None:
    assert len(_PAIRS) == len({short for short, _ in _PAIRS}) == len({long for _, long in _PAIRS})
    assert len(_PAIRS) > 180
    for short, long in _PAIRS:
        assert (len(short), len(long)) == (2, 3)
        assert bcp_47(iso_639_2(short)) == short
