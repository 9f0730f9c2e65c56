"""Packets of subtitles -> cues, by FFmpeg's decoders, all of which speak ASS.

SubRip and mov_text are read as they are: FFmpeg takes braces in them for commands of ASS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
from av.packet import Packet
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle

from encoder.text.markup import from_ass, from_mov_text, from_srt
from encoder.text.webvtt import Cue, ordered

# Shown until the next, or so long, where a container does not say how long.
_LONGEST_OPEN = Fraction(10)
# Read as a file of them is: FFmpeg takes what is between < and > for a tag, and backslashes for
# ASS's.
_SUBRIP = frozenset({"srt", "subrip"})
_MOV_TEXT = "mov_text"


def cues_of(packets: Iterable[Packet[SubtitleStream]], stream: SubtitleStream) -> tuple[Cue, ...]:
    """The cues of one stream, on the container's clock."""
    return closed(cue for packet in packets for cue in decoded(packet, stream))


def closed(cues: Iterable[Cue], offset: Fraction = Fraction(0)) -> tuple[Cue, ...]:
    """Cues in order, moved by ``offset`` to earlier; one that does not say how long it is shown is
    shown until the next."""
    found = ordered(cues)
    made = []
    for number, cue in enumerate(found):
        end = cue.end
        if end <= cue.start:
            later = (one.start for one in found[number + 1 : number + 50] if one.start > cue.start)
            end = min(next(later, cue.start + _LONGEST_OPEN), cue.start + _LONGEST_OPEN)
        made.append(replace(cue, start=cue.start - offset, end=end - offset))
    return tuple(made)


def decoded(packet: Packet[Any], stream: SubtitleStream) -> Iterator[Cue]:
    """The cues of a packet; one that cannot be decoded has none, as one without text."""
    if packet.pts is None or packet.time_base is None:
        return
    start = packet.pts * packet.time_base
    end = start + (packet.duration or 0) * packet.time_base
    if stream.codec_context.name in _SUBRIP:
        text, settings = from_srt(bytes(packet).decode("utf-8", "replace"))
        if text:
            yield Cue(start, end, text, settings)
        return
    if stream.codec_context.name == _MOV_TEXT:
        if text := from_mov_text(bytes(packet)):
            yield Cue(start, end, text)
        return
    try:
        found = stream.decode(packet)
    except av.FFmpegError:
        return
    for one in found or ():
        if isinstance(one, AssSubtitle):
            # ReadOrder, Layer, Style, Name, three margins and Effect come before the text.
            fields = one.ass.decode("utf-8", "replace").split(",", 8)
            text, settings = from_ass(fields[-1]) if len(fields) == 9 else ("", "")
            if text:
                yield Cue(start, end, text, settings)
