"""Any name of a file, any text in it and any failure: the output stays whole, and JSON valid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from encoder.cli import comparison_table, master_table, tables
from encoder.cli import main as entry
from encoder.cli.render import Renderer
from encoder.engine.doctor import Finding
from encoder.engine.events import Notice
from encoder.engine.plan import PlannedStage
from encoder.engine.store import Store, key_of
from encoder.errors import EncoderError, ExitCode, MachineError, MasterError, printable
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.media.comparison import Comparison
from encoder.media.ladder import Ladder
from encoder.media.master import Master
from encoder.media.serial import from_plain
from encoder.report.plain import failure, json_text
from tests.cli.documented import Plain, strict, wrong_in
from tests.cli.test_json_documents import EVENTS, RESULT, comparison, opened_with, rich_master
from tests.ladder.test_compare import ANCHOR, TEST, WORLD

BAD = os.fsdecode(b"bad\xff.mp4")


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


def hostile_comparison() -> Comparison:
    found = comparison(ANCHOR, TEST, WORLD)
    named = replace(found.reference, name=f"[/n] {BAD} \x1b[2J")
    return replace(found, reference=named, audience=f"[/a] {BAD} \x1b[2J")


def hostile_master() -> Master:
    found = rich_master()
    audio = tuple(replace(a, language="[/]", title=BAD, layout="[x]") for a in found.audio)
    tags = ((f"[/t]{BAD}", "\x1b[2J"),)
    return replace(found, path=Path(BAD), audio=audio, tags=tags, defects=("[/d]",))


@pytest.mark.parametrize(
    "show",
    [
        lambda: tables.print_ladder(hostile()),
        lambda: comparison_table.print_comparison(hostile_comparison()),
        lambda: master_table.print_master(hostile_master(), opened_with()),
        lambda: tables.print_package(RESULT.package, Path(f"[/p] {BAD}")),
        lambda: tables.print_plan((PlannedStage("score", "to do", f"[/w] {BAD} \x1b[2J", "x"),)),
        lambda: tables.print_findings(
            (Finding("FFmpeg", False, True, f"[/f] {BAD} \x1b[2J", "", "[/m]"),), good=False
        ),
    ],
    ids=("ladder", "comparison", "master", "package", "plan", "findings"),
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
