"""Closed captions inside of the video (CEA-608 in ATSC A/53 user data) -> cues.

They lie in the packets, so nothing is decoded: in SEI messages of H.264 and HEVC, in user data of
MPEG-2, in metadata of AV1. Of their two fields the first is read: it has CC1, the language of the
programme. What they mean is left to ttconv, which reads them as it does Scenarist's files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice

import av

from encoder.ffmpeg.graph import FORMAT_WHITELIST, file_url
from encoder.media.master import Master
from encoder.text.cues import closed
from encoder.text.sidecar import scenarist
from encoder.text.webvtt import MalformedError, Subtitles

# Before cc_data (ATSC A/53 part 4, 6.2.3): a country and a provider, or a start code, then the
# identifier and the type of the user data.
_USER_DATA = b"GA94\x03"
_MARKERS = {
    "h264": b"\xb5\x00\x31" + _USER_DATA,
    "hevc": b"\xb5\x00\x31" + _USER_DATA,
    "av1": b"\xb5\x00\x31" + _USER_DATA,
    "mpeg2video": b"\x00\x00\x01\xb2" + _USER_DATA,
}
# Those whose payloads have bytes in them that prevent start codes.
_ESCAPED = ("h264", "hevc")
# Who captions a title has them from the start on, if only as padding.
_LOOKED_AT = 300
# The 608 has a pair of bytes a frame, at this rate, and nothing else gives it its time.
_RATE = Fraction(30000, 1001)
_MOST_PAIRS = 1 << 21


def has_captions(master: Master) -> bool:
    """Whether the first packets of a master's video have captions, if only as padding."""
    return any(
        _cc_data(data, master.video.codec) for _, data in islice(_packets(master), _LOOKED_AT)
    )


def read_captions(master: Master, offset: Fraction) -> Subtitles | None:
    """The captions of a master; None where they cannot be understood.

    Args:
        master: the source.
        offset: the container's time of reference picture 0, which becomes time 0.
    """
    codec = master.video.codec
    found = ((time, _pairs(_cc_data(data, codec))) for time, data in _packets(master))
    timed = sorted((time, pairs) for time, pairs in islice(found, _MOST_PAIRS) if pairs)
    if not timed:
        return Subtitles(())
    # The clock of Scenarist's files begins at 0.
    first = timed[0][0]
    try:
        read = scenarist(_scenarist((time - first, pairs) for time, pairs in timed))
    except MalformedError:
        return None
    return Subtitles(closed(read.cues, offset - first), read.blocks)


def _packets(master: Master) -> Iterator[tuple[Fraction, bytes]]:
    """The packets of the video that may have captions, with their times of presentation."""
    marker = _MARKERS.get(master.video.codec)
    if marker is None:
        return
    av.logging.set_level(None)
    options = {"protocol_whitelist": "file", "format_whitelist": FORMAT_WHITELIST}
    try:
        with av.open(file_url(master.path), options=options, metadata_errors="replace") as file:
            streams = [one for one in file.streams if one.index == master.video.index]
            for packet in file.demux(*streams):
                if packet.pts is not None and packet.time_base is not None:
                    yield packet.pts * packet.time_base, bytes(packet)
    except (av.FFmpegError, OSError):
        # What could be read before is used, as of the pictures.
        return


def _cc_data(packet: bytes, codec: str) -> bytes:
    """The triplets of a packet's captions: a byte of type and a pair of them each."""
    marker = _MARKERS[codec]
    found = b""
    at = packet.find(marker)
    while at >= 0:
        data = packet[at + len(marker) :][:256]
        if codec in _ESCAPED:
            data = data.replace(b"\0\0\3", b"\0\0")
        # process_cc_data_flag, cc_count, and a byte that is reserved.
        if data and data[0] & 0x40:
            found += data[2 : 2 + 3 * (data[0] & 0x1F)]
        at = packet.find(marker, at + len(marker))
    return found


def _pairs(triplets: bytes) -> tuple[bytes, ...]:
    """The pairs of the first field that say something."""
    found = []
    for at in range(0, len(triplets) - 2, 3):
        head, *pair = triplets[at : at + 3]
        # cc_valid and cc_type 0; without their parity, two zeros are padding.
        if head & 0x07 == 0x04 and (pair[0] & 0x7F or pair[1] & 0x7F):
            found.append(bytes(pair))
    return tuple(found)


def _scenarist(timed: Iterable[tuple[Fraction, tuple[bytes, ...]]]) -> str:
    """A file of Scenarist captions: pairs that follow each other are on one line."""
    lines = ["Scenarist_SCC V1.0"]
    frame = -1
    for time, pairs in timed:
        for number, pair in enumerate(pairs):
            wanted = max(round(time * _RATE) + number, frame + 1)
            if wanted != frame + 1 or len(lines) == 1:
                lines += ["", f"{_timecode(wanted)}\t{pair.hex()}"]
            else:
                lines[-1] += f" {pair.hex()}"
            frame = wanted
    return "\n".join(lines) + "\n"


def _timecode(frame: int) -> str:
    """Counted without drops: the 30th part of its seconds is a frame."""
    seconds, part = divmod(frame, 30)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{part:02d}"
