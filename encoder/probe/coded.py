"""Path -> CodedFile: where the pictures of a file are and where decoding can start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream as AvVideoStream

from encoder.errors import MasterError
from encoder.media.coded import CodedFile, CodedVideo
from encoder.probe.boxes import is_encrypted, top_level
from encoder.probe.packets import Track, is_shown, survey
from encoder.probe.pictures import video_stream
from encoder.probe.probe import NOT_MAIN, audio_stream, main_video, opened, sound
from encoder.probe.refusal import check_path, encrypted

# The presentation time of a packet that is shown, and whether decoding can start there.
_Seen = tuple[int | None, bool]


def read_coded(path: Path) -> CodedFile:
    """What a file that was encoded elsewhere holds. All packets are read once.

    Raises:
        MasterError: when it cannot be read to its end, or has neither pictures nor sound that can
            be decoded.
    """
    check_path(path)
    seen: dict[int, list[_Seen]] = {}
    hidden: dict[int, int] = {}

    def see(packet: Packet[Any]) -> None:
        index = packet.stream_index
        if not isinstance(packet.stream, AvVideoStream) or not packet.size:
            return
        if packet.is_discard:
            hidden[index] = hidden.get(index, 0) + 1
        elif is_shown(packet.stream, packet):
            seen.setdefault(index, []).append((packet.pts, packet.is_keyframe))

    with opened(path) as container:
        if is_encrypted(path, top_level(path)):
            raise encrypted(str(path))
        tracks, stopped = survey(container, see)
        if stopped is not None or any(track.corrupt for track in tracks.values()):
            raise MasterError(
                "The file is damaged",
                where=str(path),
                why=stopped or "packets of it are damaged or cut off",
                hint="Copy it again, or encode it anew",
            )
        moving = [
            stream
            for stream in container.streams
            if isinstance(stream, AvVideoStream) and not stream.disposition & NOT_MAIN
        ]
        heard = [(track, decoder) for track in tracks.values() if (decoder := sound(track))]
        video = None
        if moving or not heard:
            main = main_video(path, container, tracks)
            index = main.stream.index
            video = _video(main, seen.get(index, []), hidden.get(index, 0))
        return CodedFile(
            path=path,
            container=container.format.name,
            video=video,
            audio=tuple(audio_stream(track, decoder) for track, decoder in heard),
            text=sum(stream.type == "subtitle" for stream in container.streams),
        )


def _video(track: Track, seen: list[_Seen], hidden: int) -> CodedVideo:
    timed = [(time, key) for time, key in seen if time is not None]
    # Places of the packets of the file in the order of presentation.
    ordered = sorted(range(len(timed)), key=lambda one: timed[one][0])
    place = [0] * len(timed)
    for number, one in enumerate(ordered):
        place[one] = number
    keys, leading = [], []
    least = len(timed)
    for one in range(len(timed) - 1, -1, -1):
        if timed[one][1]:
            keys.append(place[one])
            if least < place[one]:
                leading.append(place[one])
        least = min(least, place[one])
    return CodedVideo(
        stream=video_stream(track, None, None),
        time_base=track.time_base,
        times=tuple(timed[one][0] for one in ordered),
        keyframes=tuple(sorted(keys)),
        leading=tuple(sorted(leading)),
        delay=max((one - number for one, number in enumerate(place)), default=0),
        hidden=hidden,
        untimed=len(seen) - len(timed),
    )
