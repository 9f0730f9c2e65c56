"""A destination is written as a whole, and nothing foreign is ever deleted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from encoder.engine.publish import (
    check_destination,
    check_other_master,
    is_intact,
    publish,
    read_published,
    staging,
)
from encoder.errors import ExitCode, MachineError, UsageError


def make(output: Path, text: str = "one", master: str = "m") -> None:
    with staging(output) as folder:
        (folder / "video").mkdir()
        (folder / "video" / "a.mp4").write_text(text)
        publish(folder, output, "fingerprint", master, {"hls": "master.m3u8"})


def test_publishing_and_replacing(tmp_path: Path) -> None:
    output = tmp_path / "deep" / "out"
    make(output)
    make(output, "two!")
    published = read_published(output)
    assert published is not None
    assert published.fingerprint == "fingerprint"
    assert published.files == {"video/a.mp4": 4}
    assert (output / "video" / "a.mp4").read_text() == "two!"
    assert [p.name for p in output.parent.iterdir()] == ["out"]
    assert is_intact(output, published)
    (output / "video" / "a.mp4").write_text("two")
    assert not is_intact(output, published)


def test_a_folder_says_by_its_schema_that_it_is_ours(tmp_path: Path) -> None:
    output = tmp_path / "out"
    make(output)
    manifest = output / "package.json"
    text = manifest.read_text("utf-8")
    assert json.loads(text)["schema"] == "encoder.published/1"
    # What `encoder package --json` prints is another thing, whoever saves it under this name.
    manifest.write_text(text.replace("encoder.published/1", "encoder.package/1"))
    assert read_published(output) is None
    with pytest.raises(UsageError, match="did not make"):
        check_destination(output, ())


@pytest.mark.parametrize("name", ["水" * 85, "a" * 255, "out\udcff"])
def test_a_destination_may_have_any_name(name: str, tmp_path: Path) -> None:
    make(tmp_path / name)
    make(tmp_path / name, "two")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    output = tmp_path / "out"
    make(output)
    with pytest.raises(ZeroDivisionError), staging(output) as folder:
        (folder / "half").write_text("")
        raise ZeroDivisionError
    assert (output / "video" / "a.mp4").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_foreign_file_is_never_deleted(tmp_path: Path) -> None:
    output = tmp_path / "out"
    make(output)
    (output / "holiday.jpg").write_text("dear")
    with pytest.raises(UsageError, match="did not make") as caught:
        check_destination(output, ())
    assert "holiday.jpg" in caught.value.why
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_foreign_folder_is_refused_and_an_empty_one_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    check_destination(tmp_path / "empty", ())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(UsageError, match="did not make"):
        check_destination(tmp_path / "full", ())


@pytest.mark.parametrize("output", ["master.mov", ".", "master.mov/out"])
def test_the_input_is_never_overwritten(tmp_path: Path, output: str) -> None:
    master = tmp_path / "master.mov"
    master.write_text("x")
    with pytest.raises(UsageError, match="overwrite the input"):
        check_destination(tmp_path / output, (master,))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="not a folder"):
        check_destination(tmp_path / "out", ())


def test_an_unwritable_parent_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot be written"):
        check_destination(tmp_path / "file" / "out", ())


def test_another_master_needs_force(tmp_path: Path) -> None:
    output = tmp_path / "out"
    make(output)
    check_other_master(output, "m", force=False)
    check_other_master(output, "other", force=True)
    with pytest.raises(UsageError, match="--force"):
        check_other_master(output, "other", force=False)


def test_what_a_killed_run_left_beside_is_swept(tmp_path: Path) -> None:
    output = tmp_path / "out"
    left = [tmp_path / ".out.abcd1234.partial", tmp_path / ".out.abcd1234.partial.old"]
    output.mkdir()
    others = [output, tmp_path / ".out.partial", tmp_path / ".other.abcd1234.partial"]
    for folder in (*left, *others):
        folder.mkdir(exist_ok=True)
        (folder / "file").write_text("x")
    with staging(output) as one:
        assert not any(folder.exists() for folder in left)
        # One that is being built in is not what was left.
        with staging(output) as other:
            assert one.is_dir()
            assert other.is_dir()
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_what_was_put_aside_for_the_new_is_put_back(tmp_path: Path) -> None:
    aside = tmp_path / ".out.abcd1234.partial.old"
    aside.mkdir()
    (aside / "file").write_text("the one before")
    with staging(tmp_path / "out"):
        assert (tmp_path / "out" / "file").read_text() == "the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
