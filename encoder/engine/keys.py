"""Content keys: reads the file that has them, or makes one that nobody else can read.

It is YAML or JSON of our own, or a CPIX document.

No message holds anything of what is in such a file but names of fields and numbers of lines.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar
from xml.sax.saxutils import escape

import yaml

from encoder.engine.cpix import BadCpix, is_xml, read_cpix
from encoder.errors import MachineError, UsageError
from encoder.media.ladder import Ladder
from encoder.media.package import Layout
from encoder.media.protection import (
    CLASSES,
    COMMON,
    PLAYREADY,
    SCHEMES,
    SYSTEMS,
    WHOLE,
    WIDEVINE,
    ContentKey,
    Protection,
    Signal,
)
from encoder.package.protect import key_for

GENERATE = "generate"

_FIELDS = ("scheme", "systems", "licenses", "hls", "keys")
_KEY_FIELDS = ("kid", "key", "for", "uri")
# What `hls` has to say for cenc: Apple's players want cbcs (authoring specification 13.11).
_CTR = "sample-aes-ctr"
_LICENCES = {"clearkey": COMMON, "widevine": WIDEVINE, "playready": PLAYREADY}
# DASH-IF's namespace of where licences are had (IOP 5, part 6).
_CPS = "https://dashif.org/CPS"
_ADDRESS = re.compile(r"https?://[^\s\x00-\x1f\x7f]{1,2000}")
# Of a key, the same from whichever playlist it is looked at; in quotes there.
_URI = re.compile(r'(([A-Za-z][A-Za-z0-9+.-]*:/)?/[^\s"\x00-\x1f\x7f]{1,2000})?')
_LONGEST_LEAD = 600
_BYTES = 16
_LARGEST = 1 << 20

_Word = TypeVar("_Word", bound=str)


@dataclass(frozen=True, slots=True)
class Keys:
    """What ``--protect`` asks for.

    ``beside`` is where generated keys are kept, None for keys of a file; ``there`` is whether they
    are from there, of a run before. ``warning`` is what its owner should know of the file.
    """

    protection: Protection
    beside: Path | None = None
    there: bool = False
    warning: str = ""

    def check_new(self) -> None:
        """Makes sure that generated keys replace none.

        Raises:
            UsageError: when there are some.
        """
        if self.beside is not None:
            check_key_file(self.beside)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Writes keys that were generated, and takes them away again when what follows fails.

        Raises:
            MachineError: when the file cannot be written.
        """
        if self.beside is None:
            yield
            return
        with kept_keys(self.protection, self.beside):
            yield


def asked_keys(protect: str | None, lead: str | None, output: Path) -> Keys | None:
    """The keys that ``--protect`` names; ``generate`` takes those of a run before, if there are.

    Args:
        protect: the file, or ``generate``; None for none.
        lead: the seconds that stay clear; None for none.
        output: the package.

    Raises:
        UsageError: when the file cannot be read or is not one, or the lead is no time.
    """
    if protect is None:
        if lead is not None:
            raise UsageError(
                "--clear-lead is for what is encrypted",
                where=lead,
                hint="Give --protect as well, or leave it out",
            )
        return None
    seconds = _lead(lead)
    if protect != GENERATE:
        path = Path(protect)
        return Keys(replace(read_keys(path), clear_lead=seconds), warning=_open_to_others(path))
    beside = key_file_of(output)
    if beside.exists() or beside.is_symlink():
        known = replace(read_keys(beside), clear_lead=seconds)
        return Keys(known, beside, there=True, warning=_open_to_others(beside))
    return Keys(replace(generate_keys(), clear_lead=seconds), beside)


def _open_to_others(path: Path) -> str:
    """A sentence about a file of keys that is not its owner's alone."""
    try:
        mode = path.stat().st_mode & 0o777
    except OSError:
        return ""
    if not mode & 0o077:
        return ""
    return f"{path} is open to others than its owner ({mode:04o}): chmod 600 keeps keys secret"


def _lead(text: str | None) -> Fraction:
    if text is None:
        return Fraction(0)
    try:
        seconds = Fraction(text)
    except (ValueError, ZeroDivisionError):
        seconds = Fraction(0)
    if not 0 < seconds <= _LONGEST_LEAD:
        raise UsageError(
            "--clear-lead is no time to leave clear",
            where=text,
            why=f"it is more than 0 and at most {_LONGEST_LEAD} seconds",
            hint="Give 10, for example",
        )
    return seconds


def check_layout(protection: Protection, layout: Layout) -> None:
    """Makes sure that segments that are to be encrypted whole are files of plain names, and all.

    Raises:
        UsageError: when they are not.
    """
    if protection.scheme != WHOLE:
        return
    if layout.segments != "files" or layout.names != "plain":
        raise UsageError(
            "Segments are encrypted whole where they are files",
            why=f"{WHOLE} is for players that know no byte ranges of encrypted files, and names "
            "with hashes are of what is clear",
            hint="Use `--segments files`, and no `--names hash`",
        )
    if protection.clear_lead:
        raise UsageError(
            "--clear-lead is for Common Encryption",
            why=f"the key file says {WHOLE}",
            hint="Leave it out",
        )


def check_keys(protection: Protection, ladder: Ladder, *, sound: bool) -> None:
    """Makes sure, before the long work, that there is a key for every rung, and for sound.

    Raises:
        PackageError: when there is none.
    """
    for rung in ladder.rungs:
        key_for(protection, rung.width, rung.height, 0, rung.id)
    if sound:
        # Stereo is there whatever else is.
        key_for(protection, 0, 0, 2, "sound")


def read_keys(path: Path) -> Protection:
    """The protection that a key file, YAML, JSON or CPIX, describes.

    Raises:
        UsageError: when it cannot be read or is not one; its content is not in the message.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(
            "The key file cannot be read",
            where=str(path),
            why=error.strerror or "",
            hint="Give a file that is there, or `--protect generate` for new keys",
        ) from None
    if is_xml(data):
        return _read_cpix(path, data)
    try:
        found = yaml.safe_load(data) if len(data) <= _LARGEST else None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        # Neither the parser's message nor its exception: both quote the file.
        raise _wrong(path, f"it is neither YAML nor JSON{line}") from None
    return _protection(path, found)


def _read_cpix(path: Path, data: bytes) -> Protection:
    try:
        if len(data) > _LARGEST:
            raise BadCpix("it is larger than 1 MiB")
        found = read_cpix(data)
    except BadCpix as error:
        raise UsageError(
            "The CPIX document is not as it should be",
            where=str(path),
            why=str(error),
            hint="Give a document of CPIX 2.3 with keys in the clear, and rules for their tracks",
        ) from None
    if found.scheme == "cenc":
        raise _not_cenc(path, "write a key file with `hls: sample-aes-ctr`")
    return found


def _not_cenc(path: Path, otherwise: str) -> UsageError:
    return UsageError(
        "HLS packages are protected with cbcs",
        where=str(path),
        why="Apple's players do not play cenc (authoring specification 13.11)",
        hint=f"Use cbcs; or {otherwise}, for players that do",
    )


def _wrong(path: Path, why: str) -> UsageError:
    return UsageError(
        "The key file is not as it should be",
        where=str(path),
        why=why,
        hint="It has scheme (cbcs, cenc or aes-128) and keys, each with kid and key of 32 "
        "hexadecimal digits in quotes, and for: a list of sd, hd, uhd and audio",
    )


def _protection(path: Path, found: Any) -> Protection:
    if not isinstance(found, Mapping) or not set(found) <= set(_FIELDS):
        raise _wrong(path, f"its fields are not all of {', '.join(_FIELDS)}")
    known = (*SCHEMES, WHOLE)
    (scheme,) = _words(path, "scheme", [found.get("scheme", SCHEMES[0])], known)
    systems = _words(path, "systems", found.get("systems", ["clearkey"]), SYSTEMS)
    declared = found.get("hls")
    if declared not in (None, _CTR) or (scheme != "cenc" and declared):
        raise _wrong(path, f"hls is for cenc alone, and then {_CTR}")
    if scheme == "cenc" and not declared:
        raise _not_cenc(path, f"say `hls: {_CTR}` as well")
    listed = found.get("keys")
    if not isinstance(listed, list) or not listed:
        raise _wrong(path, "keys is not a list of keys")
    signals = _licences(path, found.get("licenses", {}))
    keys = tuple(_key(path, number, one, signals) for number, one in enumerate(listed, 1))
    if any(bool(key.address) != (scheme == WHOLE) for key in keys):
        raise _wrong(path, f"every key has a uri if scheme is {WHOLE}, and none otherwise")
    classes = [name for key in keys for name in key.classes]
    if len(set(classes)) != len(classes):
        raise _wrong(path, "several keys are for the same class")
    if len({key.kid for key in keys}) != len(keys):
        raise _wrong(path, "several keys have the same kid")
    return Protection(scheme, keys, systems)


def _words(path: Path, name: str, found: Any, known: tuple[_Word, ...]) -> tuple[_Word, ...]:
    chosen = [one for one in known if isinstance(found, list) and one in found]
    if not isinstance(found, list) or not found or len(chosen) != len(found):
        raise _wrong(path, f"{name} is not of {', '.join(known)}")
    return tuple(chosen)


def _licences(path: Path, found: Any) -> tuple[Signal, ...]:
    """Where players get licences: DASH-IF's Laurl, which HLS has nothing like."""
    if not isinstance(found, Mapping) or not set(found) <= set(_LICENCES):
        raise _wrong(path, f"licenses is not addresses of {', '.join(_LICENCES)}")
    made = []
    for name, address in found.items():
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            raise _wrong(path, f"the address of {name} in licenses is not http(s)://...")
        text = escape(address)
        dash = f'<x xmlns:d="{_CPS}"><d:Laurl licenseType="EME-1.0">{text}</d:Laurl></x>'
        made.append(Signal(_LICENCES[name], dash=dash))
    return tuple(made)


def _key(path: Path, number: int, found: Any, signals: tuple[Signal, ...]) -> ContentKey:
    if not isinstance(found, Mapping) or not set(found) <= set(_KEY_FIELDS):
        raise _wrong(path, f"the fields of key {number} are not all of {', '.join(_KEY_FIELDS)}")
    values = []
    for name in ("kid", "key"):
        text = found.get(name)
        try:
            value = bytes.fromhex(text.replace("-", "")) if isinstance(text, str) else b""
        except ValueError:
            value = b""
        if len(value) != _BYTES:
            raise _wrong(path, f"{name} of key {number} is not 32 hexadecimal digits in quotes")
        values.append(value)
    wanted = _words(path, f"for of key {number}", found.get("for", list(CLASSES)), CLASSES)
    address = found.get("uri", "")
    if not isinstance(address, str) or not _URI.fullmatch(address):
        raise _wrong(path, f"uri of key {number} is neither https://... nor /...")
    return ContentKey(values[0], values[1], wanted, signals=signals, address=address)


def generate_keys() -> Protection:
    """New keys for ``cbcs``, one for each class."""
    return Protection(
        "cbcs",
        tuple(
            ContentKey(secrets.token_bytes(_BYTES), secrets.token_bytes(_BYTES), (one,))
            for one in CLASSES
        ),
    )


def key_file_of(output: Path) -> Path:
    """Where generated keys go: beside the package, never into it."""
    return output.with_name(f"{output.name}.keys.yaml")


def check_key_file(path: Path) -> None:
    """Makes sure that no keys are there already.

    Raises:
        UsageError: when there are: what they protect could not be played any more without them.
    """
    if path.exists() or path.is_symlink():
        raise UsageError(
            "There are keys already",
            where=str(path),
            why="generated keys never replace others",
            hint=f"Use them with `--protect {path}`, or move the file away",
        )


@contextmanager
def kept_keys(protection: Protection, path: Path) -> Iterator[None]:
    """Writes generated keys, and takes them away again when what follows fails.

    Raises:
        MachineError: when the file cannot be written.
    """
    listed = [
        {"kid": one.kid.hex(), "key": one.key.hex(), "for": list(one.classes)}
        for one in protection.keys
    ]
    document = {
        "scheme": protection.scheme,
        "systems": list(protection.systems),
        "keys": listed,
    }
    try:
        # Only its owner may ever open it, also while it is written.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            yaml.safe_dump(document, file, sort_keys=False, default_style=None)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise MachineError(
            "The key file cannot be written",
            where=str(path),
            why=error.strerror or "",
            hint="Make sure that the folder of the package may be written to",
        ) from None
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise
