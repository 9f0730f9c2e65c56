"""What verbs are given to work on: files, and the renditions of packages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from pathlib import Path

from encoder.engine.publish import MANIFEST, Published, read_published
from encoder.errors import MeasureError, RecordError
from encoder.score.measure import Distorted


def find_distorted(targets: tuple[Path, ...]) -> list[Distorted]:
    """What is to be scored: the renditions of packages, and files.

    Raises:
        RecordError: when a target is neither, or may not be read.
        MeasureError: when two have the same name.
    """
    try:
        found = _find_distorted(targets)
        for one in found:
            one.path.open("rb").close()
    except OSError as error:
        raise RecordError(
            "What is to be scored cannot be read",
            where=str(error.filename),
            why=error.strerror or str(error),
            hint="Ask its owner for permission to read it (chmod +r), or copy it again",
        ) from error
    return found


def _find_distorted(targets: tuple[Path, ...]) -> list[Distorted]:
    found: list[Distorted] = []
    for target in targets:
        if target.is_dir():
            next(target.iterdir(), None)  # May it be read? To the next line, one without is empty.
            published = read_published(target)
            listed = _listed(target, published)
            if not listed:
                raise RecordError(
                    "Not a package",
                    where=str(target),
                    why=f"it has no {MANIFEST} that names renditions",
                    hint="Give a package that encoder made, or video files",
                )
            found += listed
        elif target.is_file():
            found.append(Distorted(identifier(target, {one.id for one in found}), target))
        else:
            raise RecordError(
                "No such file or package",
                where=str(target),
                hint="Check the spelling of the path, and that its disk is mounted",
            )
    names = [one.id for one in found]
    if len(set(names)) != len(names):
        raise MeasureError("Two things to score have the same name", why=", ".join(sorted(names)))
    return found


def _listed(folder: Path, published: Published | None) -> list[Distorted]:
    if published is None:
        return []
    try:
        listed = [(str(one["id"]), str(one["path"])) for one in published.fields["renditions"]]
    except (TypeError, KeyError):
        return []
    return [Distorted(name, _inside(folder, path)) for name, path in listed]


def _inside(folder: Path, name: str) -> Path:
    """A file that a package lists; what lies elsewhere, or can be no name, is not its own."""
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
        raise RecordError(
            "A package lists what is not in it",
            where=str(folder / MANIFEST),
            why=f"the path of a rendition is {name!r}",
            hint="Give a package as encoder made it, or the video files themselves",
        )
    return path


def identifier(path: Path, taken: Container[str], *, portable: bool = False) -> str:
    """A name for a file that can be part of a file name itself, and is not taken.

    Args:
        path: the file.
        taken: names that are.
        portable: whether it is of ASCII alone, to be part of addresses: systems and programs
            disagree on how other letters are written there.
    """
    stem = path.stem
    if portable:
        letters = unicodedata.normalize("NFKD", stem)
        stem = "".join(c for c in letters if not unicodedata.combining(c))
        stem = re.sub("[^A-Za-z0-9_.-]+", "_", stem).strip("_")
    stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in stem).lstrip(".-")
    # A file's name has 255 bytes at most, and this is not all of it.
    stem = stem.encode()[:160].decode("utf-8", "ignore")[:80] or "file"
    number = 2
    name = stem
    while name in taken:
        name = f"{stem}-{number}"
        number += 1
    return name
