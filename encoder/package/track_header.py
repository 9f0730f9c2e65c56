"""What the ``moov`` of a track file says (ISO/IEC 14496-12 8.2 to 8.8)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from encoder.package.cursor import Box, Cursor, Damaged, at_most_one, children, four, only
from encoder.package.protect_boxes import box
from encoder.package.sample_entry import SampleEntry, parse_sample_entry

_HANDLERS: dict[str, Literal["video", "audio"]] = {"vide": "video", "soun": "audio"}


@dataclass(frozen=True, slots=True)
class Header:
    """What ``moov`` says; times are ticks, ``skip`` what the edit list leaves out at the start."""

    kind: Literal["video", "audio"]
    track_id: int
    timescale: int
    language: str
    skip: int
    entry: SampleEntry
    default_duration: int
    default_size: int
    default_flags: int


def parse_moov(moov: Box) -> Header:
    """Reads the box.

    Raises:
        Damaged: when it is not that of a single track, or edits it in a way players do not follow.
    """
    boxes = children(moov.payload, moov.path)
    trak_box = only(boxes, "trak", moov.path)
    trak = children(trak_box.payload, trak_box.path)
    mdia_box = only(trak, "mdia", trak_box.path)
    mdia = children(mdia_box.payload, mdia_box.path)

    tkhd = only(trak, "tkhd", trak_box.path)
    cursor = Cursor(tkhd.payload, tkhd.path)
    version, _ = cursor.full_box()
    cursor.take(16 if version else 8)
    track_id = cursor.u32()

    mdhd = only(mdia, "mdhd", mdia_box.path)
    cursor = Cursor(mdhd.payload, mdhd.path)
    version, _ = cursor.full_box()
    cursor.take(16 if version else 8)
    timescale = cursor.u32()
    cursor.sized(version)
    packed = cursor.u16()
    if timescale == 0:
        raise Damaged(f"{mdhd.path} has a timescale of 0")

    hdlr = only(mdia, "hdlr", mdia_box.path)
    cursor = Cursor(hdlr.payload, hdlr.path)
    cursor.full_box()
    cursor.u32()
    handler = four(cursor.take(4))
    if handler not in _HANDLERS:
        raise Damaged(f"{hdlr.path} is {handler}: neither video nor audio")

    minf = only(mdia, "minf", mdia_box.path)
    stbl = only(children(minf.payload, minf.path), "stbl", minf.path)
    stsd = only(children(stbl.payload, stbl.path), "stsd", stbl.path)

    mvex = only(boxes, "mvex", moov.path)
    trex = only(children(mvex.payload, mvex.path), "trex", mvex.path)
    cursor = Cursor(trex.payload, trex.path)
    cursor.full_box()
    if cursor.u32() != track_id:
        raise Damaged(f"{trex.path} is for another track")
    cursor.u32()
    duration, size, flags = cursor.u32(), cursor.u32(), cursor.u32()
    cursor.end()

    entry = parse_sample_entry(stsd, handler)
    if entry.protected is not None:
        systems = tuple(box("pssh", one.payload) for one in boxes if one.kind == "pssh")
        entry = replace(entry, protected=replace(entry.protected, pssh=systems))

    return Header(
        kind=_HANDLERS[handler],
        track_id=track_id,
        timescale=timescale,
        language="".join(chr((packed >> shift & 0x1F) + 0x60) for shift in (10, 5, 0)),
        skip=_parse_edits(at_most_one(trak, "edts", trak_box.path)),
        entry=entry,
        default_duration=duration,
        default_size=size,
        default_flags=flags,
    )


def _parse_edits(edts: Box | None) -> int:
    """The ticks of media that the edit list leaves out at the start.

    CMAF allows a single edit that offsets the media; anything else would be lost on players.
    """
    if edts is None:
        return 0
    elst = only(children(edts.payload, edts.path), "elst", edts.path)
    cursor = Cursor(elst.payload, elst.path)
    version, _ = cursor.full_box()
    count = cursor.u32()
    if count != 1:
        raise Damaged(f"its {count} edits delay or cut the track, which players do not follow")
    cursor.sized(version)
    media_time = cursor.i64() if version else cursor.i32()
    rate = cursor.u32()
    cursor.end()
    if media_time < 0 or rate != 0x10000:
        raise Damaged("its edit delays or stretches the track, which players do not follow")
    return media_time
