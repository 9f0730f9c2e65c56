"""Text of SubRip, Advanced SubStation Alpha and 3GPP's timed text as WebVTT's cue text.

Bold, italics, underline and the place at the top or bottom are kept; fonts, colours and movement
are not, which WebVTT has no words for that players agree on.
"""

from __future__ import annotations

import re
from itertools import groupby

from encoder.media.characters import clean

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# FFmpeg's words for a brace and a backslash that are no markup; ASS itself has none.
_LITERAL_BRACE, _LITERAL_BACKSLASH = r"\{{}", "\\\u2060"
# Two characters of no meaning, which stand for them meanwhile.
_BRACE, _BACKSLASH = "\ufdd0", "\ufdd1"
_OVERRIDE = re.compile(r"\{([^{}]*)\}")
_TAG = re.compile(r"<(/?)([a-zA-Z][\w.]*)[^<>]*>")
_STYLES = ("b", "i", "u")
# The bytes of a style of timed text: first and last character, font, face, size, colour.
_STYLE = 12


def from_ass(text: str) -> tuple[str, str]:
    """The cue text and settings of an event's text in ASS, without the fields before it."""
    made = _Styled()
    text = text.replace(_LITERAL_BRACE, _BRACE).replace(_LITERAL_BACKSLASH, _BACKSLASH)
    alignment, drawing, at = 2, False, 0
    for found in (*_OVERRIDE.finditer(text), None):
        plain = text[at : found.start() if found else len(text)]
        if not drawing:
            plain = re.sub(r"\\[Nn]", "\n", plain).replace("\\h", "\u00a0")
            made.add(plain.replace(_BRACE, "{").replace(_BACKSLASH, "\\"))
        if found is None:
            break
        at = found.end()
        for name, value in re.findall(r"\\(an|[biup]|r)(\d*)(?![a-zA-Z])", found[1]):
            if name == "an":
                alignment = int(value) if re.fullmatch("[1-9]", value) else alignment
            elif name == "p":
                drawing = value not in ("", "0")
            elif name == "r":
                made.reset()
            else:
                made.set(name, value not in ("", "0"))
    return made.text(), placed(alignment)


def placed(alignment: int) -> str:
    """Settings for an alignment as on a keypad: 1 to 3 below, 4 to 6 in the middle, 7 to 9 above,
    from the left to the right."""
    line = {1: "line:50%", 2: "line:0"}.get((alignment - 1) // 3, "")
    side = {1: "position:0% align:left", 0: "position:100% align:right"}.get(alignment % 3, "")
    return f"{line} {side}".strip()


def from_srt(text: str) -> tuple[str, str]:
    """The cue text and settings of a subtitle in SubRip, which knows a few tags of HTML and, by
    custom, ASS's alignment."""
    alignment = 2
    for value in re.findall(r"\{\\an([1-9])\}", text):
        alignment = int(value)
    text = _OVERRIDE.sub(lambda one: "" if one[1].startswith("\\") else one[0], text)
    made, at = _Styled(), 0
    for found in _TAG.finditer(text):
        name = found[2].lower()
        if name not in (*_STYLES, "font", "s"):
            continue
        made.add(_plain(text[at : found.start()]))
        at = found.end()
        if name in _STYLES:
            made.set(name, not found[1])
    made.add(_plain(text[at:]))
    return made.text(), placed(alignment)


def from_mov_text(sample: bytes) -> str:
    """The cue text of a sample of 3GPP's timed text (TS 26.245 5.17), which MP4 calls mov_text.

    Its text has no markup: styles are of characters by their numbers. ``\\N``, which stands in
    text that was taken over from ASS, is a new line, as players have it.
    """
    length = int.from_bytes(sample[:2])
    coded, rest = sample[2 : 2 + length], sample[2 + length :]
    wide = coded[:2] in (b"\xfe\xff", b"\xff\xfe")
    text = coded.decode("utf-16" if wide else "utf-8", "replace")
    faces = [0] * len(text)
    while len(rest) >= 8:
        size, kind = int.from_bytes(rest[:4]), rest[4:8]
        records = rest[10 : max(size, 8)] if kind == b"styl" else b""
        for at in range(0, len(records) - _STYLE + 1, _STYLE):
            first, end = (
                int.from_bytes(records[at : at + 2]),
                int.from_bytes(records[at + 2 : at + 4]),
            )
            for number in range(first, min(end, len(text))):
                faces[number] = records[at + 6]
        rest = rest[max(size, 8) :]
    made = _Styled()
    # As long as before, as styles count characters; empty lines are left out in the end.
    text = text.replace("\r", "\n").replace("\\N", "\n\n")
    for face, letters in groupby(range(len(text)), key=faces.__getitem__):
        for name, bit in zip(_STYLES, (1, 2, 4), strict=True):
            made.set(name, bool(face & bit))
        made.add("".join(text[number] for number in letters))
    return made.text()


def _plain(text: str) -> str:
    """Text in which the usual entities of HTML stand for what they mean."""
    for entity, meaning in (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u00a0"), ("&amp;", "&")):
        text = text.replace(entity, meaning)
    return text


class _Styled:
    """Runs of text, each bold, italic and underlined or not."""

    def __init__(self) -> None:
        self._runs: list[tuple[tuple[str, ...], str]] = []
        self._on: set[str] = set()

    def set(self, name: str, on: bool) -> None:
        (self._on.add if on else self._on.discard)(name)

    def reset(self) -> None:
        self._on.clear()

    def add(self, text: str) -> None:
        style = tuple(name for name in _STYLES if name in self._on)
        if text:
            self._runs.append((style, text))

    def text(self) -> str:
        """The cue text: tags nested rightly, no empty lines, which would end the cue."""
        parts: list[str] = []
        open_now: tuple[str, ...] = ()
        for style, text in (*self._runs, ((), "")):
            if style != open_now:
                parts += [f"</{name}>" for name in reversed(open_now)]
                parts += [f"<{name}>" for name in style]
                open_now = style
            parts.append("\n".join(map(clean, text.split("\n"))).translate(_ESCAPES))
        whole = "".join(parts)
        for name in _STYLES:
            whole = whole.replace(f"<{name}></{name}>", "")
        return "\n".join(line.strip(" ") for line in whole.split("\n") if line.strip(" "))
