"""The store: every step's result under the hash of what determines it.

An entry is a folder ``<step>/<key>`` with the step's files and ``entry.json``, which has their
sizes and digests. It is built beside, synced and renamed into place, so that it is whole or not
there; two processes that make the same entry make the same bytes, and the second rename loses
harmlessly. What is damaged is not there either: it is found out by size and digest, and made again.

Locks are ``flock``'s, which the system releases when their owner dies, however it dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import platformdirs

from encoder.errors import MachineError
from encoder.media.serial import to_json

ENVIRONMENT_VARIABLE = "ENCODER_CACHE"
_SCHEMA = "encoder.entry/2"
_BLOCK = 1 << 20
# Folders of the store that hold no entries.
OWN_FOLDERS = ("tmp", "locks")


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


def digest_key(path: Path) -> str:
    """The key under which the store has the digest of a file that did not change since.

    Raises:
        OSError: when there is no such file.
    """
    stat = path.stat()
    return key_of(
        {
            "path": str(path.absolute()),
            "stat": [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino],
        }
    )


class Store:
    """A folder of finished steps.

    Raises:
        MachineError: from any method, when the folder cannot be read or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            for name in OWN_FOLDERS:
                (root / name).mkdir(parents=True, exist_ok=True)
            # Held as long as this process lives: pruning waits until nobody reads the store.
            self._user = os.open(root / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._user, fcntl.LOCK_SH)
            self._sweep()
        except OSError as error:
            raise self.unusable(error) from error

    def close(self) -> None:
        """Lets others prune the store."""
        if self._user >= 0:
            os.close(self._user)
            self._user = -1

    def alone(self) -> bool:
        """Makes this process the store's only user until it is closed, if it is."""
        try:
            fcntl.flock(self._user, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._user, fcntl.LOCK_SH)
            return False
        return True

    def find(self, step: str, key: str) -> Entry | None:
        """The entry, if it is there and is what was kept, to the byte."""
        folder = self.folder(step, key)
        try:
            value = read_entry(folder)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # not ours, or damaged: it is made again
        except OSError as error:
            raise self.unusable(error) from error
        with suppress(OSError):
            os.utime(folder)  # when it was last of use, for pruning
        return Entry(folder, value)

    def save(
        self,
        step: str,
        key: str,
        work: Path,
        value: object,
        inputs: Mapping[str, str] | None = None,
    ) -> Entry:
        """Makes a work folder of :meth:`work` an entry, with the value beside its files.

        ``inputs`` are what :func:`encoder.engine.reasons.fingerprints` says of what the key was
        made of.
        """
        try:
            plain = json.loads(to_json(value))
            files = {}
            for path in sorted(work.rglob("*")):
                if path.is_file():
                    _sync(path)
                    files[path.relative_to(work).as_posix()] = _identity(path)
            entry = {
                "schema": _SCHEMA,
                "step": step,
                "key": key,
                "files": files,
                "value": plain,
                "value_digest": _value_digest(plain),
                "inputs": dict(inputs or {}),
            }
            written = work / "entry.json"
            with written.open("w", encoding="utf-8") as file:
                # ASCII keeps what is no UTF-8 in the name of a file, to be read back as it was.
                json.dump(entry, file, ensure_ascii=True)
                file.flush()
                os.fsync(file.fileno())
            for inner in (*(p for p in work.rglob("*") if p.is_dir()), work):
                _sync(inner)
            folder = self.folder(step, key)
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.exists() and self.find(step, key) is None:
                self.remove(folder)  # damaged: `find` refused it
            try:
                work.rename(folder)
            except OSError:
                if self.find(step, key) is None:
                    raise
                shutil.rmtree(work, ignore_errors=True)
            _sync(folder.parent)
            return Entry(folder, plain)
        except OSError as error:
            raise self.unusable(error) from error

    def fingerprints(self, step: str) -> Iterator[Mapping[str, str]]:
        """What was kept of the inputs of every entry of a step; what cannot be read is left out."""
        for path in (self.root / step).glob("*/*/entry.json"):
            with suppress(OSError, ValueError, TypeError, AttributeError):
                found = json.loads(path.read_text(encoding="utf-8")).get("inputs", {})
                yield {str(name): str(one) for name, one in found.items()}

    def remove(self, folder: Path) -> None:
        """Removes an entry: out of sight first, so that nobody finds half of it."""
        gone = Path(mkdtemp(prefix="removed-", dir=self.root / "tmp"))
        with suppress(FileNotFoundError):
            folder.rename(gone / "entry")
        shutil.rmtree(gone, ignore_errors=True)

    @contextmanager
    def work(self) -> Iterator[Path]:
        """A folder to work in, removed afterwards unless it became an entry."""
        try:
            folder, handle = self._new_folder()
        except OSError as error:
            raise self.unusable(error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Whether this process got the lock of that name, which it then has within the block.

        Another process that has it is doing the same work: its result will be in the store.
        """
        path = self.root / "locks" / name
        try:
            handle = _locked(path)
        except OSError as error:
            raise self.unusable(error) from error
        if handle is None:
            yield False
            return
        try:
            yield True
        finally:
            # Removed while it is held: whoever waits for it sees that it is another file now.
            path.unlink(missing_ok=True)
            os.close(handle)

    def folder(self, step: str, key: str) -> Path:
        """Where an entry lies, or would."""
        return self.root / step / key[:2] / key

    def unusable(self, error: OSError) -> MachineError:
        """What to tell of an error of the file system."""
        return MachineError(
            "The store cannot be used",
            where=str(self.root),
            why=error.strerror or str(error),
            hint=f"Free some space or mend the permissions there, or set {ENVIRONMENT_VARIABLE} "
            "to a folder elsewhere; finished steps are kept",
        )

    def _new_folder(self) -> tuple[Path, int]:
        # Nobody sweeps between a folder's making and its locking.
        with self._sweeping(fcntl.LOCK_SH):
            folder = Path(mkdtemp(prefix="work-", dir=self.root / "tmp"))
            handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(handle, fcntl.LOCK_EX)
        return folder, handle

    def _sweep(self) -> None:
        """Removes what runs that were killed left behind: folders that nobody holds a lock on."""
        with self._sweeping(fcntl.LOCK_EX):
            for left in (self.root / "tmp").iterdir():
                try:
                    handle = os.open(left, os.O_RDONLY | os.O_CLOEXEC)
                except OSError:
                    continue
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                else:
                    if left.is_dir():
                        shutil.rmtree(left, ignore_errors=True)
                    else:
                        left.unlink(missing_ok=True)
                finally:
                    os.close(handle)

    @contextmanager
    def _sweeping(self, kind: int) -> Iterator[None]:
        handle = os.open(self.root / "sweep.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, kind)
            yield
        finally:
            os.close(handle)


def read_entry(folder: Path) -> Any:
    """The value of an entry, once all of it was found to be as it was kept.

    Raises:
        OSError: when it or one of its files cannot be read.
        ValueError: when it is not an entry, or not what was kept.
    """
    data = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
    if data["schema"] != _SCHEMA:
        raise ValueError("of another version")
    sizes = {name: (folder / name).stat().st_size for name in data["files"]}
    for name, (size, _) in data["files"].items():
        if sizes[name] != size:
            raise ValueError(f"{name} is {sizes[name]} bytes long, not {size}")
    for name, identity in data["files"].items():
        if _identity(folder / name) != list(identity):
            raise ValueError(f"{name} is not what was kept")
    if _value_digest(data["value"]) != data["value_digest"]:
        raise ValueError("its value is not what was kept")
    return data["value"]


def _identity(path: Path) -> list[int | str]:
    """A file's size and the digest of its content."""
    digest = hashlib.blake2b(digest_size=20)
    size = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return [size, digest.hexdigest()]


def _value_digest(plain: object) -> str:
    text = json.dumps(plain, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("ascii"), digest_size=20).hexdigest()


def _locked(path: Path) -> int | None:
    """A handle of the file, which is made, with its lock; None when another has that."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one before may have removed the file between the two calls above.
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except FileNotFoundError:
            pass
        os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        # Some file systems cannot sync a folder.
        if not path.is_dir():
            raise
    finally:
        os.close(handle)
