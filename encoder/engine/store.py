"""The store: every step's result under the hash of what determines it.

An entry is a folder ``<step>/<key>`` with the step's files and ``entry.json``. It is built beside
and renamed into place, so that it is whole or not there; two processes that make the same entry
make the same bytes, and the second rename loses harmlessly.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import platformdirs

from encoder.errors import MachineError
from encoder.media.serial import to_json

ENVIRONMENT_VARIABLE = "ENCODER_CACHE"
_SCHEMA = "encoder.entry/1"
# A folder left by a killed run is removed once no run can still be working in it.
_STALE_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished step: its folder, and its value as plain data."""

    folder: Path
    value: Any


def default_root() -> Path:
    """Where the store lies: ENCODER_CACHE, or the user's cache folder."""
    chosen = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("encoder", False))


def key_of(inputs: Mapping[str, object]) -> str:
    """The key of a step: a hash of everything that determines its result.

    ``inputs`` are values of :mod:`encoder.media` or plain data, by name. What only changes how the
    step runs (workers, paths, verbosity) is left out by whoever calls.
    """
    text = "\n".join(f"{name}={to_json(inputs[name])}" for name in sorted(inputs))
    # Names of files may hold bytes that are no UTF-8.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


class Store:
    """A folder of finished steps.

    Raises:
        MachineError: from any method, when the folder cannot be read or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            (root / "tmp").mkdir(parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise self._unusable(error) from error

    def find(self, step: str, key: str) -> Entry | None:
        """The entry, if it is there and its files are as long as they were when it was made."""
        folder = self._folder(step, key)
        try:
            data = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
            if data.get("schema") != _SCHEMA:
                return None
            for name, size in data["files"].items():
                if (folder / name).stat().st_size != size:
                    return None
            return Entry(folder, data["value"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return None  # not ours, or damaged: it is made again
        except OSError as error:
            raise self._unusable(error) from error

    def save(self, step: str, key: str, work: Path, value: object) -> Entry:
        """Makes a work folder of :meth:`work` an entry, with the value beside its files."""
        try:
            files = {
                path.relative_to(work).as_posix(): path.stat().st_size
                for path in sorted(work.rglob("*"))
                if path.is_file()
            }
            plain = json.loads(to_json(value))
            entry = {"schema": _SCHEMA, "step": step, "key": key, "files": files, "value": plain}
            written = work / "entry.json"
            with written.open("w", encoding="utf-8") as file:
                # ASCII keeps what is no UTF-8 in the name of a file, to be read back as it was.
                json.dump(entry, file, ensure_ascii=True)
                file.flush()
                os.fsync(file.fileno())
            folder = self._folder(step, key)
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists() and self.find(step, key) is None:
                shutil.rmtree(folder)  # damaged: `find` refused it
            try:
                work.rename(folder)
            except OSError:
                if self.find(step, key) is None:
                    raise
                shutil.rmtree(work, ignore_errors=True)
            return Entry(folder, plain)
        except OSError as error:
            raise self._unusable(error) from error

    @contextmanager
    def work(self) -> Iterator[Path]:
        """A folder to work in, removed afterwards unless it became an entry."""
        try:
            folder = Path(mkdtemp(prefix=f"{os.getpid()}-", dir=self.root / "tmp"))
        except OSError as error:
            raise self._unusable(error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, step: str, key: str) -> Path:
        return self.root / step / key[:2] / key

    def _sweep(self) -> None:
        now = time.time()
        for left in (self.root / "tmp").iterdir():
            owner = left.name.partition("-")[0]
            if owner.isdigit() and _running(int(owner)):
                continue
            if not owner.isdigit() and now - left.stat().st_mtime < _STALE_SECONDS:
                continue
            shutil.rmtree(left, ignore_errors=True)

    def _unusable(self, error: OSError) -> MachineError:
        return MachineError(
            "The store cannot be used",
            where=str(self.root),
            why=error.strerror or str(error),
            hint=f"Free some space or mend the permissions there, or set {ENVIRONMENT_VARIABLE} "
            "to a folder elsewhere; finished steps are kept",
        )


def _running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
