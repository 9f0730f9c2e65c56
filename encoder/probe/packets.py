"""One pass over a file: every packet is read once, only the first pictures are decoded."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from fractions import Fraction
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
_ENOUGH = 17


@dataclass(slots=True)
class Track:
    """What the packets of one stream say, times in ticks of its time base.

    ``times`` are presentation times in the order of the file (decoding times, for containers that
    have no others), without what edit lists hide and what is never shown. ``first`` is the first
    picture that could be decoded, ``first_time`` the earliest time among the first pictures; for a
    stream without times, the place of its packet.
    """

    stream: Stream
    time_base: Fraction
    times: array[int] = field(default_factory=lambda: array("q"))
    untimed: int = 0
    guessed: int = 0
    bytes: int = 0
    hidden: int = 0
    corrupt: int = 0
    start: int | None = None
    end: int | None = None
    last_duration: int = 0
    fed: int = 0
    first: VideoFrame | None = None
    first_time: int | None = None
    decoded: int = 0

    @property
    def count(self) -> int:
        """How many pictures or packets are presented."""
        return len(self.times) + self.untimed


def survey(container: InputContainer) -> tuple[dict[int, Track], str | None]:
    """Reads all packets of a file.

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
                _take(track, packet)
    except av.FFmpegError as error:
        return tracks, error.strerror or type(error).__name__
    return tracks, None


def _take(track: Track, packet: Packet[Any]) -> None:
    flush = packet.size == 0 and packet.pts is None and packet.dts is None
    picture = isinstance(track.stream, AvVideoStream)
    if picture and not flush and not is_shown(track.stream, packet):
        track.hidden += 1
    elif not flush:
        _count(track, packet)
    if picture and track.decoded < _ENOUGH and track.fed < _PATIENCE:
        _decode(track, packet)


def _count(track: Track, packet: Packet[Any]) -> None:
    track.bytes += packet.size
    track.corrupt += packet.is_corrupt
    if packet.is_discard or packet.size == 0:
        return
    time = packet.pts
    if time is None and packet.dts is not None:
        time = packet.dts
        track.guessed += 1
    if time is None:
        packet.pts = track.untimed
        track.untimed += 1
        return
    track.times.append(time)
    duration = packet.duration or 0
    track.start = time if track.start is None else min(track.start, time)
    if track.end is None or time + duration >= track.end:
        track.end = time + duration
        track.last_duration = duration


def _decode(track: Track, packet: Packet[AvVideoStream]) -> None:
    track.fed += 1
    try:
        frames = packet.decode()
    except av.FFmpegError:
        return
    for frame in frames:
        if track.first is None:
            track.first = frame
        track.decoded += 1
        time = frame.pts if frame.pts is not None else frame.dts
        if time is not None:
            track.first_time = time if track.first_time is None else min(track.first_time, time)


def is_shown(stream: Stream, packet: Packet[Any]) -> bool:
    """Whether a packet makes a picture to show.

    VP8 and VP9 may carry pictures that are only for reference in packets of their own: the frame
    header says so (RFC 6386, 9.1; VP9 bitstream specification, 6.2). Other codecs put them with a
    shown one.
    """
    codec = stream.codec_context.name if stream.codec_context is not None else ""
    if codec not in ("vp8", "vp9", "libvpx", "libvpx-vp9") or packet.size == 0:
        return True
    data = memoryview(packet)
    head = data[0]
    if codec in ("vp8", "libvpx"):
        return bool(head & 0x10)
    if data[-1] & 0xE0 == 0xC0:  # a superframe, whose last frame is shown
        return True
    # Frame marker and two bits of profile, a reserved bit in profile 3, then show_existing_frame,
    # frame_type, show_frame.
    shift = 0 if head & 0x30 != 0x30 else 1
    bits = head << 8 | (data[1] if packet.size > 1 else 0)
    return bool(bits >> (11 - shift) & 1 or bits >> (9 - shift) & 1)


def presented(track: Track) -> list[int]:
    """The presentation times, ascending, from the first picture that can be decoded on."""
    times = sorted(track.times)
    first = track.first_time
    # A time that no packet has is one that the decoder made up.
    if first is None or not times or first <= times[0] or first > times[-1]:
        return times
    return [time for time in times if time >= first]
