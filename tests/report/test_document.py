"""The JSON of ingest against its documentation, field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from encoder.media.scores import Pooled
from encoder.report.data import ReportData
from encoder.report.document import SCHEMA, against_expected, ingest_document

from .factory import report_data, vmaf_at, without_expectations

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "json.md"
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)


def documented() -> dict[str, str]:
    return {path: kind.strip() for path, kind in ROW.findall(DOCUMENTATION.read_text("utf-8"))}


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key path with a value; elements of an array share the path ``name[]``."""
    if isinstance(value, dict):
        for key, one in value.items():
            inner = f"{path}.{key}" if path else key
            yield inner, one
            yield from walk(one, inner)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one, f"{path}[]")


def kind_of(value: Any) -> str:
    for cls, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
        if isinstance(value, cls):
            return name
    return {dict: "object", list: "array", type(None): "null"}[type(value)]


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of a documented type such as ``number or null``."""
    for one in kind.split(" or "):
        outer, _, inner = one.partition(" of ")
        actual = kind_of(value)
        if actual == "integer" and outer == "number":
            return True
        if actual == outer:
            return not inner or all(fits(element, inner) for element in value)
    return False


CASES = {
    "everything": report_data(),
    "not measured": report_data(scored=False),
    "silent": report_data(sound=False),
    "fixed": without_expectations(report_data()),
    "one rung": report_data(rungs=((2, 900_000),), shot_count=1, savings=False),
}


def test_every_field_is_documented_and_every_documented_field_occurs() -> None:
    paths = {path for path, _ in walk(ingest_document(CASES["everything"].result))}
    assert paths == set(documented())


@pytest.mark.parametrize("data", CASES.values(), ids=CASES)
def test_every_value_is_of_its_documented_type(data: ReportData) -> None:
    kinds = documented()
    found = list(walk(ingest_document(data.result)))
    assert len(found) > 100
    wrong = [(p, v, kinds.get(p)) for p, v in found if p not in kinds or not fits(v, kinds[p])]
    assert wrong == []


@pytest.mark.parametrize("data", CASES.values(), ids=CASES)
def test_it_is_strict_json_that_survives_a_round_trip(data: ReportData) -> None:
    document = ingest_document(data.result)
    text = json.dumps(document, allow_nan=False, ensure_ascii=False)
    assert json.loads(text) == document
    assert document["schema"] == SCHEMA


def test_numbers_that_are_not_finite_become_null() -> None:
    data = report_data()
    card = data.result.scorecard
    assert card is not None
    first = card.renditions[0]
    infinite = Pooled(float("inf"), float("nan"), 1.0, 2.0, float("-inf"))
    metrics = tuple(
        replace(m, title=infinite) if m.metric == "psnr_y" else m for m in first.metrics
    )
    scores = replace(card, renditions=(replace(first, metrics=metrics), *card.renditions[1:]))
    document = ingest_document(replace(data.result, scorecard=scores))
    text = json.dumps(document, allow_nan=False)
    psnr = json.loads(text)["renditions"][0]["scores"]["psnr_y"]
    assert psnr == {
        "model": "ffmpeg",
        "mean": None,
        "harmonic_mean": None,
        "p1": 1.0,
        "p5": 2.0,
        "min": None,
    }


def test_a_metric_that_was_not_measured_is_null() -> None:
    data = report_data()
    card = data.result.scorecard
    assert card is not None
    first = card.renditions[0]
    metrics = tuple(m for m in first.metrics if m.metric == "vmaf")
    scores = replace(card, renditions=(replace(first, metrics=metrics), *card.renditions[1:]))
    document = ingest_document(replace(data.result, scorecard=scores))
    found = document["renditions"][0]["scores"]
    assert found["vmaf"]["model"] == "vmaf_v0.6.1"
    assert [found[n] for n in ("psnr_y", "psnr_u", "psnr_v", "ssim")] == [None] * 4


def test_delivered_is_compared_with_expected() -> None:
    result = report_data().result
    track = result.package.track("v1-1080p")
    assert track.average_bitrate == 5_288_780
    found = against_expected("v1-1080p", result)
    score = result.score("v1-1080p")
    assert score is not None
    assert found == {
        "bitrate_percent": pytest.approx(100 * (5_288_780 / 5_180_000 - 1), abs=1e-4),
        "vmaf": pytest.approx(score.metric("vmaf").title.mean - vmaf_at(5_180_000), abs=1e-3),
    }


def test_nothing_is_compared_where_nothing_was_expected() -> None:
    result = CASES["fixed"].result
    assert against_expected(result.renditions.video[0].id, result) is None


def test_paths_are_relative_to_the_package() -> None:
    document = ingest_document(CASES["everything"].result)
    assert document["package"]["path"] == "/srv/out/river crossing"
    assert document["package"]["hls"] == "master.m3u8"
    assert document["renditions"][0]["path"] == "video/v1-1080p.mp4"


def test_a_name_that_is_no_utf8_can_still_be_written() -> None:
    name = b"caf\xe9.mov".decode("utf-8", "surrogateescape")
    document = ingest_document(report_data(name=name).result)
    json.dumps(document, ensure_ascii=False).encode("utf-8")
    assert document["master"]["path"].endswith("caf\\xe9.mov")


def test_the_documentation_names_no_field_twice() -> None:
    rows = [path for path, _ in ROW.findall(DOCUMENTATION.read_text("utf-8"))]
    assert len(rows) == len(set(rows))
