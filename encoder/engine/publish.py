"""Publishing: a folder is built beside its destination, and renamed into place when it is whole.

Nothing is deleted that this program did not make: a published folder carries ``package.json``,
which names its files, and only a folder that holds those and nothing else is ever replaced.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from typing import Any

from encoder.errors import MachineError, UsageError
from encoder.report.plain import json_text

SCHEMA = "encoder.published/1"
MANIFEST = "package.json"


# What reading a file raises that is no such document. A few thousand brackets are more than the
# parser goes down; of a size, infinity is none.
_OF_OTHER_JSON = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class Published:
    """What a published folder says of itself: the fingerprint of its making, and its files."""

    fingerprint: str
    master_digest: str
    files: dict[str, int]
    fields: dict[str, Any]


def read_published(folder: Path) -> Published | None:
    """What a folder says of itself, or None when it is not one of ours."""
    try:
        data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            return None
        return Published(
            str(data["fingerprint"]),
            str(data["master_digest"]),
            {str(name): int(size) for name, size in data["files"].items()},
            data,
        )
    except _OF_OTHER_JSON:
        return None


def published_document(
    fingerprint: str, master_digest: str, files: dict[str, int], fields: dict[str, Any]
) -> dict[str, Any]:
    """What a published folder will say of itself; ``fields`` are those of its kind."""
    return {
        "schema": SCHEMA,
        "fingerprint": fingerprint,
        "master_digest": master_digest,
        **fields,
        "files": files,
    }


def is_intact(folder: Path, published: Published) -> bool:
    """Whether every file of a published folder is there, as long as it was."""
    try:
        return all((folder / n).stat().st_size == size for n, size in published.files.items())
    except OSError:
        return False


def check_written(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Checks, before any work, that no file that is written is one that is read.

    Args:
        outputs: files to be written.
        inputs: what is read: files, and folders of which all that is known to be theirs counts.

    Raises:
        UsageError: when one would be overwritten.
    """
    theirs = {os.path.realpath(one) for one in inputs}
    for folder in inputs:
        published = read_published(folder)
        if published is not None:
            names = (MANIFEST, *published.files)
            theirs |= {os.path.realpath(folder / name) for name in names}
    for output in outputs:
        if os.path.realpath(output) in theirs:
            raise UsageError(
                "The output would overwrite the input",
                where=str(output),
                hint="Choose another file",
            )


def check_destination(output: Path, inputs: tuple[Path, ...]) -> None:
    """Checks, before any work, that a folder can be published there.

    Args:
        output: where.
        inputs: files that are read, and must not be touched.

    Raises:
        UsageError: when the destination is an input or holds one, or holds what is not ours.
        MachineError: when it cannot be written.
    """
    resolved = output.resolve()
    for one in inputs:
        source = one.resolve()
        if resolved == source or source in resolved.parents or resolved in source.parents:
            raise UsageError(
                "The output would overwrite the input",
                where=str(output),
                why=f"{one} lies there",
                hint="Choose a folder for the output that does not hold the input",
            )
    if output.exists():
        if not output.is_dir():
            raise UsageError(
                "The output is not a folder", where=str(output), hint="Choose a folder"
            )
        strange = _strange_files(output)
        if strange:
            raise UsageError(
                "The output folder holds what encoder did not make",
                where=str(output),
                why=f"for example {strange[0]}",
                hint="Choose an empty or a new folder, nothing in this one was touched",
            )
    _check_writable(resolved.parent)
    if output.is_dir():
        _check_writable(resolved)


def _strange_files(folder: Path) -> list[str]:
    published = read_published(folder)
    known = set(published.files) | {MANIFEST} if published else set()
    try:
        found = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()]
    except OSError as error:
        raise MachineError(
            "The output folder cannot be read", where=str(folder), why=error.strerror or str(error)
        ) from error
    return sorted(set(found) - known)


def check_other_master(output: Path, digest: str, *, force: bool) -> None:
    """Refuses to replace the package of another master unless told to.

    Raises:
        UsageError: when the folder holds one and ``force`` is not set.
    """
    published = read_published(output)
    if published is not None and published.master_digest != digest and not force:
        raise UsageError(
            "The output folder holds the package of another master",
            where=str(output),
            hint="Choose another folder, or replace it with --force",
        )


def _check_writable(folder: Path) -> None:
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    # Permissions say little of read-only and special file systems; trying says all.
    try:
        # Without a name where the system can, so that a run killed here leaves nothing behind.
        TemporaryFile(dir=existing).close()
    except OSError as error:
        raise MachineError(
            "The output cannot be written",
            where=str(folder),
            why=f"{existing}: {error.strerror or error}",
            hint="Choose another folder, or mend its permissions",
        ) from error


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """A folder beside the destination to build in; removed unless it was published.

    Raises:
        MachineError: when it cannot be made.
    """
    parent = output.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # Names are limited in bytes.
        name = os.fsdecode(os.fsencode(output.name)[:100])
        _sweep(output.absolute(), f".{name}.")
        folder, handle = _locked_folder(parent, f".{name}.")
        folder.chmod(0o777 & ~_umask())
    except OSError as error:
        raise cannot_write(output, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


_PARTIAL, _OLD = ".partial", ".partial.old"


def _locked_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    """A new folder, locked as long as the handle is open, so that it is known to be in use."""
    while True:
        folder = Path(mkdtemp(prefix=prefix, suffix=_PARTIAL, dir=parent))
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.is_dir():  # swept by another between the two calls otherwise
            return folder, handle
        os.close(handle)


def _sweep(output: Path, prefix: str) -> None:
    """Removes what runs to this destination left behind that were killed while they built.

    What was published there before, and was put aside when one was killed, is put back.
    """
    for left in output.parent.iterdir():
        name = left.name
        if not name.startswith(prefix) or not name.endswith((_PARTIAL, _OLD)):
            continue
        # mkdtemp's eight characters: nobody else's folder is called so by chance.
        middle = name.removeprefix(prefix).removesuffix(_OLD).removesuffix(_PARTIAL)
        if len(middle) != 8 or left.is_symlink() or not left.is_dir():
            continue
        handle = os.open(left, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if name.endswith(_OLD) and prefix == f".{output.name}." and not output.exists():
                left.rename(output)
            else:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            pass  # somebody builds there, or it cannot be told
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def publish(
    folder: Path, output: Path, fingerprint: str, master_digest: str, fields: dict[str, Any]
) -> None:
    """Writes ``package.json`` into a built folder and renames it to its destination.

    What was published there before is replaced as a whole.

    Raises:
        MachineError: when it cannot be written.
    """
    try:
        files = {
            path.relative_to(folder).as_posix(): path.stat().st_size
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        data = published_document(fingerprint, master_digest, files, fields)
        (folder / MANIFEST).write_text(json_text(data), encoding="utf-8")
        for name in (*files, MANIFEST):
            _sync(folder / name)
        _sync(folder)
        destination = output.absolute()
        old = destination.with_name(f"{folder.name}.old")
        if destination.exists():
            destination.rename(old)
        try:
            folder.rename(destination)
        except OSError:
            if old.exists():
                old.rename(destination)
            raise
        _sync(destination.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise cannot_write(output, error) from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems cannot sync a folder.
        if error.errno not in (errno.EINVAL, errno.EBADF):
            raise
    finally:
        os.close(handle)


def cannot_write(output: Path, error: OSError) -> MachineError:
    """The error for a failed write to an output."""
    if error.errno == errno.ENOSPC:
        return MachineError(
            "The disk is full",
            where=str(output),
            why=error.strerror or "",
            hint="Free some space and run the same command again: finished steps are kept",
        )
    return MachineError(
        "The output cannot be written",
        where=str(output),
        why=error.strerror or str(error),
        hint="Choose another folder, or mend its permissions",
    )
