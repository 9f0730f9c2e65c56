"""What a track's sample entry says of its coding: ISO/IEC 14496-12 8.5.2 and the codecs' records.

Codec strings follow RFC 6381; their forms are of ISO/IEC 14496-15 Annex E (AVC), the AV1 ISOBMFF
binding 5 (AV1) and ISO/IEC 14496-3 (AAC).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from encoder.media.protection import Protected
from encoder.package.cursor import Box, Cursor, Damaged, children, only
from encoder.package.protect_boxes import parse_protection

_VISUAL_HEADER = 78
_AUDIO_HEADER = 28

# Channels of an MPEG-4 channelConfiguration (ISO/IEC 23091-3, the same indices).
_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 11: 7, 12: 8, 14: 8}

# What a player assumes of AV1 when the codec string stops after the bit depth: 4:2:0, BT.709,
# limited range.
_AV1_DEFAULTS = "0.110.01.01.01.0"


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """A codec string, and the size or the sound it goes with (0 where it does not apply).

    ``protected`` is how samples are encrypted, None where they are clear.
    """

    codec_string: str
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0
    protected: Protected | None = None


def parse_sample_entry(stsd: Box, handler: str) -> SampleEntry:
    """The one sample entry of an ``stsd`` box.

    Args:
        stsd: the box.
        handler: the track's handler type, ``vide`` or ``soun``.

    Raises:
        Damaged: when it is malformed or of a coding that is not supported.
    """
    cursor = Cursor(stsd.payload, stsd.path)
    cursor.full_box()
    if (count := cursor.u32()) != 1:
        raise Damaged(f"{stsd.path} has {count} sample entries, not 1")
    entry = only(children(cursor.rest(), stsd.path))
    if handler == "vide":
        return _visual(entry)
    return _audio(entry)


def _visual(entry: Box) -> SampleEntry:
    cursor = Cursor(entry.payload, entry.path)
    head = Cursor(cursor.take(_VISUAL_HEADER), entry.path)
    head.take(24)
    width, height = head.u16(), head.u16()
    boxes = {box.kind: box for box in children(cursor.rest(), entry.path)}
    if "pasp" in boxes:
        aspect = Cursor(boxes["pasp"].payload, boxes["pasp"].path)
        if aspect.u32() != aspect.u32():
            raise Damaged(f"{aspect.path} says that pixels are not square")
    kind, protected = parse_protection(entry.kind, boxes)
    if kind not in ("avc1", "avc3", "hvc1", "av01", "vp09"):
        raise Damaged(f"{entry.path} is a coding that is not packaged")
    codec = video_codec(kind, boxes, entry)
    return SampleEntry(codec, width=width, height=height, protected=protected)


def video_codec(kind: str, boxes: Mapping[str, Box], entry: Box) -> str:
    """The codec string of a visual sample entry.

    Args:
        kind: its coding; that of the clear samples where they are encrypted.
        boxes: what it holds.
        entry: the sample entry.

    Raises:
        Damaged: when its record is missing, malformed, or of a coding that is not known.
    """
    if kind in ("avc1", "avc3"):
        return _avc(kind, _need(boxes, "avcC", entry))
    if kind in ("hvc1", "hev1"):
        return _hevc(kind, _need(boxes, "hvcC", entry))
    if kind == "av01":
        return _av1(_need(boxes, "av1C", entry), boxes.get("colr"))
    if kind == "vp09":
        return _vp9(_need(boxes, "vpcC", entry))
    raise Damaged(f"{entry.path} is a coding that is not known")


def _audio(entry: Box) -> SampleEntry:
    cursor = Cursor(entry.payload, entry.path)
    head = Cursor(cursor.take(_AUDIO_HEADER), entry.path)
    head.take(8)
    if head.u16() != 0:
        raise Damaged(f"{entry.path} is a QuickTime sound description")
    head.take(6)
    channels = head.u16()
    head.take(6)
    sample_rate = head.u32() >> 16
    boxes = {box.kind: box for box in children(cursor.rest(), entry.path)}
    kind, protected = parse_protection(entry.kind, boxes)
    if kind not in ("mp4a", "ac-3", "ec-3", "Opus"):
        raise Damaged(f"{entry.path} is a coding that is not packaged")
    codec, channels = audio_codec(kind, boxes, entry, channels)
    if kind == "mp4a" and not codec.startswith("mp4a.40."):
        raise Damaged(f"{entry.path} is not MPEG-4 audio but {codec}")
    return SampleEntry(codec, sample_rate=sample_rate, channels=channels, protected=protected)


# Full-bandwidth channels of each audio coding mode (ATSC A/52, table 5.8).
_ACMOD = (2, 1, 2, 3, 3, 4, 4, 5)


def audio_codec(kind: str, boxes: Mapping[str, Box], entry: Box, channels: int) -> tuple[str, int]:
    """The codec string of an audio sample entry, and its channels.

    Args:
        kind: its coding; that of the clear samples where they are encrypted.
        boxes: what it holds.
        entry: the sample entry.
        channels: the entry's own count, used where the coding does not say better.

    Raises:
        Damaged: when its record is missing, malformed, or of a coding that is not known.
    """
    if kind == "mp4a":
        codec, configuration = _esds(_need(boxes, "esds", entry))
        return codec, _CHANNELS.get(configuration, channels)
    if kind == "ac-3" and "dac3" in boxes:
        # ETSI TS 102 366, F.4: fscod 2, bsid 5, bsmod 3, acmod 3, lfeon 1 bits.
        bits = int.from_bytes(boxes["dac3"].payload[:3].ljust(3, b"\0"), "big")
        return kind, _ACMOD[bits >> 11 & 7] + (bits >> 10 & 1)
    if kind == "ec-3" and "dec3" in boxes:
        # F.6: data_rate 13, num_ind_sub 3, then fscod 2, bsid 5, reserved 1, asvc 1, bsmod 3,
        # acmod 3, lfeon 1 bits of the first substream.
        bits = int.from_bytes(boxes["dec3"].payload[:4].ljust(4, b"\0"), "big")
        return kind, _ACMOD[bits >> 1 & 7] + (bits & 1)
    if kind in ("ac-3", "ec-3", "Opus", "fLaC"):
        return kind, channels
    raise Damaged(f"{entry.path} is a coding that is not known")


def _need(boxes: Mapping[str, Box], kind: str, entry: Box) -> Box:
    if kind not in boxes:
        raise Damaged(f"{entry.path} has no {kind}")
    return boxes[kind]


def _avc(kind: str, record: Box) -> str:
    cursor = Cursor(record.payload, record.path)
    if cursor.u8() != 1:
        raise Damaged(f"{record.path} is of an unknown version")
    return f"{kind}.{cursor.take(3).hex()}"


def _hevc(kind: str, record: Box) -> str:
    """ISO/IEC 14496-15 E.3: profile, compatibility in reverse order, tier, level, constraints."""
    cursor = Cursor(record.payload, record.path)
    if cursor.u8() != 1:
        raise Damaged(f"{record.path} is of an unknown version")
    profile, compatible = cursor.u8(), cursor.u32()
    constraints, level = cursor.take(6), cursor.u8()
    space = ("", "A", "B", "C")[profile >> 6]
    reverse = int(f"{compatible:032b}"[::-1], 2)
    tier = "H" if profile & 0x20 else "L"
    parts = [kind, f"{space}{profile & 0x1F}", f"{reverse:X}", f"{tier}{level}"]
    return ".".join([*parts, *(f"{byte:X}" for byte in constraints.rstrip(bytes(1)))])


def _vp9(record: Box) -> str:
    cursor = Cursor(record.payload, record.path)
    cursor.full_box()
    return f"vp09.{cursor.u8():02d}.{cursor.u8():02d}.{cursor.u8() >> 4:02d}"


def _av1(record: Box, colr: Box | None) -> str:
    cursor = Cursor(record.payload, record.path)
    if cursor.u8() != 0x81:
        raise Damaged(f"{record.path} is of an unknown version")
    second, third = cursor.u8(), cursor.u8()
    profile, level = second >> 5, second & 0x1F
    tier = "H" if third & 0x80 else "M"
    depth = (12 if third & 0x20 else 10) if third & 0x40 else 8
    short = f"av01.{profile}.{level:02d}{tier}.{depth:02d}"
    monochrome, x, y = third >> 4 & 1, third >> 3 & 1, third >> 2 & 1
    position = third & 3 if x and y else 0
    primaries, transfer, matrix, full = (1, 1, 1, 0) if colr is None else _nclx(colr)
    long = f"{monochrome}.{x}{y}{position}.{primaries:02d}.{transfer:02d}.{matrix:02d}.{full}"
    return short if long == _AV1_DEFAULTS else f"{short}.{long}"


def _nclx(colr: Box) -> tuple[int, int, int, int]:
    cursor = Cursor(colr.payload, colr.path)
    if cursor.take(4) != b"nclx":
        return (1, 1, 1, 0)
    return cursor.u16(), cursor.u16(), cursor.u16(), cursor.u8() >> 7


def _esds(box: Box) -> tuple[str, int]:
    """The codec string and the channel configuration (0: not one of the standard ones).

    The string of what is not MPEG-4 audio ends with its object type, as mp4a.6b of MP3 (RFC 6381
    3.3), and its configuration is not read.
    """
    cursor = Cursor(box.payload, box.path)
    cursor.full_box()
    stream = Cursor(_descriptor(cursor, 3), box.path)
    stream.u16()
    flags = stream.u8()
    if flags & 0x80:
        stream.u16()
    if flags & 0x40:
        stream.take(stream.u8())
    if flags & 0x20:
        stream.u16()
    decoder = Cursor(_descriptor(stream, 4), box.path)
    coding = decoder.u8()
    if coding != 0x40:
        return f"mp4a.{coding:02x}", 0
    decoder.take(12)
    config = _descriptor(decoder, 5)
    object_type, configuration = audio_specific_config(config, box.path)
    return f"mp4a.40.{object_type}", configuration


def _descriptor(cursor: Cursor, tag: int) -> bytes:
    """The content of the next MPEG-4 descriptor (ISO/IEC 14496-1 8.3.3)."""
    if (found := cursor.u8()) != tag:
        raise Damaged(f"{cursor.path} has descriptor {found} where {tag} belongs")
    size = 0
    for _ in range(4):
        byte = cursor.u8()
        size = size << 7 | byte & 0x7F
        if not byte & 0x80:
            return cursor.take(size)
    raise Damaged(f"{cursor.path} has a descriptor without an end to its size")


_SBR, _PS = 5, 29
_SYNC_SBR, _SYNC_PS = 0x2B7, 0x548


def audio_specific_config(data: bytes, path: str) -> tuple[int, int]:
    """Object type and channel configuration (ISO/IEC 14496-3 1.6.2.1).

    Of HE-AAC the type is that of what makes it: 5 with SBR, 29 with parametric stereo as well, be
    that said in front (hierarchically) or behind what a plain decoder reads (1.6.6.1). What is said
    in the samples alone is not known. Parametric stereo is of two channels, though one is coded.

    Args:
        data: the AudioSpecificConfig.
        path: of the box it is from, for messages.

    Raises:
        Damaged: when it is cut short.
    """
    bits = int.from_bytes(data)
    left = len(data) * 8

    def take(count: int) -> int:
        nonlocal left
        left -= count
        if left < 0:
            raise Damaged(f"{path} has a truncated AudioSpecificConfig")
        return bits >> left & (1 << count) - 1

    def object_type() -> int:
        found = take(5)
        return 32 + take(6) if found == 31 else found

    def rate() -> None:
        if take(4) == 15:
            take(24)

    coding = object_type()
    rate()
    channels = take(4)
    if coding == 2 and channels:
        # GASpecificConfig (4.4.1): the length of frames, and a delay where there is a core coder.
        take(1)
        if take(1):
            take(14)
        take(1)
        if left >= 16 and take(11) == _SYNC_SBR and object_type() == _SBR and take(1):
            coding = _SBR
            rate()
            # Encoders say that there is, of sound that is coded in stereo, where there cannot be.
            if left >= 12 and take(11) == _SYNC_PS and take(1) and channels == 1:
                coding = _PS
    return coding, 2 if coding == _PS and channels == 1 else channels
