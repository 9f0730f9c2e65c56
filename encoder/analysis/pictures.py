"""Reference pictures, small: one decode of the master, downscaled by the same FFmpeg process.

What arrives for each reference frame is one picture in 8-bit 4:2:0, scaled by area averaging, and
under it a strip of the reference picture at full size: downscaling averages grain away, so it has
to be looked for where nothing was scaled. The strip is elsewhere in each frame.

For HDR masters the conform chain with its tone mapping takes most of the time of this stage.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from math import sqrt
from pathlib import Path
from typing import cast

import ffmpeg as graph
import numpy as np
from numpy.typing import NDArray

from encoder.analysis.stills import write_stills
from encoder.ffmpeg.graph import arguments, file_url, open_master
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import Running, stream
from encoder.media.conform import Conform
from encoder.media.master import Master

Bytes = NDArray[np.uint8]

CELL = 16
_STRIP_ROWS = 66
_PIPE_BYTES = 1 << 20
_FEW_PIXELS = 1920 * 1088

# Two irrational steps, so that strips spread evenly over the picture whatever frames are sampled
# (the golden ratio and its relative in two dimensions).
_STEP_X, _STEP_Y = "0.7548776662", "0.5698402910"


@dataclass(frozen=True, slots=True)
class Geometry:
    """The size of downscaled pictures, in cells of 16x16 pixels, and of the strip, in rows.

    A master smaller than the strip or the picture has no strip.
    """

    columns: int
    rows: int
    strip: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.columns * CELL

    @property
    def height(self) -> int:
        """Pixels down, without the strip."""
        return self.rows * CELL

    @property
    def frame_bytes(self) -> int:
        """What one frame takes in the pipe."""
        return self.width * (self.height + self.strip) * 3 // 2


def plan_geometry(conform: Conform, pixels: int) -> Geometry:
    """The size of pictures with about ``pixels`` pixels and the aspect of the reference pictures.

    Pictures are never larger than the reference pictures, except that they have at least 2x2 cells.
    """
    side = sqrt(pixels * conform.width / conform.height)
    columns = max(2, min(round(side / CELL), conform.width // CELL))
    rows = max(2, min(round(pixels / side / CELL), conform.height // CELL))
    fits = conform.width >= columns * CELL and conform.height >= _STRIP_ROWS
    return Geometry(columns, rows, _STRIP_ROWS if fits else 0)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive pictures; the arrays are views that the next batch overwrites.

    ``luma`` is of shape (frames, height, width), ``chroma`` (frames, 2, height/2, width/2), and
    ``full_size`` (frames, rows, width) is the luma of the strips, or of the pictures when there are
    no strips.
    """

    luma: Bytes
    chroma: Bytes
    full_size: Bytes

    def __len__(self) -> int:
        return len(self.luma)

    def __getitem__(self, index: int) -> Batch:
        """One picture, as a batch of one."""
        one = slice(index, index + 1)
        return Batch(self.luma[one], self.chroma[one], self.full_size[one])

    def copy(self) -> Batch:
        """The same, to keep."""
        return Batch(self.luma.copy(), self.chroma.copy(), self.full_size.copy())

    def shows_the_same_as(self, other: Batch) -> bool:
        """Whether the pictures are the same to the bit; the strips always differ."""
        # A few pixels are enough to tell most pictures apart.
        if np.any(self.luma[:, 8::64, ::16] != other.luma[:, 8::64, ::16]):
            return False
        return np.array_equal(self.luma, other.luma) and np.array_equal(self.chroma, other.chroma)


def command(
    master: Master,
    conform: Conform,
    geometry: Geometry,
    checksums: Path | None = None,
    stills: Path | None = None,
) -> list[str]:
    """FFmpeg's arguments: decodes, conforms, scales, and writes raw pictures to its output.

    With ``checksums``, those of the reference pictures are written to that file as well, and with
    ``stills`` a small picture of every second (:mod:`encoder.analysis.stills`).
    """
    source = open_master(master.path, conform)
    aside = [one for one in (checksums, stills) if one is not None]
    if aside:
        copies = source.filter_multi_output("split", 1 + len(aside))
        source, others = copies[0], [copies[n] for n in range(1, 1 + len(aside))]
    if geometry.strip:
        halves = source.filter_multi_output("split", 2)
        small = _scaled(halves[0], geometry)
        strip = (
            halves[1]
            .filter(
                "crop",
                geometry.width,
                geometry.strip,
                f"(iw-ow)*(n*{_STEP_X}-floor(n*{_STEP_X}))",
                f"(ih-oh)*(n*{_STEP_Y}-floor(n*{_STEP_Y}))",
            )
            .filter("format", "yuv420p")
        )
        picture = graph.filter([small, strip], "vstack")
    else:
        picture = _scaled(source, geometry)
    output = picture.output("pipe:1", f="rawvideo", fps_mode="passthrough")
    outputs = [output]
    if checksums is not None:
        outputs.append(others[0].output(file_url(checksums), f="framecrc", fps_mode="passthrough"))
    if stills is not None:
        outputs.append(write_stills(others[-1], conform, stills))
    output = graph.merge_outputs(*outputs)
    # The threads of FFmpeg's filters cost more than they gain where there is little to filter.
    alone = not conform.tone_mapped and conform.width * conform.height <= _FEW_PIXELS
    return [*(["-filter_complex_threads", "1"] if alone else []), *arguments(output)]


def _scaled(source: graph.Stream, geometry: Geometry) -> graph.Stream:
    scaled = source.filter("scale", geometry.width, geometry.height, flags="area")
    return scaled.filter("format", "yuv420p")


@contextmanager
def open_pictures(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    geometry: Geometry,
    batch: int,
    *,
    checksums: Path | None = None,
    stills: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Iterator[Iterator[Batch]]:
    """The pictures of a master, in batches of up to ``batch`` frames; see :func:`command`.

    ``on_line`` is called with each line of FFmpeg's messages, from another thread.

    Raises:
        ProcessFailed: at the end of the pictures, when FFmpeg failed.
        EOFError: when the last picture is incomplete.
        MachineError: when FFmpeg cannot be started.
    """
    arguments = command(master, conform, geometry, checksums, stills)
    with stream(ffmpeg, arguments, on_line=on_line) as running:
        yield _read(running, geometry, batch)


def _read(running: Running, geometry: Geometry, batch: int) -> Iterator[Batch]:
    size = geometry.frame_bytes
    _widen(running)
    buffer = bytearray(batch * size)
    view = memoryview(buffer)
    pictures = np.frombuffer(buffer, dtype=np.uint8).reshape(batch, size)
    # A pipe's buffered reader fills a buffer of ours in place.
    pipe = cast(BufferedReader, running.stdout)
    while True:
        filled = 0
        while filled < len(view):
            got = pipe.readinto(view[filled:])
            if not got:
                break
            filled += got
        frames, rest = divmod(filled, size)
        if frames:
            yield cut_up(pictures[:frames], geometry)
        if filled < len(view):
            running.finish()
            if rest:
                raise EOFError(f"{rest} of the {size} bytes of a picture")
            return


def _widen(running: Running) -> None:
    """Makes the pipe hold some frames, where the system can: fewer changes between processes."""
    set_size = getattr(fcntl, "F_SETPIPE_SZ", None)
    if set_size is not None:
        with suppress(OSError):
            fcntl.fcntl(running.stdout.fileno(), set_size, _PIPE_BYTES)


def cut_up(frames: Bytes, geometry: Geometry) -> Batch:
    """Frames as they come, of shape (frames, bytes), as planes."""
    count, width, height = len(frames), geometry.width, geometry.height
    stacked = height + geometry.strip
    luma = frames[:, : width * stacked].reshape(count, stacked, width)
    chroma = frames[:, width * stacked :].reshape(count, 2, stacked // 2, width // 2)
    picture = luma[:, :height]
    return Batch(
        picture, chroma[:, :, : height // 2], luma[:, height:] if geometry.strip else picture
    )
