"""Chunks to one rendition: packets put one after the other, nothing is coded again."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from encoder.encode.packets import Packets
from encoder.errors import EncodeError, MachineError

_DISK_FULL = 28


def join(
    chunks: Sequence[tuple[Path, Packets]], frame_rate: Fraction, target: Path, where: str
) -> None:
    """Writes the chunks of a rendition into one MP4 file of one sample description.

    Frame ``n`` of the whole is presented at exactly ``n`` frames. Decoding times follow each other
    frame by frame, as early as the frame that is shown furthest ahead of its turn needs.

    Args:
        chunks: files in order, and what :func:`encoder.encode.packets.read_packets` says of them.
        frame_rate: frames per second.
        target: the file to write.
        where: the rendition's name, for errors.

    Raises:
        EncodeError: when a chunk has another sample description than the first, or not the frames
            that it had.
        MachineError: when the file cannot be written.
    """
    order = presentation_order([packets for _, packets in chunks])
    delay = int(np.max(np.arange(len(order)) - order)) if len(order) else 0
    try:
        _write(chunks, order, delay, frame_rate, target, where)
    except av.FFmpegError as error:
        if error.errno == _DISK_FULL:
            raise MachineError(
                "The disk is full",
                where=str(target.parent),
                hint="Free some space and run the same command again: finished steps are kept",
            ) from error
        raise EncodeError("Chunks could not be joined", where=where, why=str(error)) from error


def presentation_order(chunks: Sequence[Packets]) -> NDArray[np.int64]:
    """For each packet of the whole, in decoding order, the frame of the title that it is."""
    starts = np.cumsum([0, *(len(one) for one in chunks)])
    parts = [one.order + start for one, start in zip(chunks, starts, strict=False)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _write(
    chunks: Sequence[tuple[Path, Packets]],
    order: NDArray[np.int64],
    delay: int,
    frame_rate: Fraction,
    target: Path,
    where: str,
) -> None:
    ticks, time_base = frame_rate.denominator, Fraction(1, frame_rate.numerator)
    options = {"video_track_timescale": str(frame_rate.numerator), "fflags": "+bitexact"}
    description: bytes | None = None
    number = 0
    with av.open(str(target), "w", format="mp4", options=options) as output:
        stream = None
        for path, packets in chunks:
            before = number
            with av.open(str(path)) as container:
                source = container.streams.video[0]
                found = source.codec_context.extradata or b""
                if stream is None:
                    stream, description = (
                        output.add_stream_from_template(source, opaque=True),
                        found,
                    )
                    stream.time_base = time_base
                if found != description:
                    raise EncodeError(
                        "A chunk has another sample description than the first",
                        where=where,
                        why="players could not go on from one to the other",
                        hint="This is a fault of the encoder's build: use the FFmpeg that came "
                        "with the install",
                    )
                skipped = 0
                for packet in container.demux(source):
                    if packet.pts is None or packet.size == 0:
                        continue
                    if skipped < len(packets.before):
                        skipped += 1
                        continue
                    if number - before == len(packets):
                        break  # what follows was encoded for the sake of these only
                    packet.stream = stream
                    packet.time_base = time_base
                    packet.pts = int(order[number]) * ticks
                    packet.dts = (number - delay) * ticks
                    packet.duration = ticks
                    output.mux(packet)
                    number += 1
            if number - before != len(packets):
                raise EncodeError("A chunk changed while it was joined", where=str(path))
