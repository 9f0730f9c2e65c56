"""What protection systems want to know: ``pssh`` boxes (ISO/IEC 23001-7 8.1) and their data.

The systems' data is made from the identifiers of keys alone, as their public formats have it. Keys
are never in it.
"""

from __future__ import annotations

import base64
import struct
from uuid import UUID

from encoder.media.protection import COMMON, PLAYREADY, WIDEVINE, ContentKey, Protection, System
from encoder.package.protect_boxes import full_box

_PLAYREADY_HEADER = (
    '<WRMHEADER xmlns="http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader" '
    'version="4.3.0.0"><DATA><PROTECTINFO><KIDS><KID ALGID="{algorithm}" VALUE="{kid}"></KID>'
    "</KIDS></PROTECTINFO></DATA></WRMHEADER>"
)
_ALGORITHMS = {"cenc": "AESCTR", "cbcs": "AESCBC"}


_SYSTEMS: dict[System, UUID] = {"clearkey": COMMON, "widevine": WIDEVINE, "playready": PLAYREADY}


def pssh_boxes(protection: Protection, key: ContentKey) -> tuple[bytes, ...]:
    """The boxes of all systems that have one, for one key: those that come with it, and those of
    the systems that a protection names."""
    given = {one.system: one.pssh for one in key.signals if one.pssh}
    made = []
    for system in dict.fromkeys((*protection.systems, *key.systems)):
        if (identifier := _SYSTEMS[system]) not in given:
            made.append(_made(system, identifier, protection.scheme, key.kid))
    return (*made, *given.values())


def _made(system: System, identifier: UUID, scheme: str, kid: bytes) -> bytes:
    if system == "clearkey":
        return _pssh(identifier, b"", kid)
    if system == "widevine":
        return _pssh(identifier, widevine_data(scheme, kid))
    return _pssh(identifier, playready_object(scheme, kid))


def _pssh(system: UUID, data: bytes, kid: bytes = b"") -> bytes:
    """A box; version 1 is the one that lists identifiers of keys."""
    kids = struct.pack(">I", 1) + kid if kid else b""
    payload = system.bytes + kids + struct.pack(">I", len(data)) + data
    return full_box("pssh", 1 if kid else 0, 0, payload)


def system_of(pssh: bytes) -> UUID:
    """The system of a box."""
    return UUID(bytes=pssh[12:28])


def object_of(pssh: bytes) -> bytes:
    """The data of a box, behind the identifiers of keys that version 1 lists."""
    at = 28
    if pssh[8] > 0:
        at += 4 + 16 * int.from_bytes(pssh[at : at + 4])
    return pssh[at + 4 :]


def is_pssh(data: bytes, system: UUID) -> bool:
    """Whether it is one whole box of a system."""
    if len(data) < 32 or data[4:8] != b"pssh" or int.from_bytes(data[:4]) != len(data):
        return False
    at = 28
    if data[8] > 0:
        at += 4 + 16 * int.from_bytes(data[at : at + 4])
    size = int.from_bytes(data[at : at + 4])
    return data[8] < 2 and system_of(data) == system and at + 4 + size == len(data)


def widevine_data(scheme: str, kid: bytes) -> bytes:
    """WidevinePsshData: key_ids (field 2, bytes) and protection_scheme (field 9, a number)."""
    number = int.from_bytes(scheme.encode("ascii"))
    groups = []
    while number:
        groups.append(number & 0x7F | (0x80 if number >> 7 else 0))
        number >>= 7
    return bytes([0x12, len(kid)]) + kid + bytes([9 << 3]) + bytes(groups)


def playready_object(scheme: str, kid: bytes) -> bytes:
    """A PlayReady Object with one header record, version 4.3, in UTF-16 as its format has it.

    Identifiers of keys are GUIDs there: their first three parts have the least byte first.
    """
    guid = base64.b64encode(UUID(bytes=kid).bytes_le).decode("ascii")
    text = _PLAYREADY_HEADER.format(algorithm=_ALGORITHMS[scheme], kid=guid)
    header = text.encode("utf-16-le")
    record = struct.pack("<HH", 1, len(header)) + header
    return struct.pack("<IH", 6 + len(record), 1) + record
