"""Ways to damage a package: each is done to a copy of a good one, and names the rule it breaks."""

from __future__ import annotations

import json
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

TOP = "video/h264-720p-1"
SECOND = "video/h264-720p-2"
LOW = "video/h264-180p-4"
ENGLISH = "audio/en-2ch"

Damage = Callable[[Path], None]


def replaced(name: str, old: str, new: str, count: int = 1) -> Damage:
    """Text of a manifest, by a regular expression."""

    def do(root: Path) -> None:
        path = root / name
        text, done = re.subn(old, new, path.read_text("utf-8"), count=count, flags=re.MULTILINE)
        assert done, f"{old} is not in {name}"
        path.write_text(text, encoding="utf-8")

    return do


def each(pattern: str, old: str, new: str, count: int = 0) -> Damage:
    """The same in all files of a kind."""

    def do(root: Path) -> None:
        names = [path.relative_to(root).as_posix() for path in sorted(root.glob(pattern))]
        assert names
        for name in names:
            replaced(name, old, new, count)(root)

    return do


def removed(name: str) -> Damage:
    """A file that is gone."""
    return lambda root: (root / name).unlink()


def added(name: str, data: bytes = b"x") -> Damage:
    """A file too many."""

    def do(root: Path) -> None:
        (root / name).write_bytes(data)

    return do


def cut(name: str, size: int) -> Damage:
    """A file that ends too early."""

    def do(root: Path) -> None:
        data = (root / name).read_bytes()
        (root / name).write_bytes(data[:-size])

    return do


def patched(name: str, kind: str, at: int, new: bytes, number: int = 0) -> Damage:
    """Bytes behind the kind of a box: the n-th of that kind in a file."""

    def do(root: Path) -> None:
        path = root / name
        data = bytearray(path.read_bytes())
        place = -1
        for _ in range(number + 1):
            place = data.index(kind.encode(), place + 1)
        place += 4 + at
        assert data[place : place + len(new)] != new
        data[place : place + len(new)] = new
        path.write_bytes(data)

    return do


def sample(name: str, new: bytes, fragment: int = 0, at: int = 4) -> Damage:
    """Bytes of the first sample of a fragment."""
    return patched(name, "mdat", at, new, fragment)


def swapped(one: str, other: str) -> Damage:
    """Two files that have changed places."""

    def do(root: Path) -> None:
        spare = root.parent / "spare"
        shutil.move(root / one, spare)
        shutil.move(root / other, root / one)
        shutil.move(spare, root / other)

    return do


def doubled(name: str, kind: str) -> Damage:
    """A box that is in a file twice: again at its end."""

    def do(root: Path) -> None:
        data = (root / name).read_bytes()
        at = data.index(kind.encode()) - 4
        size = int.from_bytes(data[at : at + 4])
        (root / name).write_bytes(data + data[at : at + size])

    return do


def header_of(name: str, other: str) -> Damage:
    """Another track's initialisation in front of a file's media."""

    def do(root: Path) -> None:
        mine, theirs = (root / name).read_bytes(), (root / other).read_bytes()
        end, their_end = mine.index(b"sidx") - 4, theirs.index(b"sidx") - 4
        assert end == their_end
        (root / name).write_bytes(theirs[:their_end] + mine[end:])

    return do


def reported(**fields: object) -> Damage:
    """A report.json that says so."""

    def do(root: Path) -> None:
        shots = [{"start": 0, "end": fields.get("frames", 288)}]
        names = ("h264-720p-1", "h264-720p-2", "h264-360p-3", "h264-180p-4")
        scores = fields.get("scores", (93.5, 86.25, 71.0, 42.0))
        assert isinstance(scores, tuple)
        renditions = [
            {"path": f"video/{name}.mp4", "scores": {"vmaf": {"mean": score}}}
            for name, score in zip(names, scores, strict=True)
        ]
        document = {"schema": "encoder.ingest/1", "shots": shots, "renditions": renditions}
        (root / "report.json").write_text(json.dumps(document))

    return do


def published(name: str, size: int) -> Damage:
    """A package.json that lists a file."""

    def do(root: Path) -> None:
        document = {"schema": "encoder.published/1", "files": {name: size}}
        (root / "package.json").write_text(json.dumps(document))

    return do


def both(*ways: Damage) -> Damage:
    """Several damages at once."""

    def do(root: Path) -> None:
        for way in ways:
            way(root)

    return do


def u32(value: int) -> bytes:
    """Four bytes."""
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    """Eight bytes."""
    return struct.pack(">Q", value)
