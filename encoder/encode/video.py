"""All rungs of a ladder in one FFmpeg process: the master is decoded and conformed once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import ffmpeg as graph

from encoder.codecs import CrfZone, EncodeSettings, codec_named
from encoder.encode.keyframes import force_key_frames
from encoder.errors import EncodeError, MachineError
from encoder.ffmpeg.graph import arguments, open_master, scale_down
from encoder.ffmpeg.locate import Ffmpeg, capabilities
from encoder.ffmpeg.process import ProcessFailed, Progress, run
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.ladder import Rung
from encoder.media.master import Master
from encoder.media.renditions import Rendition


def encode_rungs(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    shots: Sequence[FrameRange],
    rungs: Sequence[Rung],
    keyframes: Sequence[int],
    gop_frames: int,
    into: Path,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Rendition, ...]:
    """Encodes rungs of a ladder into MP4 files ``<rung id>.mp4`` of a folder.

    Args:
        ffmpeg: the program.
        master: the source.
        conform: how its pictures become reference pictures.
        shots: the ranges of frames that a rung's CRFs are for; they tile the title.
        rungs: what to encode.
        keyframes: the IDR frames.
        gop_frames: the longest distance between them.
        into: an existing folder.
        on_progress: called with the number of frames done.

    Raises:
        MachineError: when FFmpeg lacks the encoder, or the disk is full.
        EncodeError: when FFmpeg fails, or a rendition has other frames or key frames than asked.
    """
    for rung in rungs:
        _require_encoder(ffmpeg, codec_named(rung.codec).encoder)
    outputs = []
    reference = open_master(master.path, conform)
    pictures = reference.filter_multi_output("split", len(rungs)) if len(rungs) > 1 else None
    forced = force_key_frames(keyframes, conform.frame_rate)
    for number, rung in enumerate(rungs):
        stream = reference if pictures is None else pictures[number]
        stream = scale_down(stream, rung.width, rung.height, conform)
        options = codec_named(rung.codec).options(_settings(rung, conform, gop_frames, shots))
        outputs.append(
            stream.output(
                f"file:{rung.id}.mp4",
                **options,
                force_key_frames=forced,
                fps_mode="passthrough",
                map_metadata=-1,
                fflags="+bitexact",
                # One tick of the track is a fraction of a frame, so that times are exact.
                video_track_timescale=conform.frame_rate.numerator,
                f="mp4",
            )
        )
    try:
        run(
            ffmpeg,
            arguments(graph.merge_outputs(*outputs)),
            folder=into,
            on_progress=_frame_reporter(on_progress),
        )
    except ProcessFailed as failure:
        raise EncodeError(
            "The encode failed",
            where=str(master.path),
            why=f"{failure.describe_code()}: {failure.reason}",
            hint="Run `encoder doctor`; with -v the whole command and its messages are shown",
        ) from failure
    return tuple(_rendition(rung, conform, shots[-1].end, keyframes, into) for rung in rungs)


def _settings(
    rung: Rung, conform: Conform, gop_frames: int, shots: Sequence[FrameRange]
) -> EncodeSettings:
    zones = crf_zones(rung.crf_per_shot, shots) if rung.crf_per_shot else ()
    if len(zones) > 1 and not codec_named(rung.codec).varies_crf:
        raise EncodeError(
            "A rung with a different CRF for each shot cannot be encoded in one piece",
            where=rung.id,
            why=f"{rung.codec} has one CRF for the whole of an encode",
            hint="Use a policy that chooses one CRF for the title",
        )
    return EncodeSettings(
        frame_rate=conform.frame_rate,
        width=rung.width,
        height=rung.height,
        preset=rung.preset,
        gop_frames=gop_frames,
        crf=zones[0].crf if zones else None,
        bitrate=rung.target_bitrate,
        max_bitrate=rung.max_bitrate,
        buffer_bits=rung.buffer_bits,
        zones=zones if len(zones) > 1 else (),
    )


def crf_zones(crfs: Sequence[float], shots: Sequence[FrameRange]) -> tuple[CrfZone, ...]:
    """The CRFs of shots as zones that tile them; equal neighbours are one.

    Raises:
        ValueError: when there is not one CRF for each shot.
    """
    zones: list[CrfZone] = []
    for crf, shot in zip(crfs, shots, strict=True):
        if zones and zones[-1].crf == crf:
            zones[-1] = CrfZone(FrameRange(zones[-1].frames.start, shot.end), crf)
        else:
            zones.append(CrfZone(shot, crf))
    return tuple(zones)


def _require_encoder(ffmpeg: Ffmpeg, encoder: str) -> None:
    if encoder not in capabilities(ffmpeg).encoders:
        raise MachineError(
            f"This FFmpeg lacks the encoder {encoder}",
            where=str(ffmpeg.path),
            hint="Leave out --ffmpeg and ENCODER_FFMPEG to use the FFmpeg that came with the "
            "install, which has it",
        )


def _frame_reporter(
    on_progress: Callable[[int], None] | None,
) -> Callable[[Progress], None] | None:
    if on_progress is None:
        return None
    return lambda progress: on_progress(progress.frame)


def _rendition(
    rung: Rung, conform: Conform, frames: int, keyframes: Sequence[int], into: Path
) -> Rendition:
    path = into / f"{rung.id}.mp4"
    found = read_keyframes(path)
    if found[0] != frames:
        raise EncodeError(
            "A rendition does not have the master's frames",
            where=rung.id,
            why=f"the master has {frames} frames, the rendition {found[0]}",
            hint="The master may be damaged: compare `encoder analyze` with `encoder probe`",
        )
    if found[1] != tuple(keyframes):
        strange = sorted(set(found[1]).symmetric_difference(keyframes))[:5]
        raise EncodeError(
            "A rendition has its key frames at other places than asked",
            where=rung.id,
            why=f"the first that differ are frames {', '.join(map(str, strange))}",
        )
    _sync(path)
    return Rendition(
        id=rung.id,
        codec=rung.codec,
        width=rung.width,
        height=rung.height,
        frame_rate=conform.frame_rate,
        frames=frames,
        keyframes=tuple(keyframes),
        colour=conform.colour,
        path=path,
    )


def read_keyframes(path: Path) -> tuple[int, tuple[int, ...]]:
    """The number of frames of an MP4 file's video, and the indices of its key frames.

    Indices are in presentation order. Nothing is decoded.
    """
    with av.open(str(path)) as container:
        packets = [
            (packet.pts, packet.is_keyframe)
            for packet in container.demux(video=0)
            if packet.pts is not None
        ]
    packets.sort()
    return len(packets), tuple(i for i, (_, key) in enumerate(packets) if key)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
