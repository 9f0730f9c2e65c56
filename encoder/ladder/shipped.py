"""Where the files lie that come with the program: policies and audiences."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def policy_folder() -> Path:
    """Where the policies that come with the program lie."""
    installed = Path(str(files("encoder"))) / "_ladders"
    return installed if installed.is_dir() else Path(str(files("encoder"))).parent / "ladders"


def audience_folder() -> Path:
    """Where the audiences that come with the program lie."""
    return policy_folder() / "audiences"
