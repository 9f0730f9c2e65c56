"""What an encode's file says of its frames, without decoding them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Packets:
    """The frames of a file in decoding order: arrays of shape ``(frames,)``.

    ``order`` is each frame's index in presentation, ``sizes`` its bytes.
    """

    order: NDArray[np.int64]
    sizes: NDArray[np.int64]
    keyframes: tuple[int, ...]

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
