"""Reads initialisation segments (ISO/IEC 14496-12, 14496-15, 23001-7), whoever made them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from encoder.package.cursor import Box, Cursor, Damaged, children, four, only
from encoder.package.sample_entry import audio_codec, video_codec

_VISUAL_HEADER = 78
_AUDIO_HEADER = 28
_HANDLERS = {"vide": "video", "soun": "audio", "text": "text", "subt": "text"}


@dataclass(frozen=True, slots=True)
class Coding:
    """What the sample entry says.

    ``kind`` is the coding of the clear samples, ``record`` its configuration record, ``nal_length``
    the bytes before each NAL unit (0 where there are none). ``rate`` is the sampling rate of sound
    in Hz (0 where it is not known), ``pixel`` the shape of a pixel (``pasp``), None where the entry
    does not say. ``colour`` is primaries, transfer, matrix and full range of an nclx box.
    ``scheme`` is empty when samples are clear; ``pattern`` are the encrypted and the skipped blocks
    of it, ``kid`` the hexadecimal identifier of the key.
    """

    kind: str
    codec: str
    width: int = 0
    height: int = 0
    channels: int = 0
    rate: int = 0
    pixel: tuple[int, int] | None = None
    record: bytes = b""
    nal_length: int = 0
    colour: tuple[int, int, int, int] | None = None
    scheme: str = ""
    pattern: tuple[int, int] = (0, 0)
    kid: str = ""


@dataclass(frozen=True, slots=True)
class Initialisation:
    """A track's header. ``skip`` are the ticks that its edit list leaves out, None without one;
    ``others`` is how many more tracks are in it. ``typed`` is whether ``ftyp`` comes first, and
    ``extended`` whether ``mvex`` announces fragments of the track."""

    kind: str
    track_id: int
    timescale: int
    language: str
    skip: int | None
    coding: Coding
    defaults: tuple[int, int, int]
    others: int
    digest: str
    typed: bool = True
    extended: bool = True


def read_initialisation(data: bytes) -> Initialisation:
    """Reads ``ftyp`` and ``moov``.

    Raises:
        Damaged: when it cannot be used.
    """
    boxes = children(data, "initialisation")
    moov = children(only(boxes, "moov").payload, "moov")
    traks = [children(box.payload, box.path) for box in moov if box.kind == "trak"]
    tracks = [(trak, _handler(trak)) for trak in traks]
    if not tracks:
        raise Damaged("moov has no track")
    # Where tracks are muxed, the pictures are what rules are about.
    trak, handler = next((one for one in tracks if one[1] == "vide"), tracks[0])
    mdia = _inside(trak, "mdia")
    tkhd = only(trak, "tkhd", "trak")
    cursor = Cursor(tkhd.payload, tkhd.path)
    version, _ = cursor.full_box()
    cursor.take(16 if version else 8)
    track_id = cursor.u32()
    mdhd = only(mdia, "mdhd", "mdia")
    cursor = Cursor(mdhd.payload, mdhd.path)
    version, _ = cursor.full_box()
    cursor.take(16 if version else 8)
    timescale = cursor.u32()
    cursor.sized(version)
    packed = cursor.u16()
    if not timescale:
        raise Damaged(f"{mdhd.path} has a timescale of 0")
    stbl = _inside(_inside(mdia, "minf"), "stbl")
    return Initialisation(
        kind=_HANDLERS.get(handler, "other"),
        track_id=track_id,
        timescale=timescale,
        language="".join(chr((packed >> shift & 0x1F) + 0x60) for shift in (10, 5, 0)),
        skip=_skip(trak),
        coding=_coding(only(stbl, "stsd", "stbl"), handler),
        defaults=_defaults(moov, track_id) or (0, 0, 0),
        others=len(tracks) - 1,
        digest=hashlib.sha256(data).hexdigest(),
        typed=boxes[0].kind in ("ftyp", "styp"),
        extended=_defaults(moov, track_id) is not None,
    )


def _inside(boxes: tuple[Box, ...], kind: str) -> tuple[Box, ...]:
    box = only(boxes, kind)
    return children(box.payload, box.path)


def _handler(trak: tuple[Box, ...]) -> str:
    box = only(_inside(trak, "mdia"), "hdlr", "mdia")
    cursor = Cursor(box.payload, box.path)
    cursor.take(8)
    return four(cursor.take(4))


def _skip(trak: tuple[Box, ...]) -> int | None:
    """Ticks before presentation, by the last edit that shows media; None without an edit list."""
    edts = next((box for box in trak if box.kind == "edts"), None)
    elst = None if edts is None else only(children(edts.payload, edts.path), "elst", "edts")
    if elst is None:
        return None
    cursor = Cursor(elst.payload, elst.path)
    version, _ = cursor.full_box()
    skip: int | None = None
    for _ in range(cursor.u32()):
        cursor.sized(version)
        start = cursor.i64() if version else cursor.i32()
        cursor.u32()
        skip = start if start >= 0 else skip
    return skip


def _defaults(moov: tuple[Box, ...], track_id: int) -> tuple[int, int, int] | None:
    """Duration, size and flags of samples that do not say; None where ``trex`` is missing."""
    for box in moov:
        for trex in children(box.payload, box.path) if box.kind == "mvex" else ():
            cursor = Cursor(trex.payload, trex.path)
            if trex.kind != "trex" or cursor.full_box() is None or cursor.u32() != track_id:
                continue
            cursor.u32()
            return cursor.u32(), cursor.u32(), cursor.u32()
    return None


def _coding(stsd: Box, handler: str) -> Coding:
    cursor = Cursor(stsd.payload, stsd.path)
    cursor.full_box()
    cursor.u32()
    entries = children(cursor.rest(), stsd.path)
    if not entries:
        raise Damaged(f"{stsd.path} has no sample entry")
    entry = entries[0]
    if handler == "vide":
        return _visual(entry)
    if handler == "soun":
        return _audio(entry)
    return Coding(entry.kind, entry.kind)


def _visual(entry: Box) -> Coding:
    cursor = Cursor(entry.payload, entry.path)
    head = Cursor(cursor.take(_VISUAL_HEADER), entry.path)
    head.take(24)
    width, height = head.u16(), head.u16()
    boxes = {box.kind: box for box in children(cursor.rest(), entry.path)}
    kind, scheme, pattern, kid = _protection(entry.kind, boxes)
    record, nal = b"", 0
    if kind in ("avc1", "avc3") and "avcC" in boxes:
        record = boxes["avcC"].payload
        nal = (record[4] & 3) + 1 if len(record) > 4 else 4
    elif kind in ("hvc1", "hev1") and "hvcC" in boxes:
        record = boxes["hvcC"].payload
        nal = (record[21] & 3) + 1 if len(record) > 21 else 4
    elif kind == "av01" and "av1C" in boxes:
        record = boxes["av1C"].payload
    return Coding(
        kind=kind,
        codec=video_codec(kind, boxes, entry),
        width=width,
        height=height,
        record=record,
        nal_length=nal,
        colour=_colour(boxes.get("colr")),
        pixel=_pixel(boxes.get("pasp")),
        scheme=scheme,
        pattern=pattern,
        kid=kid,
    )


def _pixel(pasp: Box | None) -> tuple[int, int] | None:
    if pasp is None or len(pasp.payload) < 8:
        return None
    cursor = Cursor(pasp.payload, pasp.path)
    return cursor.u32(), cursor.u32()


def _colour(colr: Box | None) -> tuple[int, int, int, int] | None:
    if colr is None or colr.payload[:4] != b"nclx" or len(colr.payload) < 11:
        return None
    cursor = Cursor(colr.payload[4:], colr.path)
    return cursor.u16(), cursor.u16(), cursor.u16(), cursor.u8() >> 7


def _audio(entry: Box) -> Coding:
    cursor = Cursor(entry.payload, entry.path)
    head = Cursor(cursor.take(_AUDIO_HEADER), entry.path)
    head.take(16)
    channels = head.u16()
    head.take(6)
    rate = head.u32() >> 16
    boxes = {box.kind: box for box in children(cursor.rest(), entry.path)}
    kind, scheme, pattern, kid = _protection(entry.kind, boxes)
    codec, channels = audio_codec(kind, boxes, entry, channels)
    return Coding(
        kind=kind,
        codec=codec,
        channels=channels,
        rate=rate,
        scheme=scheme,
        pattern=pattern,
        kid=kid,
    )


def _protection(kind: str, boxes: Mapping[str, Box]) -> tuple[str, str, tuple[int, int], str]:
    """The coding behind the encryption, its scheme, pattern and key (ISO/IEC 23001-7)."""
    if "sinf" not in boxes:
        return kind, "", (0, 0), ""
    scheme, pattern, kid = "unknown", (0, 0), ""
    for box in children(boxes["sinf"].payload, boxes["sinf"].path):
        if box.kind == "frma":
            kind = four(box.payload[:4])
        elif box.kind == "schm":
            scheme = four(box.payload[4:8])
        elif box.kind == "schi":
            for inner in children(box.payload, box.path):
                if inner.kind == "tenc" and len(inner.payload) > 5 and inner.payload[0] == 1:
                    pattern = inner.payload[5] >> 4, inner.payload[5] & 15
                if inner.kind == "tenc" and len(inner.payload) >= 24:
                    kid = inner.payload[8:24].hex()
    return kind, scheme, pattern, kid
