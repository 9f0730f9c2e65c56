"""Small masters whose sound is known: beeps with flashes, tones in one channel, silence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from encoder.encode.audio import encode_audio
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.media.conform import Conform
from encoder.media.frames import frame_time
from encoder.media.master import Master
from encoder.media.policy import AudioPolicy
from encoder.media.renditions import AudioRendition
from encoder.probe.conform import decide_conform
from encoder.probe.probe import probe

RATE = 48_000
MINUS_3_DB = 1 / math.sqrt(2)
SINE = "aevalsrc=exprs='0.2*sin(2*PI*997*t)':s=48000:d=4"
# One frame of video is white from this time on, and a tone of 1 kHz and 60 ms starts with it.
FLASH = 2.0
VIDEO = (
    "color=c=black:s=64x64:r=24:d=4,"
    f"drawbox=c=white:t=fill:enable='between(t,{FLASH - 0.01},{FLASH + 0.03})',format=yuv420p"
)
BEEP = f"aevalsrc=exprs='0.5*sin(2*PI*1000*t)*between(t,{FLASH},{FLASH + 0.06})':s=48000:d=4"
_ENCODERS = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "48", "-bf", "2")


@dataclass(frozen=True)
class Title:
    """A master, and what probing makes of it."""

    master: Master
    conform: Conform

    @property
    def duration(self) -> Fraction:
        """Of the video, in seconds."""
        return frame_time(self.master.video.frames, self.conform.frame_rate)

    def encode(self, into: Path, policy: AudioPolicy | None = None) -> tuple[AudioRendition, ...]:
        """The audio renditions."""
        return encode_audio(
            locate(), self.master, self.conform, self.duration, policy or AudioPolicy(), into
        )


def make(path: Path, *arguments: str) -> Path:
    """A file by an FFmpeg command; inputs are named relative to its folder."""
    run(locate(), [*arguments, f"file:{path.name}"], folder=path.parent)
    return path


def title(path: Path) -> Title:
    """A file as the program sees it."""
    master = probe(path, locate())
    return Title(master, decide_conform(master))


def with_sound(path: Path, *sources: str, options: tuple[str, ...] = ("-c:a", "pcm_f32le")) -> Path:
    """A master of black pictures and these sounds (lavfi), as long as the video of four seconds."""
    inputs = [part for source in sources for part in ("-f", "lavfi", "-i", source)]
    maps = [part for index in range(len(sources)) for part in ("-map", f"{index + 1}:a")]
    return make(
        path,
        *("-f", "lavfi", "-i", "color=c=black:s=64x64:r=24:d=4,format=yuv420p"),
        *inputs,
        *("-map", "0:v", *maps, *_ENCODERS, *options),
    )


def beep_master(
    path: Path,
    *,
    video_late: float = 0,
    audio_late: float = 0,
    audio_filter: str = "anull",
    options: tuple[str, ...] = ("-c:a", "pcm_s16le"),
) -> Path:
    """A flash and a beep at the same time, with either stream starting late."""
    # The later a stream starts, the less of it there is: both reach FLASH at the same time.
    sound = f"{audio_filter},atrim=start={audio_late}"
    picture = f"trim=start={video_late}"
    return make(
        path,
        *("-f", "lavfi", "-i", VIDEO, "-f", "lavfi", "-i", BEEP, "-copyts"),
        *("-vf", picture, "-af", sound, "-fps_mode", "passthrough"),
        *_ENCODERS,
        *options,
    )


def flash_time(path: Path) -> Fraction:
    """When the white frame comes, counted from the first one, as PyAV decodes them."""
    with av.open(str(path)) as container:
        first: Fraction | None = None
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            time = frame.pts * frame.time_base
            first = time if first is None else first
            if frame.to_ndarray(format="gray").mean() > 200:
                return time - first
    raise AssertionError("no white frame")


def samples(path: Path) -> NDArray[np.float32]:
    """What a player presents of a file, from time 0: ``(channels, samples)`` at 48 kHz."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        assert frames[0].pts == 0
        assert {frame.sample_rate for frame in frames} == {RATE}
        return np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


def onset(sound: NDArray[np.float32], level: float = 0.1) -> float:
    """When a sound first exceeds a level, in seconds."""
    loud = np.abs(sound).max(axis=0) > level
    assert loud.any()
    return int(np.argmax(loud)) / RATE


def level(channel: NDArray[np.float32]) -> float:
    """The amplitude of a steady sine, from its middle, as a factor of full scale."""
    middle = channel[RATE : 2 * RATE]
    return float(np.sqrt(2 * np.mean(middle.astype(np.float64) ** 2)))


def channel_layout(path: Path) -> str:
    """The layout of a file's audio."""
    with av.open(str(path)) as container:
        return container.streams.audio[0].layout.name


def surround(*levels: str, layout: str = "5.1(side)") -> str:
    """A source of one expression a channel."""
    return f"aevalsrc=exprs='{'|'.join(levels)}':s=48000:d=4:c={layout}"


def tone(amplitude: float, frequency: int = 997) -> str:
    return f"{amplitude}*sin(2*PI*{frequency}*t)"
