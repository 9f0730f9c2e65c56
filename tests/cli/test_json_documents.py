"""The JSON of the verbs against its documentation, field by field; names that are no UTF-8."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import pytest

import encoder
from encoder.cli import main as entry
from encoder.cli import tables
from encoder.cli.render import Renderer
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
from encoder.engine.store import Store, key_of
from encoder.errors import EncoderError, ExitCode, MachineError, MasterError, UsageError, printable
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.media.conform import Conform
from encoder.media.ladder import Ladder
from encoder.media.master import Master
from encoder.media.scores import Pooled, Scorecard
from encoder.media.serial import from_plain
from encoder.report.document import ingest_document
from encoder.report.plain import failure, json_line, json_text
from encoder.report.verbs import (
    analysis_document,
    ladder_document,
    package_document,
    probe_document,
    published_package,
    renditions_document,
    scores_document,
)
from tests.report import factory
from tests.report.test_document import DOCUMENTATION, fits, walk

VERBS = DOCUMENTATION.with_name("json-verbs.md")
BAD = os.fsdecode(b"bad\xff.mp4")

Kinds = dict[str, str]
Plain = dict[str, Any]

# Documentation


def rows(text: str) -> Iterator[tuple[str, str, str]]:
    """Path, type and unit of every row of the tables of fields."""
    for found in re.finditer(r"^\| `([^`|]+)` \|([^|]+)\|([^|]*)\|", text, re.MULTILINE):
        path, kind, unit = (part.strip() for part in found.groups())
        if not path.startswith("encoder "):
            yield path, kind, unit


def sections(level: str, text: str) -> dict[str, str]:
    """The text below each heading that is a name in code."""
    parts = re.split(rf"^{level} (.+)$", text, flags=re.MULTILINE)
    return {
        name.strip("`"): body
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
        if name.startswith("`")
    }


def expanded(kinds: Kinds) -> Kinds:
    """With the fields of those rows that say which others they are like."""
    found = dict(kinds)
    for path, kind in kinds.items():
        plain, _, other = kind.partition(", like ")
        if not other:
            continue
        model = other.strip("`")
        found[path] = plain
        at = path + "[]" if plain.startswith("array") else path
        inner = {p: k for p, k in kinds.items() if p.startswith(f"{model}.")}
        assert inner, f"nothing is like {model}"
        found |= {at + p.removeprefix(model): k for p, k in inner.items()}
    return found


def documented() -> dict[str, Kinds]:
    """The types of the fields of each schema; those of events by their kinds."""
    found = {}
    for schema, body in sections("##", VERBS.read_text("utf-8")).items():
        kinds = sections("###", body)
        common = body.partition("\n### ")[0]
        if not kinds:
            found[schema] = expanded({path: kind for path, kind, _ in rows(common)})
        for name, part in kinds.items():
            found[f"{schema} {name}"] = expanded(
                {path: kind for path, kind, _ in rows(common + part)}
            )
    return found


def name_of(document: Plain) -> str:
    schema = str(document["schema"])
    return f"{schema} {document['event']}" if schema == "encoder.event/1" else schema


def fields_of(document: Plain) -> list[tuple[str, Any]]:
    """Every field; those of an object whose keys are names of files are not fields."""
    return [(p, v) for p, v in walk(document) if not p.startswith("files.")]


def wrong_in(document: Plain) -> list[tuple[str, Any, str | None]]:
    """The fields that are not documented, or not of their type."""
    kinds = documented()[name_of(document)]
    return [
        (path, value, kinds.get(path))
        for path, value in fields_of(document)
        if path not in kinds or not suits(value, kinds[path])
    ]


def suits(value: Any, kind: str) -> bool:
    if kind == "object of integer":
        return isinstance(value, dict) and all(fits(one, "integer") for one in value.values())
    return fits(value, kind)


def strict(text: str) -> Any:
    """What a strict parser reads."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


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


def scorecard() -> Scorecard:
    """One rendition with a shot that holds no scored frame, one where a metric is missing."""
    card = RESULT.scorecard
    assert card is not None
    first, second, *rest = card.renditions
    sparse = tuple(replace(m, shots=(m.shots[0], None, m.shots[2])) for m in first.metrics)
    fewer = tuple(m for m in second.metrics if m.metric != "psnr_u")
    return Scorecard((replace(first, metrics=sparse), replace(second, metrics=fewer), *rest))


FINDINGS = (
    Finding("Python", True, True, "3.11.2", "everything", ""),
    Finding("encoder libsvtav1", False, False, "no", "AV1 renditions", "use another FFmpeg"),
)
EVENTS: tuple[Event, ...] = (
    StageStarted("encode", "", 240, "frames"),
    StageProgress("encode", "", 12, 240),
    StageFinished("encode", False, "5 of 5 rungs", 96.41234567, 51.2),
    Notice("warning", "Deutsch is silent from beginning to end"),
)
FILES = {"video/v1-1080p.mp4": 6_216_000, "master.m3u8": 812}
INGESTED = {
    **published_package(RESULT.package),
    "made_by": ingest_document(RESULT)["made_by"],
}

DOCUMENTS: tuple[Plain, ...] = (
    probe_document(rich_master(), opened_with()),
    probe_document(bare_master(), SILENT.conform),
    analysis_document(RESULT.analysis),
    ladder_document(RESULT.ladder),
    ladder_document(FIXED.ladder),
    renditions_document(RESULT.renditions),
    renditions_document(SILENT.renditions),
    package_document(RESULT.package),
    package_document(SILENT.package),
    scores_document(scorecard(), Path("scores")),
    scores_document(scorecard(), None),
    doctor_document(FINDINGS),
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
        for name in re.findall(r'"(encoder\.[a-z]+/\d+)"', path.read_text("utf-8"))
    }
    known = set(sections("##", VERBS.read_text("utf-8"))) | {"encoder.ingest/1"}
    # An entry of the store is nobody else's business.
    assert used == known | {"encoder.entry/1"}


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
        ("encoder.scores/1", "renditions[].", "renditions[]."),
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
    made = RESULT.renditions
    for path in (*(one.path for one in made.video), *(one.path for one in made.audio)):
        (tmp_path / path.name).write_bytes(b"mp4")
    video = tuple(replace(one, path=tmp_path / one.path.name) for one in made.video)
    audio = tuple(replace(one, path=tmp_path / one.path.name) for one in made.audio)
    files = {path.name for path in tmp_path.iterdir()}
    output = tmp_path / "out"
    document = save_renditions(replace(made, video=video, audio=audio), RESULT.master, output)
    assert wrong_in(document) == []
    assert strict((output / "renditions.json").read_text("utf-8")) == strict(json_text(document))
    assert document["video"][0]["path"] == "v1-1080p.mp4"
    found = read_renditions(output)
    assert [one.path.parent for one in found.video] == [output] * len(video)
    own = tuple(replace(one, path=tmp_path / one.path.name) for one in found.video)
    assert own == video
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


def test_scores_are_those_of_an_ingest_and_of_each_shot() -> None:
    card = RESULT.scorecard
    assert card is not None
    ours = scores_document(card, Path("scores"))["renditions"]
    theirs = ingest_document(RESULT)["renditions"]
    for one, other in zip(ours, theirs, strict=True):
        assert one["id"] == other["id"]
        for name in ("vmaf", "psnr_y", "psnr_u", "psnr_v", "ssim"):
            shots = one["scores"][name].pop("shots")
            assert len(shots) == len(RESULT.analysis.shots)
            assert one["scores"][name] == other["scores"][name]
    sparse = scores_document(scorecard(), None)
    assert sparse["path"] is None
    assert sparse["renditions"][0]["scores"]["per_frame"] is None
    assert sparse["renditions"][0]["scores"]["vmaf"]["shots"][1] is None
    assert sparse["renditions"][1]["scores"]["psnr_u"] is None


def test_numbers_that_are_not_finite_become_null() -> None:
    nan, infinite = float("nan"), float("inf")
    card = scorecard()
    first = card.renditions[0]
    pooled = Pooled(infinite, nan, 1.0, 2.0, -infinite)
    metrics = tuple(replace(m, title=pooled, shots=(pooled,)) for m in first.metrics)
    shot = RESULT.analysis.shots[0]
    odd = replace(shot, complexity=replace(shot.complexity, noise=nan))
    expected = replace(RESULT.ladder.trials[0], vmaf=nan)
    for document in (
        scores_document(Scorecard((replace(first, metrics=metrics),)), None),
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


# Names that are no UTF-8


def call(
    *argv: str | bytes, cache: Path, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "encoder", *argv],
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "ENCODER_CACHE": str(cache), **environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short video of a name that is no UTF-8."""
    made = tmp_path_factory.mktemp("named")
    source = ["-f", "lavfi", "-i", "testsrc2=s=128x96:r=25:d=1", "-c:v", "libx264"]
    meta = ["-metadata", "title=[/b] \x1b[31mred"]
    run(locate(), [*source, "-preset", "ultrafast", *meta, "made.mp4"], folder=made)
    (made / "made.mp4").rename(made / BAD)
    return made


ENCODINGS: tuple[dict[str, str], ...] = (
    {},
    {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
)


@pytest.mark.parametrize("environment", ENCODINGS, ids=("utf-8", "ascii", "latin-1"))
def test_an_error_about_any_name(environment: dict[str, str], tmp_path: Path) -> None:
    name = "häß 🎞".encode() + b"\xff.mp4"
    done = call("probe", name, "--json", cache=tmp_path / "c", cwd=tmp_path, **environment)
    assert done.returncode == ExitCode.MASTER, done.stderr
    error = strict(done.stdout.decode("utf-8"))
    assert wrong_in(error) == []
    assert error["where"] == "häß 🎞\\xff.mp4"
    assert done.stderr.startswith(b"encoder: There is no such master: ")
    assert rb"\xff.mp4" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("environment", ENCODINGS, ids=("utf-8", "ascii", "latin-1"))
def test_probing_a_file_of_any_name(
    environment: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    name = os.fsencode(BAD)
    table = call("probe", name, cache=tmp_path, cwd=folder, **environment)
    assert table.returncode == 0, table.stderr
    assert rb"bad\xff.mp4" in table.stdout
    assert rb"[/b] \x1b[31mred" in table.stdout
    done = call("probe", name, "--json", cache=tmp_path, cwd=folder, **environment)
    assert done.returncode == 0, done.stderr
    document = strict(done.stdout.decode("utf-8"))
    assert wrong_in(document) == []
    assert document["path"] == r"bad\xff.mp4"
    assert document["video"]["frames"] == 25


def test_a_plan_for_a_file_of_any_name_can_be_copied(folder: Path, tmp_path: Path) -> None:
    argv = ("ingest", os.fsencode(BAD), "-o", b"it's\n\xfe", "-n")
    table = call(*argv, cache=tmp_path, cwd=folder)
    assert table.returncode == 0, table.stderr
    done = call(*argv, "--json", cache=tmp_path, cwd=folder)
    document = strict(done.stdout.decode("utf-8"))
    assert wrong_in(document) == []
    command = document["stages"][-1]["command"]
    assert command in table.stdout.decode("utf-8")
    shell = ["bash", "-c", f'encoder() {{ printf "%s|" "$@"; }}; {command}']
    said = subprocess.run(shell, capture_output=True, check=True).stdout
    assert said == b"score|bad\xff.mp4|it's\n\xfe|"


@pytest.mark.slow
def test_every_verb_on_a_file_of_any_name(folder: Path, tmp_path: Path) -> None:
    name = os.fsencode(folder / BAD)
    cache, events = tmp_path / "cache", tmp_path / "events.ndjson"

    def verb(*argv: str | bytes) -> Plain:
        done = call(*argv, "--json", "--events", "events.ndjson", cache=cache, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        document: Plain = strict(done.stdout.decode("utf-8"))
        lines = [strict(line) for line in events.read_text("ascii").splitlines()]
        assert lines
        assert [wrong for line in lines for wrong in wrong_in(line)] == []
        return document

    def published(where: bytes) -> Plain:
        text = (tmp_path / os.fsdecode(where) / "package.json").read_text("utf-8")
        document: Plain = strict(text)
        assert wrong_in(document) == []
        return document

    fast = ("--policy", "apple-hls", "--preset", "ultrafast")
    documents = [verb("analyze", name), verb("ladder", name, "--effort", "quick")]
    ladder = documents[-1]
    assert ladder["trials"]
    (tmp_path / "ladder.json").write_text(json.dumps(ladder), encoding="utf-8")
    documents += [
        verb("encode", name, "--ladder", "ladder.json", "-o", b"made\xfe"),
        verb("package", b"made\xfe", "-o", b"out\xfe"),
        verb("score", name, b"out\xfe", "-o", b"scores\xfe"),
    ]
    assert [wrong for one in documents for wrong in wrong_in(one)] == []
    assert documents[-2]["path"] == r"out\xfe"
    assert documents[-1]["path"] == r"scores\xfe"
    assert published(b"made\xfe")["master_digest"] == published(b"scores\xfe")["master_digest"]
    assert published(b"out\xfe")["renditions"][0]["id"] == ladder["rungs"][0]["id"]

    first = verb("ingest", name, "-o", b"whole\xfe", *fast)
    assert first["master"]["path"].endswith(r"bad\xff.mp4")
    assert first["package"]["path"] == r"whole\xfe"
    assert published(b"whole\xfe")["made_by"] == first["made_by"]
    assert verb("ingest", name, "-o", b"whole\xfe", *fast) == first
    assert "up to date" in events.read_text("ascii")


def test_events_about_any_name(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    with Renderer(quiet=True, events=path) as renderer:
        for event in (*EVENTS, Notice("info", f"{BAD} is up to date\nnothing was done")):
            renderer(event)
    lines = path.read_bytes().decode("ascii").splitlines()
    documents = [strict(line) for line in lines]
    assert [wrong_in(one) for one in documents] == [[]] * (len(EVENTS) + 1)
    assert documents[-1]["text"] == "bad\\xff.mp4 is up to date\nnothing was done"


def test_events_that_cannot_be_written_are_no_bug() -> None:
    for path in (Path("/dev/full"), Path("/no/such/folder/events")):
        with (
            pytest.raises(MachineError, match="events file") as caught,
            Renderer(quiet=True, events=path) as renderer,
        ):
            renderer(EVENTS[0])
        assert caught.value.where == str(path)


def test_a_result_that_cannot_be_written_is_no_bug() -> None:
    with open("/dev/full", "wb") as full:
        argv = [sys.executable, "-m", "encoder", "--help"]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert done.stderr == "encoder: The disk is full. Free some space and run it again.\n"


def test_the_store_tells_such_names_apart_and_keeps_them(tmp_path: Path) -> None:
    other = os.fsdecode(b"bad\xfe.mp4")
    assert key_of({"path": BAD}) != key_of({"path": other})
    store = Store(tmp_path)
    master = replace(RESULT.master, path=Path(BAD))
    with store.work() as work:
        store.save("probe", "ab" * 20, work, master)
    found = store.find("probe", "ab" * 20)
    assert found is not None
    assert from_plain(found.value, Master) == master


def test_text_that_stands_for_no_bytes_at_all_can_be_written_too() -> None:
    document = failure(ExitCode.USAGE, "\ud800", BAD)
    assert strict(json_text(document)) == {**document, "what": "\\ud800", "where": r"bad\xff.mp4"}
    json_text(document).encode("utf-8")
    assert printable(BAD + "\n\ud800") == r"bad\xff.mp4\n\ud800"


def hostile() -> Ladder:
    rungs = tuple(replace(r, why=f"{BAD} [/x] :smile: \x1b[2J") for r in RESULT.ladder.rungs)
    return replace(RESULT.ladder, policy=f"[red]{BAD}", rungs=rungs, notes=(f"[/y] {BAD}",))


def hostile_master() -> Master:
    found = rich_master()
    audio = tuple(replace(a, language="[/]", title=BAD, layout="[x]") for a in found.audio)
    tags = ((f"[/t]{BAD}", "\x1b[2J"),)
    return replace(found, path=Path(BAD), audio=audio, tags=tags, defects=("[/d]",))


@pytest.mark.parametrize(
    "show",
    [
        lambda: tables.print_ladder(hostile()),
        lambda: tables.print_master(hostile_master(), opened_with()),
        lambda: tables.print_package(RESULT.package, Path(f"[/p] {BAD}")),
        lambda: tables.print_plan((PlannedStage("score", "to do", f"[/w] {BAD} \x1b[2J", "x"),)),
        lambda: tables.print_findings(
            (Finding("FFmpeg", False, True, f"[/f] {BAD} \x1b[2J", "", "[/m]"),), good=False
        ),
    ],
    ids=("ladder", "master", "package", "plan", "findings"),
)
def test_tables_show_any_text_as_it_is(
    show: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    show()
    said = capsys.readouterr().out
    said.encode("utf-8")
    assert r"bad\xff.mp4" in said
    assert "\x1b" not in said
    assert "[/" in said


# Errors


@pytest.mark.parametrize(
    ("raised", "code", "what"),
    [
        (MasterError("It is odd", where=BAD, why="so", hint="do"), ExitCode.MASTER, "It is odd"),
        (EncoderError("odd"), ExitCode.BUG, "odd"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "Interrupted"),
        (ZeroDivisionError(), ExitCode.BUG, "A bug in encoder, not in your use of it"),
    ],
)
def test_whatever_ends_a_verb_is_said_in_json_too(
    raised: BaseException,
    code: ExitCode,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise raised

    monkeypatch.setattr(entry.cli, "main", fail)
    assert entry.run(["probe", BAD, "--json"]) == code
    said = capsys.readouterr()
    error = strict(said.out)
    assert wrong_in(error) == []
    assert (error["exit_code"], error["what"]) == (code, what)
    assert said.err.count("\n") == 1
    if isinstance(raised, ZeroDivisionError):
        log = Path(error["why"].rpartition(" ")[2])
        assert "bad" in log.read_text("utf-8")
        log.unlink()


@pytest.mark.parametrize("argv", [("probe",), ("probe", "--nope"), ("nonsense",)])
def test_a_wrong_command_line_is_said_in_json_too(
    argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.run([*argv, "--json"]) == ExitCode.USAGE
    said = capsys.readouterr()
    error = strict(said.out)
    assert wrong_in(error) == []
    assert error["exit_code"] == 2
    assert error["what"]
    assert "Usage" in said.err or "Error" in said.err
