"""The video buffering verifier: a leaky bucket that a stream must not overdraw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BufferRun:
    """What a decoder's buffer does while a stream plays.

    ``before`` is how full it is before each frame is taken out, ``lacking`` by how many bits a
    frame overdraws it (0 for none), both in bits and of shape ``(frames,)`` in decoding order.
    """

    before: NDArray[np.float64]
    lacking: NDArray[np.float64]


def play(
    sizes: Sequence[int] | NDArray[np.int64],
    frame_rate: Fraction,
    max_bitrate: int,
    buffer_bits: int,
    start: float,
) -> BufferRun:
    """Plays a stream through the buffer model of ITU-T H.264, annex C, with constant arrival.

    Bits come in at ``max_bitrate`` until the buffer is full; each frame takes its own out at once.
    A buffer that was overdrawn is empty afterwards.

    Args:
        sizes: bytes of each frame, in decoding order.
        frame_rate: frames per second.
        max_bitrate: bits per second.
        buffer_bits: what the buffer holds.
        start: how full it is at first, 0 to 1.
    """
    # Encoders take both in kilobits.
    size = buffer_bits // 1000 * 1000.0
    arriving = max_bitrate // 1000 * 1000 / float(frame_rate)
    before = np.empty(len(sizes))
    lacking = np.zeros(len(sizes))
    fill = size * start
    for number, taken in enumerate(np.asarray(sizes, dtype=np.int64).tolist()):
        before[number] = fill
        fill -= taken * 8
        if fill < 0:
            lacking[number], fill = -fill, 0.0
        fill = min(size, fill + arriving)
    return BufferRun(before, lacking)


def fill_after(
    sizes: NDArray[np.int64], frame_rate: Fraction, max_bitrate: int, buffer_bits: int, start: float
) -> float:
    """How full the buffer is, 0 to 1, when frames have been played; see :func:`play`."""
    if not len(sizes):
        return start
    size = buffer_bits // 1000 * 1000.0
    run = play(sizes, frame_rate, max_bitrate, buffer_bits, start)
    left = max(0.0, float(run.before[-1]) - float(sizes[-1]) * 8)
    return min(size, left + max_bitrate // 1000 * 1000 / float(frame_rate)) / size


@dataclass(frozen=True, slots=True)
class Overdraw:
    """A chunk that overdraws the buffer because it starts fuller in its encoder's mind than after
    the chunks before it; ``fill`` is how full it really is, 0 to 1, in hundredths, rounded down."""

    chunk: int
    fill: float


def first_overdraw(
    chunks: Sequence[NDArray[np.int64]],
    assumed: Sequence[float],
    frame_rate: Fraction,
    max_bitrate: int,
    buffer_bits: int,
) -> Overdraw | None:
    """The first chunk that is to be encoded again, knowing how full the buffer is at its start.

    What a chunk would overdraw by itself is the encoder's doing, and not mended by that.

    Args:
        chunks: bytes of each frame of each chunk, in decoding order.
        assumed: how full the buffer was taken to be at the start of each, 0 to 1.
        frame_rate: frames per second.
        max_bitrate: bits per second.
        buffer_bits: what the buffer holds.
    """
    fill = assumed[0]
    for number, (sizes, start) in enumerate(zip(chunks, assumed, strict=True)):
        joined = play(sizes, frame_rate, max_bitrate, buffer_bits, fill)
        if number and fill < start:
            alone = play(sizes, frame_rate, max_bitrate, buffer_bits, start)
            if joined.lacking.sum() > alone.lacking.sum():
                return Overdraw(number, int(fill * 100) / 100)
        fill = fill_after(sizes, frame_rate, max_bitrate, buffer_bits, fill)
    return None
