"""A good package, made once, and copies of it to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from . import synthetic


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that breaks no rule. Read it, do not change it."""
    into = tmp_path_factory.mktemp("good") / "package"
    into.mkdir()
    synthetic.make(into, synthetic.title())
    return into


@pytest.fixture
def copied(good: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(good, tmp_path / "package"))
