"""The boxes of Common Encryption (ISO/IEC 23001-7 8, ISO/IEC 14496-12 8.7.8, 8.7.9, 8.12)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from encoder.media.protection import Protected
from encoder.package.cursor import Box, Cursor, Damaged, children, four, only

_STSD_HEADER = 8
_ENTRY_HEADERS = {"vide": 78, "soun": 28}
_SCHEME_VERSION = 0x00010000
# senc says of each sample which bytes are encrypted.
SUBSAMPLES = 0x02
# Sample entries of pictures that are encrypted.
VISUAL = ("avc1", "hvc1", "av01")
# The records of those that consist of NAL units.
_RECORDS = {"avc1": "avcC", "hvc1": "hvcC"}


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A ``moov`` that says how its samples are encrypted; ``record`` is what ``avcC`` or ``hvcC``
    of its sample entry holds, empty where samples do not consist of NAL units."""

    moov: bytes
    record: bytes


def box(kind: str, payload: bytes) -> bytes:
    """A box."""
    return struct.pack(">I4s", 8 + len(payload), kind.encode("ascii")) + payload


def full_box(kind: str, version: int, flags: int, payload: bytes) -> bytes:
    """A box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags) + payload)


def protected_moov(moov: bytes, said: Protected, constant: bytes) -> Rewritten:
    """A ``moov`` whose sample entry is an encrypted one.

    Args:
        moov: the box of a track whose samples are clear.
        said: the scheme, the key's identifier, and the boxes of protection systems.
        constant: the initialisation vector of all samples; empty where each has its own.

    Raises:
        Damaged: when it is not laid out so.
    """
    records: list[bytes] = []

    def entries(payload: bytes) -> bytes:
        entry = only(children(payload[_STSD_HEADER:], "stsd"))
        visual = entry.kind in VISUAL
        head = _ENTRY_HEADERS["vide" if visual else "soun"]
        if entry.kind in _RECORDS:
            inner = children(entry.payload[head:], entry.path)
            records.append(only(inner, _RECORDS[entry.kind], entry.path).payload)
        sealed = box(
            "encv" if visual else "enca", entry.payload + _sinf(entry.kind, said, constant)
        )
        return payload[:_STSD_HEADER] + sealed

    way = ("moov", "trak", "mdia", "minf", "stbl", "stsd")
    new = _rewritten(moov, way, entries)
    whole = new[8:] + b"".join(said.pssh)
    return Rewritten(box("moov", whole), records[0] if records else b"")


def _rewritten(data: bytes, way: Sequence[str], change: Callable[[bytes], bytes]) -> bytes:
    """Boxes with the payload of the one that the way leads to changed; sizes follow."""
    made = []
    for one in children(data, way[0]):
        payload = one.payload
        if one.kind == way[0]:
            rest = way[1:]
            payload = _rewritten(payload, rest, change) if rest else change(payload)
        made.append(box(one.kind, payload))
    return b"".join(made)


def _sinf(kind: str, said: Protected, constant: bytes) -> bytes:
    """ProtectionSchemeInfoBox, with the TrackEncryptionBox of ISO/IEC 23001-7 8.2."""
    crypt, skip = said.pattern
    vector = bytes([0]) + said.kid + bytes([len(constant)]) + constant
    if not constant:
        vector = bytes([8]) + said.kid
    tenc = bytes([0, crypt << 4 | skip, 1]) + vector
    frma = box("frma", kind.encode("ascii"))
    schm = full_box("schm", 0, 0, struct.pack(">4sI", said.scheme.encode(), _SCHEME_VERSION))
    version = 1 if skip else 0
    return box("sinf", frma + schm + box("schi", full_box("tenc", version, 0, tenc)))


def sample_record(iv: bytes, ranges: Sequence[tuple[int, int]] | None) -> bytes:
    """What is needed to decrypt a sample (ISO/IEC 23001-7 7.2).

    Args:
        iv: its initialisation vector; empty where there is one for all.
        ranges: clear bytes and protected bytes behind them; None where it is encrypted whole.
    """
    if ranges is None:
        return iv
    table = b"".join(struct.pack(">HI", *one) for one in ranges)
    return iv + struct.pack(">H", len(ranges)) + table


def fragment_boxes(records: Sequence[bytes], subsamples: bool, before: int) -> bytes:
    """``saiz``, ``saio`` and ``senc`` of a fragment; nothing where samples have no records.

    Args:
        records: of its samples, in order.
        subsamples: whether samples are divided into clear and protected bytes.
        before: how many bytes of ``moof`` lie before them.
    """
    if not records:
        return b""
    sizes = [len(one) for one in records]
    same = len(set(sizes)) == 1
    table = b"" if same else bytes(sizes)
    saiz = full_box("saiz", 0, 0, struct.pack(">BI", sizes[0] if same else 0, len(sizes)) + table)
    # Behind saiz, this box of 20 bytes, and 16 bytes of the next, is the first record.
    place = before + len(saiz) + 20 + 16
    saio = full_box("saio", 0, 0, struct.pack(">II", 1, place))
    head = struct.pack(">I", len(records))
    senc = full_box("senc", 0, SUBSAMPLES if subsamples else 0, head + b"".join(records))
    return saiz + saio + senc


# Sample groups of encryption, the one in the fragment itself (ISO/IEC 14496-12 8.9.4).
_ENCRYPTION, _LOCAL = b"seig", 0x10001


def clear_boxes(samples: int) -> bytes:
    """The group of a fragment's samples that are clear in an encrypted track: ``sgpd`` and
    ``sbgp`` with a CencSampleEncryptionInformationGroupEntry that protects nothing (ISO/IEC
    23001-7 6)."""
    entry = bytes(20)
    sgpd = full_box("sgpd", 1, 0, _ENCRYPTION + struct.pack(">II", len(entry), 1) + entry)
    return sgpd + full_box("sbgp", 0, 0, _ENCRYPTION + struct.pack(">III", 1, samples, _LOCAL))


def clear_group(traf: Sequence[Box], samples: int) -> bool:
    """Whether all samples of a fragment are clear, as :func:`clear_boxes` says it.

    Raises:
        Damaged: when some are, or it is said otherwise.
    """
    found = [one for one in traf if one.kind == "sbgp" and one.payload[4:8] == _ENCRYPTION]
    if not found:
        return False
    expected = {one.kind: one.payload for one in children(clear_boxes(samples), "traf")}
    said = {one.kind: one.payload for one in traf if one.kind in expected}
    if said != expected:
        raise Damaged(f"{found[0].path} groups samples otherwise than packaging does")
    return True


def parse_protection(kind: str, boxes: Mapping[str, Box]) -> tuple[str, Protected | None]:
    """The coding behind a sample entry, and how its samples are encrypted; None when they are not.

    Args:
        kind: of the sample entry.
        boxes: what it holds.

    Raises:
        Damaged: when what it says is not whole.
    """
    if kind not in ("encv", "enca"):
        return kind, None
    if "sinf" not in boxes:
        raise Damaged(f"{kind} has no sinf")
    sinf = boxes["sinf"]
    inner = children(sinf.payload, sinf.path)
    original = four(Cursor(only(inner, "frma", sinf.path).payload, sinf.path).take(4))
    schm = only(inner, "schm", sinf.path)
    cursor = Cursor(schm.payload, schm.path)
    cursor.full_box()
    scheme = four(cursor.take(4))
    schi = only(inner, "schi", sinf.path)
    tenc = only(children(schi.payload, schi.path), "tenc", schi.path)
    cursor = Cursor(tenc.payload, tenc.path)
    version, _ = cursor.full_box()
    cursor.u8()
    pattern = cursor.u8() * version
    if cursor.take(1) == b"\0":
        cursor.u8()
        cursor.take(16)
        return original, None
    cursor.u8()
    return original, Protected(scheme, cursor.take(16), (pattern >> 4, pattern & 15))
