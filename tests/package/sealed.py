"""Keys of encrypted packages, and what is looked at of such packages."""

from __future__ import annotations

from itertools import accumulate, pairwise
from pathlib import Path

from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.package import Layout
from encoder.media.protection import (
    ContentKey,
)
from encoder.package.boxes import Run

from .media import output

PICTURES = ContentKey(bytes(range(16)), bytes(range(16, 32)), ("sd", "hd"))
SOUND = ContentKey(bytes(range(32, 48)), bytes(range(48, 64)), ("audio",))
KEYS = (PICTURES, SOUND)
MPD = "{urn:mpeg:dash:schema:mpd:2011}"
CENC = "{urn:mpeg:cenc:2013}"
FILES = Layout("files")


def decoded(ffmpeg: Ffmpeg, path: Path, key: bytes) -> list[str]:
    arguments = ["-decryption_key", key.hex(), "-i", f"file:{path}", "-f", "framemd5", "pipe:1"]
    rows = output(ffmpeg, arguments).decode().splitlines()
    return [row for row in rows if not row.startswith("#")]


def samples(path: Path, run: Run) -> list[bytes]:
    data = path.read_bytes()
    ends = accumulate(run.sizes, initial=run.data)
    return [data[first:stop] for first, stop in pairwise(ends)]
