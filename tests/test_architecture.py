"""The rooms depend on each other in one direction, and only one of them starts processes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import encoder

ROOT = Path(encoder.__file__).parent

# From the top down: a room may import itself, value types, and rooms below it.
ROOMS = (
    "cli",
    "preview",
    "engine",
    "probe",
    "analysis",
    "ladder",
    "pictures",
    "encode",
    # Its own packages are read with the readers that packaging proves its work with.
    "verify",
    "package",
    "text",
    "score",
    "report",
    "codecs",
    "ffmpeg",
    "media",
)
# What is everybody's: no imports of rooms inside.
COMMON = ("errors",)
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT)


def imported(path: Path) -> set[str]:
    """The modules that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            pytest.fail(f"{path}: relative import")
    return names


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def test_every_room_is_known() -> None:
    assert {room(path) for path in MODULES} <= set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_dependencies_point_down(path: Path) -> None:
    here = ROOMS.index(room(path))
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "encoder" or len(parts) == 1 or parts[1] in COMMON:
            continue
        assert ROOMS.index(parts[1]) >= here, f"{room(path)} must not know {parts[1]}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_its_room_knows(path: Path) -> None:
    names = {name.split(".")[0] for name in imported(path)}
    if room(path) != "cli":
        assert not names & {"click", "rich"}
    if room(path) != "ffmpeg":
        assert "subprocess" not in names


def test_errors_know_no_room() -> None:
    assert not any(name.startswith("encoder") for name in imported(ROOT / "errors.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_what_takes_long_to_load_is_loaded_where_it_is_needed(path: Path) -> None:
    top = ast.parse(path.read_text(encoding="utf-8")).body
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in top if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in names} & {"scipy", "skimage", "matplotlib"}
