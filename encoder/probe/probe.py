"""Path -> Master: what the source file is, from its container, its packets and first pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream as AvVideoStream

from encoder.errors import MasterError
from encoder.ffmpeg.graph import FORMAT_WHITELIST, file_url
from encoder.ffmpeg.locate import Ffmpeg
from encoder.media.master import AudioStream, Chapter, Master, TextStream, VideoStream
from encoder.probe.boxes import dolby_vision_profile, is_encrypted, top_level
from encoder.probe.decoder import decoded_size
from encoder.probe.digest import digest_file
from encoder.probe.packets import ENOUGH, Track, survey, undecodable
from encoder.probe.pictures import dispositions, language, video_stream
from encoder.probe.refusal import check_path, encrypted, no_video, refusal
from encoder.probe.scan import PROGRESSIVE, Fields, detect_scan

# Pictures that go with the file, not the film.
NOT_MAIN = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
# Nobody makes interlaced video above these: the look at pictures is spared.
_INTERLACED_HEIGHT = 1152
_INTERLACED_RATE = 31


def probe(
    path: Path, ffmpeg: Ffmpeg, *, digest: str | None = None, trusting: bool = False
) -> Master:
    """Everything there is to know of a master before work begins.

    All packets are read once; only the first pictures of video streams and, to find interlacing, a
    few short stretches are decoded.

    Args:
        path: the file.
        ffmpeg: the program that will decode it, for the look at its pictures.
        digest: the SHA-256 of its content, when it is known already.
        trusting: whether a stream that says that it is progressive is taken to be, without a look,
            and times that begin with the first picture are taken to be right; ``timed`` is not
            looked at then, and false.

    Raises:
        MasterError: when it cannot be read or has no video that can be decoded.
        MachineError: when FFmpeg cannot be started.
    """
    size = check_path(path)
    master = _read(path, size, digest, pictures=1 if trusting else ENOUGH)
    master = _with_size(master, decoded_size(ffmpeg, path, master.video.index))
    if trusting and master.video.field_order == "progressive":
        return master
    return _with_scan(master, _scan(ffmpeg, master))


def _read(path: Path, size: int, digest: str | None, *, pictures: int) -> Master:
    """What container, packets and first pictures tell: of so few, or more where these do not tell.

    Raises:
        MasterError: as :func:`probe`.
    """
    with opened(path) as container:
        # Its decoder might make noise of it without an error.
        if is_encrypted(path, top_level(path)):
            raise encrypted(str(path))
        tracks, stopped = survey(container, pictures=pictures)
        films = [t for t in tracks.values() if isinstance(t.stream, AvVideoStream)]
        if pictures < ENOUGH and not all(track.begins_in_order for track in films):
            return _read(path, size, digest, pictures=ENOUGH)
        main = main_video(path, container, tracks)
        defects = list(_defects(container, tracks, main, stopped))
        dolby_vision = dolby_vision_profile(path)
        videos = {
            track.stream.index: video_stream(
                track, dolby_vision if track is main else None, _timecode(container, track.stream)
            )
            for track in tracks.values()
            if isinstance(track.stream, AvVideoStream) and track.first is not None
        }
        video = videos.pop(main.stream.index)
        start = Fraction(container.start_time or 0, av.time_base)
        audio = tuple(audio_stream(t, c) for t in tracks.values() if (c := sound(t)) is not None)
        duration = _extent(video, *audio)
        declared = Fraction(container.duration or 0, av.time_base)
        if abs(declared - duration) > 1 + duration / 10 and declared > 0:
            defects.append(
                f"The file claims {float(declared):.3f} s; its packets last {float(duration):.3f} s"
            )
        if pictures < ENOUGH:
            video = replace(video, timed=False)
        return Master(
            path=path,
            digest=digest if digest is not None else _digest(path),
            size=size,
            container=container.format.name,
            start=start,
            duration=duration,
            bitrate=round(size * 8 / duration) if duration > 0 else None,
            video=video,
            other_video=tuple(videos.values()),
            audio=audio,
            text=tuple(_text(s) for s in container.streams if s.type == "subtitle"),
            other=tuple(_other(container, tracks, videos, main)),
            chapters=tuple(_chapters(container)),
            tags=tuple(sorted(container.metadata.items())),
            defects=tuple(defects),
        )


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """An untrusted file, opened by the libraries that read packets.

    Raises:
        MasterError: when it is none that they read.
    """
    # Its messages would go to the terminal; what matters of them is in the errors.
    av.logging.set_level(None)
    options = {"protocol_whitelist": "file", "format_whitelist": FORMAT_WHITELIST}
    try:
        container = av.open(file_url(path), options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        raise refusal(path, error.strerror or type(error).__name__) from None
    with container:
        yield container


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError as error:
        raise MasterError(
            "The master cannot be read", where=str(path), why=str(error), hint="Check the disk"
        ) from None


def main_video(path: Path, container: InputContainer, tracks: Mapping[int, Track]) -> Track:
    """The track that is the film.

    Raises:
        MasterError: when there is none that can be decoded.
    """
    where = str(path)
    streams = [t for t in tracks.values() if isinstance(t.stream, AvVideoStream)]
    moving = [t for t in streams if not t.stream.disposition & NOT_MAIN]
    present = [t for t in moving if t.count > 0]
    decodable = [t for t in present if t.first is not None]
    if decodable:
        return max(
            decodable,
            key=lambda t: (
                bool(t.stream.disposition & Disposition.default),
                _area(t.stream),
                -t.stream.index,
            ),
        )
    if not streams:
        kinds = sorted({s.type for s in container.streams})
        found = "only " + " and ".join(kinds) if kinds else "no streams at all"
        raise no_video(where, f"It has {found}")
    if not moving:
        raise no_video(where, "Its only picture is cover art")
    if not present:
        raise no_video(where, "Its video track has no pictures in it")
    unknown = [t for t in present if t.stream.codec_context is None]
    if unknown:
        raise MasterError(
            "The master's video codec is not known",
            where=where,
            why="There is no decoder for its video track",
            hint="Convert it with the program that made it, to ProRes, H.264 or FFV1 for instance",
        )
    names = sorted({t.stream.codec_context.name for t in present})
    raise MasterError(
        "No picture of the master can be decoded",
        where=where,
        why=f"Its {', '.join(names)} video is damaged, protected, or lacks the headers that "
        "decoding starts from",
        hint="Play it in another program; if it does not play there, copy it again from its source",
    )


def _area(stream: Stream) -> int:
    return stream.width * stream.height if isinstance(stream, AvVideoStream) else 0


def _defects(
    container: InputContainer, tracks: Mapping[int, Track], main: Track, stopped: str | None
) -> Iterator[str]:
    if stopped is not None:
        yield f"The file cannot be read to its end ({stopped}); what comes before is used"
    if main.corrupt:
        yield f"{main.corrupt} packets of the video are damaged or cut off"
    empty = [
        t.stream.index
        for t in tracks.values()
        if isinstance(t.stream, AvVideoStream) and t.count == 0
    ]
    for index in empty:
        yield f"Video track {index} is empty and left out"
    if late := undecodable(main):
        yield f"{late} pictures at the start cannot be decoded: what they refer to is not there"
    if main.count and not main.has_presentation_times:
        yield "Pictures have no presentation times; they are taken one after the other"
    if main.stream.metadata.get("alpha_mode") == "1":
        yield "The video has an alpha channel, which is ignored"
    for track in tracks.values():
        if track.stream.type == "audio" and sound(track) is None:
            yield f"Audio track {track.stream.index} cannot be decoded or is empty; it is left out"


def sound(track: Track) -> AudioCodecContext | None:
    """The decoder of an audio track that can be heard."""
    context = track.stream.codec_context
    if track.count > 0 and isinstance(context, AudioCodecContext) and context.sample_rate > 0:
        return context
    return None


def audio_stream(track: Track, context: AudioCodecContext) -> AudioStream:
    """What is known of an audio track."""
    stream = track.stream
    base = track.time_base
    start, end = track.start or 0, track.end or 0
    duration = (end - start) * base
    return AudioStream(
        index=stream.index,
        codec=context.codec.canonical_name,
        profile=stream.profile or "",
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        layout=context.layout.name,
        start=start * base,
        duration=duration,
        bitrate=round(track.bytes * 8 / duration) if duration > 0 else None,
        language=language(stream) or "und",
        title=stream.metadata.get("title", ""),
        disposition=dispositions(stream),
    )


def _text(stream: Stream) -> TextStream:
    return TextStream(
        index=stream.index,
        codec=_codec_name(stream),
        language=language(stream) or "und",
        title=stream.metadata.get("title", ""),
        disposition=dispositions(stream),
    )


def _codec_name(stream: Stream) -> str:
    context = stream.codec_context
    return context.codec.canonical_name if context is not None else stream.type


def _other(
    container: InputContainer,
    tracks: Mapping[int, Track],
    videos: Mapping[int, VideoStream],
    main: Track,
) -> Iterator[str]:
    for stream in container.streams:
        known = stream.index in videos or stream is main.stream or stream.type == "subtitle"
        if not known and sound(tracks[stream.index]) is None:
            yield _codec_name(stream)


def _chapters(container: InputContainer) -> Iterator[Chapter]:
    for chapter in container.chapters():
        base = chapter["time_base"] or Fraction(1, av.time_base)
        yield Chapter(
            chapter["start"] * base, chapter["end"] * base, chapter["metadata"].get("title", "")
        )


def _timecode(container: InputContainer, stream: Stream) -> str | None:
    """The start timecode by the video track, a timecode track (tmcd) or the file, in this order."""
    data = [s.metadata for s in container.streams if s.type == "data"]
    for metadata in (stream.metadata, *data, container.metadata):
        if timecode := metadata.get("timecode"):
            return str(timecode)
    return None


def _scan(ffmpeg: Ffmpeg, master: Master) -> Fields:
    video = master.video
    flagged = video.field_order in ("tt", "bb", "tb", "bt")
    if not flagged and (video.height > _INTERLACED_HEIGHT or video.frame_rate > _INTERLACED_RATE):
        return PROGRESSIVE
    return detect_scan(
        ffmpeg,
        master.path,
        video.index,
        start=max(video.start - master.start, Fraction(0)),
        duration=video.duration,
        frames=video.frames,
        claimed=flagged,
    )


def _extent(*streams: VideoStream | AudioStream) -> Fraction:
    ends = [stream.start + stream.duration for stream in streams]
    return max(ends) - min(stream.start for stream in streams)


def _with_size(master: Master, size: tuple[int, int]) -> Master:
    video = master.video
    if size == (video.width, video.height):
        return master
    note = (
        f"The container cuts pictures of {video.width}x{video.height} to {size[0]}x{size[1]}; the "
        "rest is not shown"
    )
    return replace(
        master,
        video=replace(video, width=size[0], height=size[1]),
        defects=(*master.defects, note),
    )


def _with_scan(master: Master, fields: Fields) -> Master:
    video = replace(master.video, scan=fields.scan, parity=fields.parity)
    claims = {"progressive": "progressive", "unknown": None}.get(video.field_order, "interlaced")
    defects = master.defects
    if claims is not None and claims != fields.scan:
        defects += (f"The file says {claims}; its pictures are {fields.scan}",)
    return replace(master, video=video, defects=defects)
