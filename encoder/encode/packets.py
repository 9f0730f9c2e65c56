"""What an encode's file says of its frames, without decoding them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Packets:
    """The frames of a file in decoding order: arrays of shape ``(frames,)``.

    ``order`` is each frame's index in presentation, ``sizes`` its bytes. ``before`` are the bytes
    of frames that the file has before these, and that are not part of it.
    """

    order: NDArray[np.int64]
    sizes: NDArray[np.int64]
    keyframes: tuple[int, ...]
    before: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def part(self, start: int, count: int) -> Packets:
        """Frames of these in presentation, which is to be at an IDR frame and end before one.

        Raises:
            ValueError: when they do not lie beside each other in the file.
        """
        inside = np.flatnonzero((self.order >= start) & (self.order < start + count))
        if len(inside) != count or (count and inside[-1] - inside[0] + 1 != count):
            raise ValueError(f"frames {start} to {start + count - 1} are not by themselves")
        first = int(inside[0])
        keys = tuple(k - start for k in self.keyframes if start <= k < start + count)
        here = slice(first, first + count)
        return Packets(self.order[here] - start, self.sizes[here], keys, self.sizes[:first])

    def __len__(self) -> int:
        return len(self.order)

    def presented_sizes(self) -> NDArray[np.int64]:
        """Bytes of each frame, in the order in which they are shown."""
        return self.sizes[np.argsort(self.order)]


def read_packets(path: Path) -> Packets:
    """The frames of an MP4 file's video.

    Raises:
        av.FFmpegError: when it cannot be read.
    """
    with av.open(str(path)) as container:
        found = [
            (packet.pts, packet.size, packet.is_keyframe)
            for packet in container.demux(video=0)
            if packet.pts is not None
        ]
    times = np.array([pts for pts, _, _ in found], dtype=np.int64)
    order = np.empty(len(times), dtype=np.int64)
    order[np.argsort(times, kind="stable")] = np.arange(len(times))
    keys = [n for n, (_, _, key) in zip(order.tolist(), found, strict=True) if key]
    sizes = np.array([size for _, size, _ in found], dtype=np.int64)
    return Packets(order, sizes, tuple(sorted(keys)))
