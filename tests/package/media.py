"""Small renditions to package, made by FFmpeg from its own test pictures."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from encoder.encode.keyframes import force_key_frames
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import run, stream
from encoder.media.colour import BT709
from encoder.media.renditions import AudioRendition, Loudness, Rendition, RenditionSet

RATE = Fraction(24000, 1001)
FRAMES = 200
# Like a real shot list: short and long shots, one of a single frame, a long one split at 2 s.
KEYFRAMES = (0, 7, 48, 60, 61, 109, 150, 171)
# Where packaging starts fragments: as near to two seconds as these key frames allow.
FRAGMENTS = (0, 60, 109, 150)

_TAGS = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=limited,setsar=1"
_X264 = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-sc_threshold", "0")
_X265_PARAMS = "log-level=none:pools=1:scenecut=0:open-gop=0:slices=2:bframes=3:min-keyint=1"
_X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-forced-idr", "1")
_SVT = ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "scd=0:lp=1")


def make_video(
    ffmpeg: Ffmpeg,
    path: Path,
    size: tuple[int, int],
    *,
    codec: str = "h264",
    crf: int = 30,
    frames: int = FRAMES,
    keyframes: Sequence[int] = KEYFRAMES,
    rate: Fraction = RATE,
    more: Sequence[str] = (),
) -> Rendition:
    """A rung of moving test pictures with key frames where they are wanted."""
    source = f"testsrc2=size={size[0]}x{size[1]}:rate={rate},format=yuv420p,{_TAGS}"
    encoder = {
        "h264": _X264,
        "hevc": (*_X265, "-x265-params", _X265_PARAMS),
        "av1": _SVT,
    }[codec]
    arguments = ["-f", "lavfi", "-i", source, "-frames:v", str(frames), *encoder]
    arguments += ["-crf", str(crf), "-g", "9999", "-threads", "1"]
    arguments += ["-force_key_frames", force_key_frames(keyframes, rate)]
    arguments += ["-fflags", "+bitexact", "-flags:v", "+bitexact+cgop", *more]
    run(ffmpeg, [*arguments, "-f", "mp4", f"file:{path}"])
    return Rendition(
        id=path.stem,
        codec=codec,
        width=size[0],
        height=size[1],
        frame_rate=rate,
        frames=frames,
        keyframes=tuple(keyframes),
        colour=BT709,
        path=path,
    )


def make_audio(
    ffmpeg: Ffmpeg,
    path: Path,
    *,
    language: str,
    name: str,
    source: int,
    channels: int = 2,
    default: bool = False,
    roles: tuple[str, ...] = (),
    duration: Fraction = FRAMES / RATE,
    bitrate: int = 96_000,
) -> AudioRendition:
    """A track whose level and pitch keep changing, so that a shift in time shows."""
    layout = {2: "stereo", 6: "5.1"}[channels]
    sweep = "0.4*sin(2*PI*(200+150*t)*t)*(0.6+0.4*sin(7*t))"
    each = "|".join(f"{sweep}*{1 - 0.1 * n:.1f}" for n in range(channels))
    samples = round(duration * 48000)
    graph = f"aevalsrc={each}:s=48000:c={layout}:d={float(duration) + 1},atrim=end_sample={samples}"
    arguments = ["-f", "lavfi", "-i", graph, "-c:a", "aac", "-b:a", str(bitrate)]
    arguments += ["-fflags", "+bitexact", "-flags:a", "+bitexact"]
    run(ffmpeg, [*arguments, "-f", "mp4", f"file:{path}"])
    return AudioRendition(
        id=path.stem,
        codec="aac",
        language=language,
        name=name,
        channels=channels,
        sample_rate=48000,
        default=default,
        roles=roles,
        loudness=Loudness(None, None, None),
        gain=0.0,
        path=path,
        source=source,
    )


def make_set(
    video: Sequence[Rendition], audio: Sequence[AudioRendition] = (), frames: int = FRAMES
) -> RenditionSet:
    """The set of some renditions."""
    return RenditionSet(tuple(video), tuple(audio), video[0].frame_rate, frames)


def output(ffmpeg: Ffmpeg, arguments: Sequence[str]) -> bytes:
    """What FFmpeg writes to its standard output."""
    with stream(ffmpeg, arguments) as running:
        data = running.stdout.read()
        running.finish()
    return data


def packets(ffmpeg: Ffmpeg, path: Path, *streams: str) -> list[tuple[str, ...]]:
    """Decoding time, presentation time, size and checksum of every packet of some streams.

    Streams that share a manifest are read together, as a player would.
    """
    maps = [part for one in streams for part in ("-map", f"0:{one}")]
    arguments = ["-i", f"file:{path}", *maps, "-c", "copy", "-copyts"]
    text = output(ffmpeg, [*arguments, "-f", "framecrc", "pipe:1"]).decode()
    rows = [
        tuple(field.strip() for field in line.split(","))
        for line in text.splitlines()
        if line and not line.startswith("#")
    ]
    return [(row[0], row[1], row[2], row[4], row[5]) for row in rows]
