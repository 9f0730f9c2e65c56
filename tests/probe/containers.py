"""Surgery on MP4 files, to make what no muxer makes."""

from __future__ import annotations

from pathlib import Path

import av

_PARENTS = {b"moov": 8, b"trak": 8, b"mdia": 8, b"minf": 8, b"stbl": 8, b"stsd": 16}


def insert_in_sample_entry(path: Path, kind: bytes, payload: bytes) -> None:
    """Appends a box to the first video sample entry of a file whose moov comes last."""
    data = bytearray(path.read_bytes())
    entry = data.index(b"avc1", data.index(b"stsd")) - 4
    end = entry + int.from_bytes(data[entry : entry + 4], "big")
    box = (len(payload) + 8).to_bytes(4, "big") + kind + payload
    _grow(data, data.rindex(b"moov") - 4, len(data), entry, len(box))
    data[end:end] = box
    path.write_bytes(data)


def _grow(data: bytearray, start: int, end: int, target: int, by: int) -> None:
    """Enlarges every box from ``start`` on that holds the byte ``target``."""
    while start < end:
        size = int.from_bytes(data[start : start + 4], "big")
        if start <= target < start + size:
            data[start : start + 4] = (size + by).to_bytes(4, "big")
            header = _PARENTS.get(bytes(data[start + 4 : start + 8]))
            if header is not None:
                _grow(data, start + header, start + size, target, by)
            return
        start += size


def overwrite_sample(path: Path, number: int, content: bytes) -> None:
    """Damages the start of a video sample."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        place = packets[number].pos
    if place is None:
        raise ValueError("a sample without a place")
    data = bytearray(path.read_bytes())
    data[place : place + len(content)] = content
    path.write_bytes(data)
