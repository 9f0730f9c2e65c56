"""Looks after the store: what is in it, what of it is damaged, and what can go."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from encoder.engine.store import OWN_FOLDERS, Store, read_entry
from encoder.errors import UsageError

SCHEMA = "encoder.cache/1"
Action = Literal["list", "size", "prune", "verify"]


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of the store. ``used`` is when it was last of use, in seconds since 1970."""

    step: str
    key: str
    folder: Path
    bytes: int
    used: float


@dataclass(frozen=True, slots=True)
class Damage:
    """An entry that is not what was kept, and how that shows."""

    item: Item
    why: str


def items(store: Store) -> tuple[Item, ...]:
    """The entries, those last used first.

    Raises:
        MachineError: when the store cannot be read.
    """
    try:
        found = [_item(folder) for folder in _folders(store.root)]
    except OSError as error:
        raise store.unusable(error) from error
    return tuple(sorted(found, key=lambda one: (-one.used, one.step, one.key)))


def prune(
    store: Store, *, unused_seconds: float | None = None, most_bytes: int | None = None
) -> tuple[Item, ...]:
    """Removes entries: all that were not used for so long, then the longest unused ones until the
    rest is no larger than asked.

    Returns:
        What was removed.

    Raises:
        UsageError: when another process uses the store.
        MachineError: when the store cannot be read.
    """
    if not store.alone():
        raise UsageError(
            "The store is in use",
            where=str(store.root),
            why="another encoder is running, and may need what would be removed",
            hint="Wait until it has finished",
        )
    now = time.time()
    kept = list(items(store))
    gone: list[Item] = []
    if unused_seconds is not None:
        gone += [one for one in kept if now - one.used > unused_seconds]
        kept = [one for one in kept if now - one.used <= unused_seconds]
    if most_bytes is not None:
        total = sum(one.bytes for one in kept)
        while kept and total > most_bytes:
            gone.append(kept.pop())
            total -= gone[-1].bytes
    for one in gone:
        store.remove(one.folder)
    shutil.rmtree(store.root / "locks", ignore_errors=True)
    (store.root / "locks").mkdir(exist_ok=True)
    return tuple(gone)


def verify(store: Store) -> tuple[Damage, ...]:
    """Reads every byte of the store, and removes the entries that are not what was kept.

    They would not have been used either, and are made again when they are needed.

    Raises:
        MachineError: when the store cannot be read.
    """
    damaged = []
    for one in items(store):
        try:
            read_entry(one.folder)
        except OSError as error:
            damaged.append(Damage(one, error.strerror or str(error)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            damaged.append(Damage(one, str(error) or type(error).__name__))
    for found in damaged:
        store.remove(found.item.folder)
    return tuple(damaged)


def cache_document(
    action: Action,
    store: Store,
    left: Sequence[Item],
    *,
    removed: Sequence[Item] = (),
    damaged: Sequence[Damage] = (),
) -> dict[str, Any]:
    """The store as one JSON object, after the action."""
    steps = sorted({one.step for one in left})
    return {
        "schema": SCHEMA,
        "action": action,
        "path": str(store.root),
        "entries": len(left),
        "bytes": sum(one.bytes for one in left),
        "steps": [
            {
                "step": step,
                "entries": sum(one.step == step for one in left),
                "bytes": sum(one.bytes for one in left if one.step == step),
            }
            for step in steps
        ],
        "items": [_fields(one) for one in left] if action == "list" else None,
        "removed": {"entries": len(removed), "bytes": sum(one.bytes for one in removed)},
        "damaged": [
            {"step": one.item.step, "key": one.item.key, "why": one.why} for one in damaged
        ],
    }


def _fields(one: Item) -> dict[str, Any]:
    return {"step": one.step, "key": one.key, "bytes": one.bytes, "used": round(one.used, 3)}


def _folders(root: Path) -> Iterator[Path]:
    for step in sorted(root.iterdir()):
        if step.is_dir() and step.name not in OWN_FOLDERS:
            for shelf in sorted(step.iterdir()):
                if shelf.is_dir():
                    yield from sorted(shelf.iterdir())


def _item(folder: Path) -> Item:
    size = 0
    for at, _, names in os.walk(folder):
        size += sum(os.lstat(os.path.join(at, name)).st_size for name in names)
    return Item(folder.parent.parent.name, folder.name, folder, size, folder.stat().st_mtime)
