"""The JSON of the verbs against its documentation, field by field."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

import encoder
from encoder.engine.cache import Damage, Item, cache_document
from encoder.engine.doctor import Finding, doctor_document
from encoder.engine.events import (
    Event,
    Notice,
    StageFinished,
    StageProgress,
    StageStarted,
    event_document,
)
from encoder.engine.folders import read_ladder, read_renditions, save_renditions
from encoder.engine.plan import PlannedStage, plan_document
from encoder.engine.publish import published_document
from encoder.engine.store import Store
from encoder.errors import ExitCode, UsageError
from encoder.ladder.compare import compare_ladders
from encoder.ladder.explain import explain
from encoder.media.audience import Audience
from encoder.media.comparison import Comparison
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.master import Master
from encoder.media.pairs import MetricResult, PairScore, Pools, ScoreSheet
from encoder.media.regression import RegressionReport
from encoder.report.compare_document import comparison_document
from encoder.report.document import ingest_document
from encoder.report.plain import failure, json_line, json_text
from encoder.report.regression import Picture, baseline_document, regression_document
from encoder.report.score_sheet import sheet_document
from encoder.report.verbs import (
    analysis_document,
    explanation_document,
    ladder_document,
    package_document,
    preview_document,
    probe_document,
    published_package,
    renditions_document,
)
from encoder.score.gates import DEFAULT_GATES, compare_runs
from encoder.verify.document import verdict_document
from encoder.verify.verdict import Finding as VerdictFinding
from encoder.verify.verdict import Place, Rule, RuleOutcome, Verdict
from tests.cli.documented import (
    VERBS,
    Plain,
    documented,
    fields_of,
    name_of,
    rows,
    sections,
    strict,
    wrong_in,
)
from tests.ladder.test_compare import ANCHOR, TEST, WORLD, Points, in_bits, ladder_of
from tests.report import factory
from tests.report.test_document import DOCUMENTATION
from tests.score.test_regression import made

# Documents


RESULT = factory.report_data().result
SILENT = factory.report_data(sound=False, shot_count=1).result
FIXED = factory.without_expectations(factory.report_data()).result


def rich_master() -> Master:
    found = RESULT.master
    cover = replace(found.video, index=4, codec="mjpeg", disposition=("attached_pic",))
    video = replace(found.video, parity="tff", language="eng")
    return replace(found, video=video, other_video=(cover,), other=("tmcd",))


def bare_master() -> Master:
    found = SILENT.master
    video = replace(found.video, hdr=None, timecode=None, bitrate=None, timed=False)
    return replace(found, video=video, bitrate=None, chapters=(), tags=())


def opened_with() -> Conform:
    options = (("ignore_editlist", "1"), ("noautorotate", None))
    return replace(RESULT.conform, input_options=options, audio_offset=Fraction(1, 3))


def compared_runs() -> list[RegressionReport]:
    """One with everything, one of a single rung whose encode came from the store."""
    single = replace(made(), rungs=made().rungs[:1], encode_seconds=0.0)
    worse = replace(made(vmaf=-3, rate=1.3), conditions={"ffmpeg": "10"})
    return [
        compare_runs(made(), worse, DEFAULT_GATES, lambda clip, metric, rung, shot: 31),
        compare_runs(single, single, DEFAULT_GATES),
    ]


def score_sheet() -> ScoreSheet:
    """One metric with a shot that holds no scored frame, and one that does not apply."""
    pools = Pools(93.0, 92.5, 80.0, 85.0, 94.0, 97.0, 98.0, 78.0, 99.0, 78.0, 31)
    metrics = (
        MetricResult("psnr_y", "mse", "dB", "higher", 2, pools, "", 1, (pools, None)),
        MetricResult("vmaf", "vmaf_v0.6.1", "VMAF", "higher", 2, None, "PQ", 0, ()),
    )
    pair = PairScore(
        "v1",
        "out/video/v1.mp4",
        1920,
        1080,
        "yuv420p10le",
        1,
        0,
        47,
        1,
        ("it starts with the reference's frame 1",),
        True,
        metrics,
        (("skimage_ssim", 0.98),),
        8,
    )
    values = {"v1": {"frame": np.arange(3.0), "psnr_y": np.array([40.0, np.nan, 41.0])}}
    shots = (FrameRange(0, 24), FrameRange(24, 48))
    return ScoreSheet("x.mov", "0b7d41", Fraction(24), 48, shots, False, (pair,), values)


def comparison(ours: Points, reference: Points, audience: Audience | None) -> Comparison:
    """Of ladders whose cheapest rung has neither PSNR nor SSIM."""
    first, second = (ladder_of(in_bits(points)) for points in (ours, reference))
    bare = replace(first.rungs[-1], psnr_y=None, ssim=None)
    first = replace(first, rungs=(*first.rungs[:-1], bare))
    return compare_ladders(first, second, audience, Fraction(61, 3), 37.0, 128_000)


FINDINGS = (
    Finding("Python", True, True, "3.11.2", "everything", ""),
    Finding("encoder libsvtav1", False, False, "no", "AV1 renditions", "use another FFmpeg"),
)
RULE = Rule("HLS 8.2", "One target duration", "must", "hls", "Declare it", lambda _: iter(()))
VERDICT = Verdict(
    "out",
    ("master.m3u8", "manifest.mpd"),
    (
        VerdictFinding("HLS 8.2", "One", "must", Place("a.m3u8", line=3), "5", "6", "Declare it"),
        VerdictFinding("OURS boxes", "Whole", "should", Place("a", offset=9), "?", "!", "Again"),
    ),
    (RuleOutcome(RULE, "broken"), RuleOutcome(RULE, "not checked", "there is no HLS playlist")),
    ("a.m3u8 has segments of MPEG-TS",),
)
EVENTS: tuple[Event, ...] = (
    StageStarted("encode", "", 240, "frames"),
    StageProgress("encode", "", 12, 240),
    StageFinished("encode", False, "5 of 5 rungs", 96.41234567, 51.2),
    Notice("warning", "Deutsch is silent from beginning to end"),
)
ITEM = Item("chunk", "ab12", Path("chunk/ab/ab12"), 4711, 1764042315.25)
KEPT = SimpleNamespace(root=Path("store"))
FILES = {"video/v1-1080p.mp4": 6_216_000, "master.m3u8": 812}
INGESTED = {
    **published_package(RESULT.package),
    "made_by": ingest_document(RESULT)["made_by"],
}

DOCUMENTS: tuple[Plain, ...] = (
    cache_document("list", cast(Store, KEPT), [ITEM]),
    cache_document(
        "verify", cast(Store, KEPT), [], removed=[ITEM], damaged=[Damage(ITEM, "data is short")]
    ),
    probe_document(rich_master(), opened_with()),
    probe_document(bare_master(), SILENT.conform),
    analysis_document(RESULT.analysis),
    ladder_document(RESULT.ladder),
    ladder_document(FIXED.ladder),
    explanation_document(explain(RESULT.ladder, RESULT.analysis.shots)),
    comparison_document(comparison(ANCHOR, TEST, WORLD)),
    comparison_document(comparison(ANCHOR[:1], TEST[:1], None)),
    comparison_document(comparison(ANCHOR[:2], ANCHOR[2:], None)),
    renditions_document(RESULT.renditions),
    renditions_document(SILENT.renditions),
    package_document(RESULT.package),
    package_document(SILENT.package),
    verdict_document(VERDICT),
    verdict_document(VERDICT, strict=True),
    sheet_document(
        score_sheet(),
        Path("scores"),
        per_frame=True,
        pictures=[("v1", 31, "psnr_y", 78.0, "a.png")],
    ),
    sheet_document(score_sheet()),
    regression_document(compared_runs(), [Picture("a.mov", "v0", 31, "baseline", "a.jpg")]),
    baseline_document((made(),)),
    doctor_document(FINDINGS),
    preview_document("http://127.0.0.1:8080/", 8080),
    plan_document((PlannedStage("encode", "to do", "not in the store", "encoder encode x.mov"),)),
    failure(ExitCode.MASTER, "The master is empty", "x.mov", "The file has 0 bytes", "Copy it"),
    failure(ExitCode.INTERRUPTED, "Interrupted"),
    published_document("5f2c9e", "0b7d41", FILES, INGESTED),
    published_document("", "", FILES, published_package(RESULT.package)),
    published_document("", "0b7d41", {"v1-1080p.npz": 4_711}, {}),
    *(event_document(event, 1_700_000_000.1234) for event in EVENTS),
)
IDS = [f"{i}-{name_of(document)}" for i, document in enumerate(DOCUMENTS)]


def test_every_field_is_documented_and_every_documented_field_occurs() -> None:
    found: dict[str, set[str]] = {}
    for document in DOCUMENTS:
        found.setdefault(name_of(document), set()).update(p for p, _ in fields_of(document))
    assert found == {name: set(kinds) for name, kinds in documented().items()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_value_is_of_its_documented_type(document: Plain) -> None:
    assert wrong_in(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_it_is_strict_json_that_survives_a_round_trip(document: Plain) -> None:
    for text in (json_text(document), json_line(document)):
        text.encode("utf-8")
        assert strict(text) == json.loads(json.dumps(document, allow_nan=False))
        assert text.endswith("}\n")
    assert json_line(document).count("\n") == 1


def test_the_check_notices_what_is_wrong() -> None:
    document = analysis_document(RESULT.analysis)
    assert wrong_in({**document, "extra": 1}) == [("extra", 1, None)]
    assert wrong_in({**document, "frames": 24.5}) == [("frames", 24.5, "integer")]
    assert wrong_in({**DOCUMENTS[-5], "files": {"a": "1"}})[0][0] == "files"


def test_the_documentation_names_no_field_twice() -> None:
    text = VERBS.read_text("utf-8")
    for body in (*sections("##", text).values(), *sections("###", text).values()):
        paths = [path for path, _, _ in rows(body.partition("\n### ")[0])]
        assert paths
        assert len(paths) == len(set(paths))


def test_every_schema_of_the_program_is_documented() -> None:
    root = Path(encoder.__file__).parent
    used = {
        name
        for path in root.rglob("*.py")
        for name in re.findall(r'"(encoder\.[a-z_]+/\d+)"', path.read_text("utf-8"))
    }
    known = set(sections("##", VERBS.read_text("utf-8"))) | {"encoder.ingest/1"}
    # An entry of the store is nobody else's business.
    assert used == known | {"encoder.entry/2"}


@pytest.mark.parametrize(
    ("schema", "here", "there"),
    [
        ("encoder.probe/1", "", "master."),
        ("encoder.probe/1", "video.", "master."),
        ("encoder.probe/1", "conform.", "conform."),
        ("encoder.analysis/1", "shots", "shots"),
        ("encoder.ladder/1", "", "ladder."),
        ("encoder.ladder/1", "savings", "savings"),
        ("encoder.renditions/1", "video[].", "renditions[]."),
        ("encoder.renditions/1", "audio[].", "audio[]."),
        ("encoder.package/1", "", "package."),
        ("encoder.package/1", "tracks[].", "renditions[]."),
        ("encoder.published/1", "made_by", "made_by"),
    ],
)
def test_what_an_ingest_says_as_well_has_the_same_type_and_unit(
    schema: str, here: str, there: str
) -> None:
    def below(prefix: str, text: str) -> dict[str, tuple[str, str]]:
        return {
            path.removeprefix(prefix): (kind.partition(", like ")[0].split(" or ")[0], unit)
            for path, kind, unit in rows(text)
            if path.startswith(prefix)
        }

    ours = below(here, sections("##", VERBS.read_text("utf-8"))[schema])
    theirs = below(there, DOCUMENTATION.read_text("utf-8"))
    # An object is null for another reason, or has the unit of what is in it.
    common = {p for p in ours.keys() & theirs.keys() if ours[p][0] != "object"}
    assert len(common) >= 3
    assert {p: ours[p] for p in common} == {p: theirs[p] for p in common}


# Values


def test_a_ladder_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "ladder.json"
    exact = replace(
        RESULT.ladder.rungs[0], crf_per_shot=(21.123456789, 1 / 3, 30.0), why="naïve [bold] 🎞"
    )
    ladder = replace(RESULT.ladder, rungs=(exact, *RESULT.ladder.rungs[1:]))
    path.write_text(json_text(ladder_document(ladder)), encoding="utf-8")
    assert read_ladder(path, RESULT.conform, RESULT.analysis) == ladder


def test_a_ladder_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ladder.json"
    document = ladder_document(RESULT.ladder)
    for other in (
        {**document, "schema": "encoder.ladder/2"},
        {**document, "surprise": 1},
        {key: value for key, value in document.items() if key != "preset"},
    ):
        path.write_text(json_text(other), encoding="utf-8")
        with pytest.raises(UsageError, match="Not a ladder"):
            read_ladder(path, RESULT.conform, RESULT.analysis)


def test_renditions_can_be_read_back(tmp_path: Path) -> None:
    found = RESULT.renditions
    text = tuple(replace(t, path=tmp_path / f"{t.id}.vtt") for t in found.text)
    made = replace(found, text=text)
    paths = [*(one.path for one in made.video), *(one.path for one in made.audio)]
    for path in (*paths, *(one.path for one in text), *made.pictures.files):
        (tmp_path / path.name).write_bytes(b"mp4")
    video = tuple(replace(one, path=tmp_path / one.path.name) for one in made.video)
    audio = tuple(replace(one, path=tmp_path / one.path.name) for one in made.audio)
    files = {path.name for path in tmp_path.iterdir()}
    output = tmp_path / "out"
    pictures = made.pictures.moved(lambda path: tmp_path / path.name)
    here = replace(made, video=video, audio=audio, pictures=pictures)
    document = save_renditions(here, RESULT.master, output)
    assert wrong_in(document) == []
    assert strict((output / "renditions.json").read_text("utf-8")) == strict(json_text(document))
    assert document["video"][0]["path"] == "v1-1080p.mp4"
    found = read_renditions(output)
    assert [one.path.parent for one in found.video] == [output] * len(video)
    own = tuple(replace(one, path=tmp_path / one.path.name) for one in found.video)
    assert own == video
    assert found.pictures == pictures.moved(lambda path: output / path.name)
    assert tuple(replace(one, path=tmp_path / one.path.name) for one in found.text) == text
    published = strict((output / "package.json").read_text("utf-8"))
    assert wrong_in(published) == []
    assert published["schema"] == "encoder.published/1"
    assert set(published["files"]) == {"renditions.json", *files}


def test_probing_says_exactly_what_the_master_is() -> None:
    document = probe_document(rich_master(), opened_with())
    assert document["video"]["frame_rate"] == "25/1"
    assert document["video"]["display_aspect"] == "16/9"
    assert document["bytes"] == 220_800_000
    assert document["other_video"][0]["disposition"] == ["attached_pic"]
    assert document["tags"] == [{"name": "title", "value": "River crossing"}]
    assert document["conform"]["audio_offset"] == 0.333333
    assert document["conform"]["input_options"][1] == {"name": "noautorotate", "value": None}
    assert document["conform"]["filters"][0] == "bwdif=mode=send_frame:parity=tff"


def test_numbers_that_are_not_finite_become_null() -> None:
    nan, infinite = float("nan"), float("inf")
    shot = RESULT.analysis.shots[0]
    odd = replace(shot, complexity=replace(shot.complexity, noise=nan))
    expected = replace(RESULT.ladder.trials[0], vmaf=nan)
    for document in (
        sheet_document(score_sheet(), per_frame=True),
        analysis_document(replace(RESULT.analysis, shots=(odd,))),
        ladder_document(replace(RESULT.ladder, trials=(expected,))),
        event_document(StageFinished("score", False, "", nan, infinite), 0.0),
    ):
        for text in (json_text(document), json_line(document)):
            assert "null" in text
            strict(text)


def test_the_package_of_the_verb_is_not_the_list_of_its_files() -> None:
    made = package_document(replace(RESULT.package, path=Path("out")))
    listed = published_document("", "", FILES, published_package(RESULT.package))
    assert made["schema"] == "encoder.package/1"
    assert made["path"] == "out"
    assert listed["schema"] == "encoder.published/1"
    videos = [{"id": t["id"], "path": t["path"]} for t in made["tracks"] if t["kind"] == "video"]
    assert listed["renditions"] == videos
    assert len(videos) == len(RESULT.renditions.video)
