"""The store gives back what was kept, or nothing."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from encoder.engine.store import Store, key_of
from encoder.errors import ExitCode, MachineError
from encoder.media.frames import FrameRange


def keep(store: Store, key: str = "ab12", text: str = "hello") -> None:
    with store.work() as folder:
        (folder / "data.txt").write_text(text)
        store.save("step", key, folder, {"answer": [1, 2]})


def test_an_entry_comes_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.find("step", "ab12") is None
    keep(store)
    entry = store.find("step", "ab12")
    assert entry is not None
    assert entry.value == {"answer": [1, 2]}
    assert (entry.folder / "data.txt").read_text() == "hello"
    assert not list((tmp_path / "tmp").iterdir())


def test_a_second_maker_of_an_entry_loses_harmlessly(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keep(store)
    keep(store)
    assert store.find("step", "ab12") is not None


@pytest.mark.parametrize("damage", ["truncate", "remove", "garble", "other-schema"])
def test_a_damaged_entry_is_not_there_and_can_be_made_again(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    keep(store)
    entry = store.find("step", "ab12")
    assert entry is not None
    if damage == "truncate":
        (entry.folder / "data.txt").write_text("hell")
    elif damage == "remove":
        (entry.folder / "data.txt").unlink()
    elif damage == "garble":
        (entry.folder / "entry.json").write_text("{")
    else:
        (entry.folder / "entry.json").write_text(json.dumps({"schema": "other/1"}))
    assert store.find("step", "ab12") is None
    keep(store)
    assert store.find("step", "ab12") is not None


def test_a_failed_step_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(KeyError), store.work() as folder:
        (folder / "half").write_text("x")
        raise KeyError
    assert not list((tmp_path / "tmp").iterdir())


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    Store(tmp_path)
    left = tmp_path / "tmp" / "work-x"
    left.mkdir()
    Store(tmp_path)
    assert not left.exists()


def test_an_unusable_store_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="ENCODER_CACHE") as caught:
        Store(tmp_path / "file")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


def test_keys_depend_on_every_input_and_not_on_order() -> None:
    one = key_of({"a": FrameRange(0, 2), "b": Fraction(1, 3)})
    assert one == key_of({"b": Fraction(1, 3), "a": FrameRange(0, 2)})
    assert one != key_of({"a": FrameRange(0, 3), "b": Fraction(1, 3)})
    assert one != key_of({"a": FrameRange(0, 2), "b": Fraction(1, 3), "c": None})
