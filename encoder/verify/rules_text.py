"""Rules about subtitles: WebVTT whole and in segments (RFC 8216 3.5, W3C WebVTT)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from encoder.text.webvtt import Cue, MalformedError, parse
from encoder.verify.subject import Part, Stream, Subject
from encoder.verify.verdict import Check, Hit, Needs, Place, Rule

_CLOCK = 90_000
_MOST = 16 << 20
# Of a track; those of a title of a day are fewer.
_MOST_CUES = 50_000
# Times of cues have thousandths, those of segments are rounded too.
_ROUNDING = Fraction(2, 1000)


@dataclass(frozen=True, slots=True)
class _Read:
    """A segment and what is in it: when it is shown, by its playlist, and how much is to be added
    to the times of its cues."""

    part: Part
    start: Fraction
    end: Fraction
    cues: tuple[Cue, ...]
    offset: Fraction
    where: str


def _text(s: Subject, part: Part) -> str:
    data = s.files.read(part.name, part.offset, min(part.size, _MOST))
    return data.decode("utf-8-sig")


def _segments(s: Subject, stream: Stream) -> list[_Read]:
    """The segments that can be read."""
    made, at, count = [], Fraction(0), 0
    for part in stream.parts:
        start, at = at, at + part.duration
        if not part.size or count > _MOST_CUES:
            continue
        try:
            text = _text(s, part)
            cues = parse(text).cues
            count += len(cues)
        except (MalformedError, UnicodeDecodeError):
            continue
        found = re.search(r"^X-TIMESTAMP-MAP=(.*)$", text.partition("\n\n")[0], re.M)
        said = found[1].strip() if found else ""
        made.append(_Read(part, start, at, cues, _offset(said), said))
    return made


def _offset(said: str) -> Fraction:
    """What X-TIMESTAMP-MAP adds to the times of cues, in seconds."""
    mpegts = re.search(r"MPEGTS:(\d{1,12})", said, re.ASCII)
    local = re.search(r"LOCAL:(?:(\d{2,4}):)?(\d\d):(\d\d)\.(\d{3})", said, re.ASCII)
    if not mpegts or not local:
        return Fraction(0)
    hours, minutes, seconds, part = (int(one or 0) for one in local.groups())
    at = Fraction(((hours * 60 + minutes) * 60 + seconds) * 1000 + part, 1000)
    return Fraction(int(mpegts[1]), _CLOCK) - at


def _media_start(s: Subject) -> Fraction | None:
    """When the pictures start on the clock that X-TIMESTAMP-MAP leads to, in seconds; None where
    that is not known, as of MPEG-TS."""
    for _, stream in s.media_playlists():
        first = stream.parts[0] if stream.parts else None
        if stream.kind == "video" and stream.readable and first and first.fragments:
            return stream.span(first.fragments)[0]
    return None


def _streams(s: Subject) -> Iterator[Stream]:
    """What HLS plays of WebVTT."""
    for _, stream in s.media_playlists():
        if stream.container == "vtt":
            yield stream


def well_formed(s: Subject) -> Iterator[Hit]:
    seen = set()
    for stream in s.every():
        for part in stream.parts if stream.container == "vtt" else ():
            if not part.size or part.name in seen:
                continue
            seen.add(part.name)
            try:
                parse(_text(s, part))
            except MalformedError as error:
                yield Hit(Place(part.name, line=error.line), error.why, "WebVTT")
            except UnicodeDecodeError as error:
                yield Hit(Place(part.name, offset=error.start), "not UTF-8", "WebVTT in UTF-8")


def one_map(s: Subject) -> Iterator[Hit]:
    for stream in _streams(s):
        read = _segments(s, stream)
        # A map may change with the clock's 33 bits only.
        wanted = read[0].offset if read else Fraction(0)
        for one in read:
            if one.offset != wanted:
                place = Place(one.part.name, line=2)
                yield Hit(place, one.where or "no X-TIMESTAMP-MAP", read[0].where)
                break


def in_their_segment(s: Subject) -> Iterator[Hit]:
    known = _media_start(s)
    for stream in _streams(s):
        read = _segments(s, stream)
        if len(read) < 2:
            continue
        for one in read:
            # Where the media's clock is not known, that of the first segment is taken to be right.
            shift = one.offset - (read[0].offset if known is None else known)
            wrong = [
                cue
                for cue in one.cues
                if cue.start + shift > one.end + _ROUNDING
                or cue.end + shift < one.start - _ROUNDING
            ]
            if wrong:
                start, end = wrong[0].start + shift, wrong[0].end + shift
                found = f"a cue from {_tell(start)} to {_tell(end)}"
                wanted = f"cues of {_tell(one.start)} to {_tell(one.end)}"
                yield Hit(Place(one.part.name), found, wanted)
                break


def repeated(s: Subject) -> Iterator[Hit]:
    for stream in _streams(s):
        read = _segments(s, stream)
        inside = [set(one.cues) for one in read]
        lost = next(_lost(read, inside), None)
        if lost is not None:
            number, cue = lost
            times = f"{_tell(cue.start)} to {_tell(cue.end)}"
            place = Place(read[number].part.name)
            yield Hit(place, f"no cue of {times}", "all that are shown then")


def _lost(read: list[_Read], inside: list[set[Cue]]) -> Iterator[tuple[int, Cue]]:
    """Cues that a segment lacks though its neighbour has them: its number, and the cue."""
    for number, one in enumerate(read):
        for cue in one.cues:
            for step in (1, -1):
                other = number + step
                while (
                    0 <= other < len(read)
                    and cue.start + _ROUNDING < read[other].end
                    and cue.end - _ROUNDING > read[other].start
                ):
                    if cue not in inside[other]:
                        yield other, cue
                    other += step


def same_in_both(s: Subject) -> Iterator[Hit]:
    hls: dict[str, set[Cue]] = {}
    start = _media_start(s) or Fraction(0)
    for tag, stream in s.renditions("SUBTITLES"):
        if stream is not None and stream.container == "vtt":
            language = tag.attributes.get("LANGUAGE", "und")
            hls.setdefault(language, set()).update(
                _shifted(cue, one.offset - start)
                for one in _segments(s, stream)
                for cue in one.cues
            )
    dash: dict[str, set[Cue]] = {}
    for one in s.representations:
        if one.stream.container == "vtt":
            cues = {cue for part in _segments(s, one.stream) for cue in part.cues}
            dash.setdefault(one.get("lang") or "und", set()).update(cues)
    if not s.mpd or s.master is None:
        return
    for language in sorted({*hls, *dash}):
        here, there = hls.get(language, set()), dash.get(language, set())
        if here != there:
            found = (
                f"{language}: {len(here - there)} cues in HLS alone, {len(there - here)} in DASH"
            )
            yield Hit(Place(s.mpd), found, "the same subtitles in both")


def _shifted(cue: Cue, by: Fraction) -> Cue:
    """A cue as it is shown, to the thousandth of a second, as cues' times are."""
    start, end = (Fraction(round((time + by) * 1000), 1000) for time in (cue.start, cue.end))
    return replace(cue, start=start, end=end)


def _tell(time: Fraction) -> str:
    return f"{float(time):.3f} s"


def _rule(name: str, text: str, needs: Needs, fix: str, check: Check, *, must: bool = True) -> Rule:
    return Rule(name, text, "must" if must else "should", needs, fix, check)


RULES = (
    _rule(
        "WebVTT",
        "Subtitles are well-formed WebVTT",
        "media",
        "Write WEBVTT in the first line, an empty line before each "
        "cue, and hh:mm:ss.mmm times, in UTF-8",
        well_formed,
    ),
    _rule(
        "RFC 8216 3.5 map",
        "X-TIMESTAMP-MAP maps all segments of a track alike",
        "hls",
        "Write the same X-TIMESTAMP-MAP into each",
        one_map,
    ),
    _rule(
        "RFC 8216 3.5 time",
        "A WebVTT segment holds cues of its own time only",
        "hls",
        "Cut the subtitles where the video's segments are",
        in_their_segment,
    ),
    _rule(
        "RFC 8216 3.5 repeated",
        "A cue is in every segment that it is shown in",
        "hls",
        "Repeat cues that go across a boundary",
        repeated,
    ),
    _rule(
        "OURS subtitles",
        "HLS and DASH show the same subtitles",
        "multivariant",
        "Write both from the same cues: HLS adds X-TIMESTAMP-MAP to their times, DASH does not",
        same_in_both,
        must=False,
    ),
)
