"""A video stream as its packets and its first decoded picture show it."""

from __future__ import annotations

import struct
from fractions import Fraction

from av.sidedata.sidedata import SideData
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream as AvVideoStream

from encoder.media.master import VideoStream
from encoder.probe import colour
from encoder.probe.cadence import measure
from encoder.probe.geometry import orientation
from encoder.probe.packets import Track, presented, undecodable

_FIELD_ORDERS = {1: "progressive", 2: "tt", 3: "bb", 4: "tb", 5: "bt"}
_LONG_LAST = Fraction(3, 2)
_TIMECODES = struct.Struct("=4I")


def video_stream(track: Track, dolby_vision: int | None, timecode: str | None) -> VideoStream:
    """The stream of a track of which a picture was decoded.

    ``scan`` is left progressive: that takes a look at more pictures. ``dolby_vision`` is the
    profile, ``timecode`` what the container says.

    Raises:
        ValueError: when no picture of the track was decoded.
    """
    stream, frame = track.stream, track.first
    if not isinstance(stream, AvVideoStream) or frame is None:
        raise ValueError("a track without a decoded picture")
    context = stream.codec_context
    times = presented(track)
    frames = len(times) if times else track.count - undecodable(track)
    # The codec's own timing first: of raw streams it is the only real one.
    declared = (context.framerate, stream.average_rate, stream.guessed_rate, stream.base_rate)
    measured = measure(times, track.time_base, declared)
    upright = orientation(_side_data(frame, "DISPLAYMATRIX"))
    last = Fraction(track.last_duration) * track.time_base
    start = times[0] * track.time_base if times else Fraction(0)
    duration = frames / measured.nominal
    if measured.cadence == "variable":
        tail = max(last, 1 / measured.nominal)
        duration = (times[-1] - times[0]) * track.time_base + tail
    timed = (
        measured.timed
        and track.has_presentation_times
        and track.in_order
        # Filters would repeat a last picture that lasts longer.
        and last * measured.nominal < _LONG_LAST
    )
    pixel_format = frame.format.name
    return VideoStream(
        index=stream.index,
        codec=context.codec.canonical_name,
        profile=stream.profile or "",
        width=frame.width,
        height=frame.height,
        sample_aspect=_sample_aspect(stream),
        rotation=upright.rotation,
        mirrored=upright.mirrored,
        frame_rate=measured.nominal,
        average_frame_rate=measured.average,
        cadence=measured.cadence,
        frames=frames,
        start=start,
        duration=duration,
        field_order=_FIELD_ORDERS.get(context.field_order, "unknown"),
        scan="progressive",
        pixel_format=pixel_format,
        bit_depth=max(component.bits for component in frame.format.components),
        colour=colour.colour(
            frame.color_primaries,
            frame.color_trc,
            frame.colorspace,
            2 if pixel_format.startswith("yuvj") else frame.color_range,
        ),
        hdr=colour.hdr(
            _side_data(frame, "MASTERING_DISPLAY_METADATA"),
            _side_data(frame, "CONTENT_LIGHT_LEVEL"),
            dolby_vision,
        ),
        bitrate=round(track.bytes * 8 / duration) if duration > 0 else None,
        timecode=timecode or _frame_timecode(frame),
        language=language(stream),
        disposition=dispositions(stream),
        timed=timed or measured.cadence == "variable",
    )


def dispositions(stream: Stream) -> tuple[str, ...]:
    """The names of a stream's dispositions, such as ``default`` and ``forced``."""
    return tuple(d.name for d in Disposition if d & stream.disposition and d.name)


def language(stream: Stream) -> str | None:
    """The language a stream claims, None when it does not."""
    claimed = stream.language
    return claimed if claimed and claimed != "und" else None


def _side_data(frame: VideoFrame, kind: str) -> bytes:
    found = frame.side_data.get(kind)
    return bytes(found) if isinstance(found, SideData) else b""


def _sample_aspect(stream: AvVideoStream) -> Fraction:
    # The container's where it has one, or else the codec's, as FFmpeg guesses it.
    aspect = stream.sample_aspect_ratio
    # Beyond these a claim is a mistake: the widest in use is anamorphic cinema on PAL, below 3.
    if aspect is None or not Fraction(1, 8) <= aspect <= 8:
        return Fraction(1)
    return Fraction(aspect)


def _frame_timecode(frame: VideoFrame) -> str | None:
    """The first SMPTE 12M timecode of a picture: hours, minutes, seconds, frames in BCD."""
    data = _side_data(frame, "S12M_TIMECODE")
    if len(data) < _TIMECODES.size:
        return None
    numbers: tuple[int, ...] = _TIMECODES.unpack(data[: _TIMECODES.size])
    count, code = numbers[:2]
    if count < 1:
        return None

    def digits(shift: int, tens: int) -> int:
        return (code >> shift & 0xF) + 10 * (code >> (shift + 4) & tens)

    separator = ";" if code >> 30 & 1 else ":"
    hours, minutes, seconds = digits(0, 3), digits(8, 7), digits(16, 7)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{digits(24, 3):02}"
