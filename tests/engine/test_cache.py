"""The store is looked after from the command line, and found out when it is damaged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from encoder.cli.main import run
from encoder.engine.cache import items, prune, verify
from encoder.engine.store import Store
from encoder.errors import UsageError
from tests.cli.documented import wrong_in


def fill(store: Store, *sizes: int) -> list[Path]:
    """An entry of each size, the first used longest ago."""
    folders = []
    for number, size in enumerate(sizes):
        with store.work() as folder:
            (folder / "data").write_bytes(b"x" * size)
            entry = store.save("step", f"ab{number}", folder, number)
        ago = time.time() - 3600 * (len(sizes) - number)
        os.utime(entry.folder, (ago, ago))
        folders.append(entry.folder)
    return folders


def keys(store: Store) -> list[str]:
    return [one.key for one in items(store)]


def test_entries_are_listed_last_used_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, 1000, 2000, 3000)
    found = items(store)
    assert [one.key for one in found] == ["ab2", "ab1", "ab0"]
    assert all(one.bytes >= 1000 * (3 - n) for n, one in enumerate(found))
    assert store.find("step", "ab0") is not None
    assert keys(store)[0] == "ab0"


def test_pruning_by_age_and_to_a_size(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, 1000, 2000, 3000)
    assert [one.key for one in prune(store, unused_seconds=2.5 * 3600)] == ["ab0"]
    assert [one.key for one in prune(store, most_bytes=4000)] == ["ab1"]
    assert keys(store) == ["ab2"]
    assert store.find("step", "ab1") is None
    assert store.find("step", "ab2") is not None


def test_a_store_that_is_in_use_is_not_pruned(tmp_path: Path) -> None:
    other = Store(tmp_path)
    store = Store(tmp_path)
    fill(store, 1000)
    with pytest.raises(UsageError, match="in use"):
        prune(store, most_bytes=0)
    assert keys(store) == ["ab0"]
    other.close()
    prune(store, most_bytes=0)
    assert keys(store) == []


def test_verifying_finds_a_flipped_bit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folders = fill(store, 1000, 2000, 3000)
    data = bytearray((folders[1] / "data").read_bytes())
    data[7] ^= 1
    (folders[1] / "data").write_bytes(data)
    text = (folders[2] / "entry.json").read_text()
    (folders[2] / "entry.json").write_text(text.replace('"value": 2', '"value": 3'))
    # Neither would have been used.
    assert store.find("step", "ab1") is None
    assert store.find("step", "ab2") is None
    assert sorted(one.item.key for one in verify(store)) == ["ab1", "ab2"]
    assert keys(store) == ["ab0"]
    assert verify(store) == ()


def test_a_lock_dies_with_its_owner(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from encoder.engine.store import Store\n"
            "store = Store(Path(sys.argv[1]))\n"
            "with store.work() as folder, store.try_lock('name') as mine:\n"
            "    print(mine, folder, flush=True); time.sleep(60)",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    mine, folder = holder.stdout.readline().split()
    assert mine == "True"
    store = Store(tmp_path)
    assert Path(folder).is_dir()  # not swept: somebody works there
    with store.try_lock("name") as got:
        assert not got
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with store.try_lock("name") as got:
        assert got
    Store(tmp_path)
    assert not Path(folder).exists()


@pytest.mark.parametrize("action", ["list", "size", "verify", "prune --to 2500B"])
def test_the_verb_prints_what_is_documented(
    tmp_path: Path,
    action: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ENCODER_CACHE", str(tmp_path))
    store = Store(tmp_path)
    folders = fill(store, 1000, 2000)
    store.close()
    if action == "verify":
        (folders[0] / "data").write_bytes(b"short")
    status = run(["cache", *action.split(), "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert wrong_in(document) == []
    assert document["action"] == action.split()[0]
    assert status == (1 if action == "verify" else 0)
    removed = 1 if action[0] in "vp" else 0
    assert (document["entries"], document["removed"]["entries"]) == (2 - removed, removed)
    assert run(["cache", *action.split()]) == 0
    assert {"list": "ab1", "size": "2 entries", "verify": "1 entries are whole"}.get(
        action, "0 entries removed"
    ) in capsys.readouterr().out


def test_pruning_nothing_in_particular_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENCODER_CACHE", str(tmp_path))
    assert run(["cache", "prune"]) == 2
    assert "--unused" in capsys.readouterr().err
    assert run(["cache", "prune", "--unused", "3 moons"]) == 2
    assert "30d" in capsys.readouterr().err
