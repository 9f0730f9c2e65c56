"""Subtitle files beside the master: SubRip, WebVTT, ASS/SSA, TTML and Scenarist captions.

What a file is, its content says, not its name. TTML (with SMPTE-TT, EBU-TT and IMSC) and SCC are
read by ttconv, which Sandflow and the authors of these standards keep; ASS by FFmpeg.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from encoder.errors import MasterError
from encoder.ffmpeg.graph import file_url
from encoder.text import webvtt
from encoder.text.cues import cues_of
from encoder.text.markup import from_srt
from encoder.text.webvtt import Cue, MalformedError, Subtitles

# The subtitles of a film take a tenth of a megabyte, as TTML with all its styles one or two.
MOST_BYTES = 16 << 20
_SRT_TIME = r"(\d{1,3}):([0-5]?\d):([0-5]?\d)[,.](\d{1,3})"
_SRT_TIMING = re.compile(rf"{_SRT_TIME}\s*-->\s*{_SRT_TIME}(?:\s.*)?", re.ASCII)
# Those whose letters Windows-1252 has: for others a guess would turn text into nonsense.
_WESTERN = frozenset(
    (
        "ca",
        "da",
        "de",
        "en",
        "es",
        "eu",
        "fi",
        "fr",
        "ga",
        "gl",
        "id",
        "is",
        "it",
        "ms",
        "nb",
        "nl",
        "no",
        "pt",
        "sv",
    )
)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A file of subtitles, the language that it is in (BCP 47) and what it is for: of ``sdh``,
    ``forced``, ``commentary``, ``default``."""

    path: Path
    language: str
    traits: tuple[str, ...] = ()


def content(path: Path) -> bytes:
    """The bytes of a sidecar.

    Raises:
        MasterError: when it cannot be read, or is too large to be one.
    """
    try:
        if not path.is_file():
            raise MasterError("There is no such file of subtitles", where=str(path))
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise MasterError(
            "The subtitles cannot be read",
            where=str(path),
            why=error.strerror or str(error),
            hint="Ask its owner for permission to read it (chmod +r)",
        ) from error
    if len(data) > MOST_BYTES:
        raise MasterError(
            "The file is too large for subtitles",
            where=str(path),
            why=f"it has more than {MOST_BYTES >> 20} MiB",
            hint="Give the file of subtitles, not the one that they are embedded in",
        )
    return data


def digest(sidecar: Sidecar) -> str:
    """The SHA-256 of a sidecar's content.

    Raises:
        MasterError: as :func:`content`.
    """
    return hashlib.sha256(content(sidecar.path)).hexdigest()


def read_sidecar(sidecar: Sidecar, warn: Callable[[str], None]) -> tuple[str, Subtitles]:
    """The format of a sidecar, and its subtitles; its time 0 is the first reference picture.

    Args:
        sidecar: the file.
        warn: told when its encoding had to be assumed.

    Raises:
        MasterError: when it cannot be read, or is malformed; names the line where it is.
    """
    path = sidecar.path
    data = content(path)
    try:
        text = _decoded(data, sidecar, warn)
        return _read(text, path)
    except MalformedError as error:
        raise MasterError(
            "The subtitles are malformed",
            where=f"{path}, line {error.line}",
            why=error.why,
            hint="Mend that line, or export the file anew",
        ) from error


def _read(text: str, path: Path) -> tuple[str, Subtitles]:
    head = text.lstrip()
    if text.startswith("WEBVTT"):
        return "webvtt", webvtt.parse(text)
    if head.startswith("Scenarist_SCC"):
        return "scc", _converted(text, path, "scc")
    if head.startswith("<"):
        return "ttml", _converted(text, path, "ttml")
    if re.match(r"\[Script Info\]", head, re.I):
        return "ass", _ass(path)
    if re.match(r"(?:\d+\s*\n\s*)?\d{1,3}:\d", head):
        return "subrip", parse_srt(text)
    line = text[: len(text) - len(head)].count("\n") + 1
    raise MalformedError(
        line, "this is no SubRip, WebVTT, ASS, TTML or SCC" if head else "it is empty"
    )


def parse_srt(text: str) -> Subtitles:
    """Subtitles of a SubRip file.

    Raises:
        MalformedError: when it is none.
    """
    lines = text.splitlines()
    cues: list[Cue] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        if re.fullmatch(r"\s*\d+\s*", lines[at], re.ASCII):
            at += 1
        found = _SRT_TIMING.fullmatch(lines[at].strip()) if at < len(lines) else None
        if found is None:
            said = f"{lines[at].strip()[:60]!r}" if at < len(lines) else "the end of the file"
            raise MalformedError(at + 1, f"{said} where 00:00:01,000 --> 00:00:02,000 belongs")
        start, end = _srt_time(*found.groups()[:4]), _srt_time(*found.groups()[4:])
        if end < start:
            raise MalformedError(at + 1, "the subtitle ends before it starts")
        at += 1
        first = at
        while at < len(lines) and lines[at].strip():
            if "-->" in lines[at]:
                raise MalformedError(at + 1, "a time in a text; an empty line parts subtitles")
            at += 1
        body, settings = from_srt("\n".join(lines[first:at]))
        if body and end > start:
            cues.append(Cue(start, end, body, settings))
        if len(cues) > webvtt.MOST_CUES:
            raise MalformedError(at, f"more than {webvtt.MOST_CUES} subtitles")
    return Subtitles(webvtt.ordered(cues))


def _srt_time(hours: str, minutes: str, seconds: str, part: str) -> Fraction:
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + Fraction(int(part), 10 ** len(part))


def _ass(path: Path) -> Subtitles:
    av.logging.set_level(None)
    options = {"protocol_whitelist": "file", "format_whitelist": "ass"}
    try:
        with av.open(file_url(path), format="ass", options=options) as container:
            stream = container.streams.subtitles[0]
            return Subtitles(cues_of(container.demux(stream), stream))
    except (av.FFmpegError, IndexError) as error:
        raise MalformedError(1, f"FFmpeg cannot read it: {error}") from error


def scenarist(text: str) -> Subtitles:
    """The captions of a Scenarist file.

    Raises:
        MalformedError: when it is none.
    """
    return _converted(text, Path(), "scc")


def _converted(text: str, path: Path, kind: str) -> Subtitles:
    if kind == "ttml" and (found := re.search("<!(DOCTYPE|ENTITY)", text)):
        # Entities can be made to grow without end, and TTML needs none.
        line = text.count("\n", 0, found.start()) + 1
        raise MalformedError(line, "a document type is not allowed in TTML")
    # They take long to load, and most titles have none.
    import logging
    import xml.etree.ElementTree as ET

    from ttconv.imsc.reader import to_model as from_ttml
    from ttconv.scc.reader import to_model as from_scc
    from ttconv.vtt.writer import from_model as to_vtt

    logging.getLogger("ttconv").setLevel(logging.CRITICAL)
    try:
        if kind == "ttml":
            # Declarations of another encoding no longer hold: this is text.
            text = re.sub(r"^\s*<\?xml.*?\?>", "", text, count=1, flags=re.S)
            model = from_ttml(ET.parse(io.StringIO(text)))
        else:
            model = from_scc(text)
        made = to_vtt(model) if model is not None else "WEBVTT\n"
    except ET.ParseError as error:
        raise MalformedError(error.position[0], f"no well-formed XML: {error.msg}") from error
    except Exception as error:  # ttconv raises whatever comes
        raise MalformedError(1, f"ttconv cannot read it as {kind.upper()}: {error}") from error
    return webvtt.parse(made)


def _decoded(data: bytes, sidecar: Sidecar, warn: Callable[[str], None]) -> str:
    """Text of UTF-8, or UTF-16 with a byte order mark; Windows-1252 where the language has no other
    letters, which is said."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "utf-16"
    elif data[:256].count(0):
        raise MalformedError(1, "it is binary, or UTF-16 without a byte order mark")
    else:
        name = "utf-8-sig"
    try:
        return _newlines(data.decode(name))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if name == "utf-16" or sidecar.language.split("-")[0] not in _WESTERN:
            hint = "convert it with iconv -t UTF-8"
            raise MalformedError(line, f"it is not {name.removesuffix('-sig')}: {hint}") from error
        warn(
            f"{os.fspath(sidecar.path)}: line {line} is not UTF-8; Windows-1252 is assumed of the "
            "file, as is usual for its language"
        )
        return _newlines(data.decode("cp1252", "replace"))


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
