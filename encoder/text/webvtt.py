"""WebVTT (W3C): reading, strictly enough to name the line that is wrong, and writing.

Of our own, because the readers there are either drop what does not fit without a word, or lose a
cue's settings, and with them where on the picture the author put it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

# WebVTT 4.1: hours may have more than two digits, and be left out.
_TIME = r"(?:(\d{2,4}):)?([0-5]\d):([0-5]\d)\.(\d{3})"
_TIMING = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}(?:[ \t]+(.*))?", re.ASCII)
# No title has so many; a file made to harm could.
MOST_CUES = 100_000


class MalformedError(ValueError):
    """What is wrong with a text, and in which line of it, counted from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle: from ``start`` to before ``end``, in seconds; ``text`` is WebVTT's cue text, its
    lines parted by line feeds, ``settings`` what stands behind the times."""

    start: Fraction
    end: Fraction
    text: str
    settings: str = ""


@dataclass(frozen=True, slots=True)
class Subtitles:
    """The cues of one track, by their start, and the STYLE and REGION blocks that they refer to."""

    cues: tuple[Cue, ...]
    blocks: tuple[str, ...] = ()


def parse(text: str) -> Subtitles:
    """Subtitles of a WebVTT file.

    Comments and identifiers of cues are left out, and cues that last no time.

    Raises:
        MalformedError: when it is none.
    """
    lines = re.split("\r\n|\n|\r", text)
    if not re.match(r"WEBVTT(?:[ \t]|$)", lines[0]):
        raise MalformedError(1, "a WebVTT file starts with WEBVTT")
    cues: list[Cue] = []
    blocks: list[str] = []
    parts = _paragraphs(lines)
    if lines[0] and next(parts, None) is None:
        return Subtitles(())
    for number, block in parts:
        if block[0].startswith("NOTE") and not any("-->" in one for one in block):
            continue
        if re.fullmatch(r"(STYLE|REGION)[ \t]*", block[0]):
            if not cues:
                blocks.append("\n".join(block))
            continue
        at = 0 if "-->" in block[0] else 1
        if at == len(block) or "-->" not in block[at]:
            raise MalformedError(number, "no time of a cue: 00:01.000 --> 00:02.000")
        start, end, settings = _times(block[at], number + at)
        for step, one in enumerate(block[at + 1 :], number + at + 1):
            if "-->" in one:
                raise MalformedError(step, "--> in a text; an empty line parts cues")
        if end > start:
            cues.append(Cue(start, end, "\n".join(block[at + 1 :]), settings))
        if len(cues) > MOST_CUES:
            raise MalformedError(number, f"more than {MOST_CUES} cues")
    return Subtitles(ordered(cues), tuple(blocks))


def ordered(cues: Iterable[Cue]) -> tuple[Cue, ...]:
    """Cues by their start, as WebVTT wants them."""
    return tuple(sorted(cues, key=lambda cue: (cue.start, cue.end)))


def _paragraphs(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines that are not empty, each with the number of its first."""
    block: list[str] = []
    for number, line in enumerate((*lines, ""), 1):
        if line:
            block.append(line.replace("\0", "\ufffd"))
        elif block:
            yield number - len(block), block
            block = []


def _times(line: str, number: int) -> tuple[Fraction, Fraction, str]:
    found = _TIMING.fullmatch(line.strip())
    if found is None:
        raise MalformedError(number, f"{line.strip()[:60]!r} is no time of a cue")
    start, end = _time(*found.groups()[:4]), _time(*found.groups()[4:8])
    if end < start:
        raise MalformedError(number, "the cue ends before it starts")
    return start, end, (found[9] or "").strip()


def _time(hours: str | None, minutes: str, seconds: str, thousandths: str) -> Fraction:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return Fraction(whole * 1000 + int(thousandths), 1000)


def time_text(time: Fraction) -> str:
    """A time in seconds as ``hh:mm:ss.ttt``."""
    thousandths = round(time * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def render(cues: Iterable[Cue], blocks: Sequence[str] = (), *, head: str = "") -> str:
    """A WebVTT file.

    Args:
        cues: what is in it, by their start.
        blocks: the STYLE and REGION blocks.
        head: a line of metadata for the head, such as X-TIMESTAMP-MAP.
    """
    parts = ["\n".join(["WEBVTT", *([head] if head else [])]), *blocks]
    for cue in cues:
        settings = f" {cue.settings}" if cue.settings else ""
        times = f"{time_text(cue.start)} --> {time_text(cue.end)}{settings}"
        parts.append("\n".join([times, *([cue.text] if cue.text else [])]))
    return "\n\n".join(parts) + "\n"


def within(subtitles: Subtitles, duration: Fraction) -> Subtitles:
    """What of subtitles is shown from 0 to a title's end; cues are cut there."""
    cues = (
        replace(cue, start=max(cue.start, Fraction(0)), end=min(cue.end, duration))
        for cue in subtitles.cues
        if cue.end > 0 and cue.start < duration
    )
    # What would round to no time at all is no cue.
    return replace(subtitles, cues=ordered(c for c in cues if round((c.end - c.start) * 1000) > 0))
