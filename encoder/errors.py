"""The errors a person can act on, and the exit codes that go with them.

Every failure that a user can meet is an :class:`EncoderError`: it says what failed, where, why and
what to do next, and knows the exit code of the process. Anything else that escapes is a bug.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The contract with shells: what the process's exit status means."""

    OK = 0
    VERDICT = 1
    USAGE = 2
    ENVIRONMENT = 3
    MASTER = 4
    ENCODE = 5
    MEASURE = 6
    PACKAGE = 7
    BUG = 70
    INTERRUPTED = 130


class EncoderError(Exception):
    """A failure with its explanation.

    Args:
        what: what failed, as a short sentence without a full stop.
        where: the file, field or address it concerns; empty when there is none.
        why: the cause, as far as it is known.
        hint: what the person can do next.
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, what: str, *, where: str = "", why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.what}: {self.where}" if self.where else self.what
        return " ".join(_sentence(printable(part)) for part in (head, self.why, self.hint) if part)


def _sentence(text: str) -> str:
    return text if text.endswith("?") else text.rstrip(".") + "."


def unreadable(error: Exception) -> str:
    """Why a file could not be read as text."""
    if isinstance(error, UnicodeDecodeError):
        return "It is no text, or not in UTF-8"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def printable(text: str) -> str:
    """Text that is safe to put on one line of a terminal: control characters become escapes."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # stands for a byte of a file name that is no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


class UsageError(EncoderError):
    """The command line, a policy file or another configuration is wrong."""

    exit_code = ExitCode.USAGE


class MachineError(EncoderError):
    """The machine lacks something: FFmpeg, an encoder, a model, disk, permission to write."""

    exit_code = ExitCode.ENVIRONMENT


class MasterError(EncoderError):
    """The master cannot be read, or is of a kind that is not supported."""

    exit_code = ExitCode.MASTER


class RecordError(EncoderError):
    """What is scored or compared is not there or cannot be read: a file, package, report, baseline.

    Or it lacks what is compared.
    """

    # As with a master: what was given is at fault, and nothing was measured.
    exit_code = ExitCode.MASTER


class EncodeError(EncoderError):
    """An encode did not give the rendition that was asked for."""

    exit_code = ExitCode.ENCODE


class MeasureError(EncoderError):
    """A measurement failed, or was refused because its result would have been a lie."""

    exit_code = ExitCode.MEASURE


class PackageError(EncoderError):
    """Renditions could not be made into a package."""

    exit_code = ExitCode.PACKAGE
