"""One pass over a file: every packet is read once, only the first pictures are decoded."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream as AvVideoStream

# A stream that gives no picture in this many packets is taken for undecodable.
_PATIENCE = 3000
# The earliest picture comes within the first 17 that leave a decoder, as H.264 and HEVC put no more
# than 16 out of order, also where the container's times are wrong.
ENOUGH = 17


def _ticks() -> array[int]:
    return array("q")


@dataclass(slots=True)
class Track:
    """What the packets of one stream say, times in ticks of its time base.

    ``presentation`` and ``decoding`` hold the times of the ``count`` pictures or packets that are
    presented (not hidden by an edit list, not for reference only), as far as they have them, in
    the order of the file. ``first`` is the first picture that was decoded, ``decoded`` the times
    of the first few, in the order in which they came; a stream without times counts packets.
    """

    stream: Stream
    time_base: Fraction
    count: int = 0
    presentation: array[int] = field(default_factory=_ticks)
    decoding: array[int] = field(default_factory=_ticks)
    bytes: int = 0
    corrupt: int = 0
    start: int | None = None
    end: int | None = None
    last_duration: int = 0
    fed: int = 0
    first: VideoFrame | None = None
    decoded: list[int | None] = field(default_factory=list)

    @property
    def has_presentation_times(self) -> bool:
        """Whether every picture has one."""
        return len(self.presentation) == self.count > 0

    @property
    def begins_in_order(self) -> bool:
        """Whether the picture that was decoded first is the earliest that there is a packet of."""
        times = self.presentation
        return self.has_presentation_times and self.decoded[:1] == [min(times)]

    @property
    def in_order(self) -> bool:
        """Whether the first decoded pictures came in the order of their times."""
        return all(a is not None and b is not None and a < b for a, b in pairwise((*self.decoded,)))


def survey(
    container: InputContainer,
    see: Callable[[Packet[Any]], None] | None = None,
    *,
    pictures: int = ENOUGH,
) -> tuple[dict[int, Track], str | None]:
    """Reads all packets of a file.

    Args:
        container: the file.
        see: is shown each packet.
        pictures: how many are decoded of each stream.

    Returns:
        The tracks by stream index, and why reading stopped early, if it did.
    """
    tracks = {
        stream.index: Track(stream, stream.time_base or Fraction(1, av.time_base))
        for stream in container.streams
    }
    try:
        for packet in container.demux():
            track = tracks.get(packet.stream_index)
            if track is not None:
                if see is not None:
                    see(packet)
                _take(track, packet, pictures)
    except av.FFmpegError as error:
        return tracks, error.strerror or type(error).__name__
    return tracks, None


def _take(track: Track, packet: Packet[Any], pictures: int) -> None:
    if packet.size:
        _count(track, packet)
    # Packets without content tell a decoder to give out what it holds back.
    wanted = len(track.decoded) < pictures and track.fed < _PATIENCE
    if isinstance(track.stream, AvVideoStream) and wanted:
        _decode(track, packet)


def _count(track: Track, packet: Packet[Any]) -> None:
    track.bytes += packet.size
    track.corrupt += packet.is_corrupt
    if packet.is_discard or not is_shown(track.stream, packet):
        return
    if packet.pts is not None:
        track.presentation.append(packet.pts)
    if packet.dts is not None:
        track.decoding.append(packet.dts)
    time = packet.pts if packet.pts is not None else packet.dts
    if time is None:
        packet.pts = track.count
    else:
        duration = packet.duration or 0
        track.start = time if track.start is None else min(track.start, time)
        if track.end is None or time + duration >= track.end:
            track.end = time + duration
            track.last_duration = duration
    track.count += 1


def _decode(track: Track, packet: Packet[AvVideoStream]) -> None:
    track.fed += 1
    try:
        frames = packet.decode()
    except av.FFmpegError:
        return
    for frame in frames:
        if track.first is None:
            track.first = frame
        track.decoded.append(frame.pts)


def is_shown(stream: Stream, packet: Packet[Any]) -> bool:
    """Whether a packet makes a picture to show.

    VP8 and VP9 may carry pictures that are only for reference in packets of their own: the frame
    header says so (RFC 6386, 9.1; VP9 bitstream specification, 6.2). Other codecs put them with a
    shown one.
    """
    codec = stream.codec_context.name if stream.codec_context is not None else ""
    if codec not in ("vp8", "vp9", "libvpx", "libvpx-vp9"):
        return True
    data = memoryview(packet)
    if codec in ("vp8", "libvpx"):
        return bool(data[0] & 0x10)
    return shows_vp9(data)


def shows_vp9(data: memoryview | bytes) -> bool:
    """Whether a VP9 frame or superframe is shown."""
    if data[-1] & 0xE0 == 0xC0:  # a superframe, whose last frame is shown
        return True
    # Frame marker and two bits of profile, a reserved bit in profile 3, then show_existing_frame,
    # frame_type, show_frame.
    shift = 1 if data[0] & 0x30 == 0x30 else 0
    bits = data[0] << 8 | (data[1] if len(data) > 1 else 0)
    return bool(bits >> (11 - shift) & 1 or bits >> (9 - shift) & 1)


def presented(track: Track) -> list[int]:
    """The times of the pictures in their order, from the first that can be decoded on.

    Decoding times, for containers that have no others, and nothing where times are missing.
    """
    if not track.has_presentation_times:
        return sorted(track.decoding) if len(track.decoding) == track.count else []
    times = sorted(track.presentation)
    decoded = [time for time in track.decoded if time is not None]
    # A time that no packet has is one that the decoder made up.
    if not decoded or not times[0] < min(decoded) <= times[-1]:
        return times
    return [time for time in times if time >= min(decoded)]


def undecodable(track: Track) -> int:
    """How many pictures at the start cannot be decoded."""
    if not track.has_presentation_times and not track.decoding:
        return min((place for place in track.decoded if place is not None), default=0)
    return track.count - len(presented(track)) if track.has_presentation_times else 0
