"""Encodes one chunk of a title into every rung, and measures it in the same pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from encoder.codecs import codec_named
from encoder.encode.chunk_command import (
    REFERENCE_CHECKSUMS,
    Measuring,
    checksums_name,
    chunk_command,
    file_name,
    pictures_name,
    seen_frames,
    vmaf_name,
)
from encoder.encode.chunks import Chunk, ChunkRung
from encoder.encode.cut import Cut, find_cut, same_pictures
from encoder.encode.packets import Packets, read_packets
from encoder.errors import EncodeError, MachineError, MeasureError
from encoder.ffmpeg.checksums import Checksums, read_checksums
from encoder.ffmpeg.locate import Ffmpeg, capabilities
from encoder.ffmpeg.process import Cancellation, Patience, ProcessFailed, Progress, Usage, run
from encoder.media.conform import Conform
from encoder.media.frames import FrameRange
from encoder.media.master import Master
from encoder.score.logs import read_pictures, read_vmaf


@dataclass(frozen=True, slots=True)
class Title:
    """What every chunk of a title has in common.

    ``checksums`` are those of its reference pictures, from analysis; as many as there are frames.
    """

    ffmpeg: Ffmpeg
    master: Master
    conform: Conform
    checksums: Checksums

    @property
    def frames(self) -> int:
        """How many reference pictures there are."""
        return len(self.checksums)


@dataclass(frozen=True, slots=True)
class FrameScores:
    """Measured frames of a chunk: indices into the title, and a value a frame of each metric."""

    frame: NDArray[np.int32]
    values: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """A chunk of a rung, encoded.

    ``checksums`` are of the pictures that it decodes to, in order; it and ``scores`` are None when
    nothing was measured.
    """

    path: Path
    packets: Packets
    checksums: Checksums | None
    scores: FrameScores | None


class NotAllDecodedError(MeasureError):
    """A loopback decoder gave fewer pictures than were encoded."""


# Seen once, of a title of nine frames on a busy machine, when the scores of all rungs were still
# one filter graph, which ended decoders early (see chunk_command). Every frame was scored then,
# which that does not quite explain. The encode was whole: it is made again.
_ATTEMPTS = 3
_PATIENCE = Patience()


def encode_chunk(
    title: Title,
    chunk: Chunk,
    rungs: Sequence[ChunkRung],
    measuring: Measuring | None,
    folder: Path,
    *,
    vmaf_threads: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    cancellation: Cancellation | None = None,
    patience: Patience = _PATIENCE,
    on_stall: Callable[[], None] | None = None,
    cuts: dict[FrameRange, Cut] | None = None,
) -> tuple[tuple[EncodedChunk, ...], Usage]:
    """Encodes a chunk, one FFmpeg process for all of its rungs.

    Args:
        title: the title it is of.
        chunk: which frames.
        rungs: what to encode them to.
        measuring: what to measure as well, None for nothing.
        folder: an empty folder for the files.
        vmaf_threads: threads of libvmaf for each rung.
        on_progress: called as FFmpeg reports.
        cancellation: lets another thread end the process.
        patience: how long FFmpeg may stand still.
        on_stall: called when it did, and is started once more.
        cuts: where to start decoding for frames, as far as it is known; what is found is added.

    Returns:
        The encodes in the order of ``rungs``, and what the process took.

    Raises:
        MachineError: when FFmpeg lacks an encoder, or the disk is full.
        EncodeError: when FFmpeg fails, or an encode or the master has other frames or key frames
            than it should.
        MeasureError: when a frame was not measured that should have been.
    """
    for encoder in sorted({codec_named(rung.codec).encoder for rung in rungs}):
        require_encoder(title.ffmpeg, encoder)
    frames = seen_frames(chunk, title.frames, measuring)
    found = None if cuts is None else cuts.get(frames)
    if found is None:
        found = find_cut(
            title.ffmpeg,
            title.master,
            title.conform,
            frames,
            title.checksums,
            folder,
            cancellation=cancellation,
        )
        if cuts is not None:
            cuts[frames] = found
    # Pictures that differ further on make it start over from where nothing can be wrong.
    for cut in dict.fromkeys((found, Cut(frames))):
        arguments = chunk_command(
            title.master, title.conform, chunk, cut, rungs, measuring, vmaf_threads
        )
        for attempt in range(_ATTEMPTS):
            usage = _run(title, arguments, folder, on_progress, cancellation, patience, on_stall)
            seen = _checksums(folder / REFERENCE_CHECKSUMS)
            if not _usable(title, seen, cut, frames):
                break
            try:
                return (
                    tuple(
                        _read(title, chunk, cut, rung, number, measuring, folder)
                        for number, rung in enumerate(rungs)
                    ),
                    usage,
                )
            except NotAllDecodedError:
                if attempt == _ATTEMPTS - 1:
                    raise
    raise EncodeError(
        "The master did not give the same pictures as when it was analysed",
        where=str(title.master.path),
        why=f"in frames {frames.start} to {frames.end - 1}, of which {len(seen)} were decoded",
        hint="Check the disk and the memory of this machine; if the file was changed meanwhile, "
        "run it again",
    )


def _usable(title: Title, seen: Checksums, cut: Cut, frames: FrameRange) -> bool:
    """Whether the pictures that were encoded are the title's; of a damaged one, as many of them."""
    if same_pictures(seen, title.checksums, cut.frames):
        return True
    return title.conform.damaged and cut == Cut(frames) and len(seen) == len(frames)


def _run(
    title: Title,
    arguments: Sequence[str],
    folder: Path,
    on_progress: Callable[[Progress], None] | None,
    cancellation: Cancellation | None,
    patience: Patience,
    on_stall: Callable[[], None] | None,
) -> Usage:
    try:
        return run(
            title.ffmpeg,
            arguments,
            folder=folder,
            on_progress=on_progress,
            cancellation=cancellation,
            patience=patience,
            on_stall=on_stall,
        )
    except ProcessFailed as failure:
        if cancellation is not None and cancellation.cancelled:
            raise
        if failure.stalled:
            raise EncodeError(
                "FFmpeg stands still",
                where=str(title.master.path),
                why="it was ended and started once more, and stood still again",
                hint="Look at the machine's load, memory and disks; run the same command again "
                "to go on from here",
            ) from failure
        raise EncodeError(
            "The encode failed",
            where=str(title.master.path),
            why=f"{failure.describe_code()}: {failure.reason}",
            hint="Run the same command again, which goes on from here; if it fails at the same "
            "place, run `encoder doctor`, and look at the command and its messages with -v",
        ) from failure


def require_encoder(ffmpeg: Ffmpeg, encoder: str) -> None:
    """Checks that FFmpeg has an encoder.

    Raises:
        MachineError: when it has not.
    """
    if encoder not in capabilities(ffmpeg).encoders:
        raise MachineError(
            f"This FFmpeg lacks the encoder {encoder}",
            where=str(ffmpeg.path),
            hint="Leave out --ffmpeg and ENCODER_FFMPEG to use the FFmpeg that came with the "
            "install, which has it",
        )


def _checksums(path: Path) -> Checksums:
    try:
        return read_checksums(path)
    except (ValueError, IndexError) as error:
        raise EncodeError(
            "The encode left no list of its pictures", where=path.name, why=str(error)
        ) from error


def _read(
    title: Title,
    chunk: Chunk,
    cut: Cut,
    rung: ChunkRung,
    number: int,
    measuring: Measuring | None,
    folder: Path,
) -> EncodedChunk:
    path = folder / file_name(number)
    size = f"{rung.codec} {rung.settings.width}x{rung.settings.height}"
    where = f"{size}, frames {chunk.frames.start} to {chunk.frames.end - 1}"
    try:
        packets = read_packets(path)
    except av.FFmpegError as error:
        raise EncodeError("An encode cannot be read", where=where, why=str(error)) from error
    if len(packets) != len(chunk.coded):
        raise EncodeError(
            "An encode does not have the frames it should",
            where=where,
            why=f"{len(chunk.coded)} went in, {len(packets)} came out",
        )
    if packets.keyframes != chunk.coded_keyframes:
        strange = sorted(set(packets.keyframes).symmetric_difference(chunk.coded_keyframes))[:5]
        raise EncodeError(
            "An encode has its key frames at other places than asked",
            where=where,
            why=f"the first that differ are its frames {', '.join(map(str, strange))}",
        )
    try:
        packets = packets.part(chunk.lead, len(chunk.frames))
    except ValueError as error:
        raise EncodeError("A chunk cannot be cut out", where=where, why=str(error)) from error
    if measuring is None:
        return EncodedChunk(path, packets, None, None)
    decoded = _checksums(folder / checksums_name(number))
    if len(decoded) != len(chunk.frames):
        raise NotAllDecodedError(
            "An encode did not decode to its frames",
            where=where,
            why=f"it has {len(chunk.frames)} frames, {len(decoded)} were decoded",
        )
    return EncodedChunk(
        path, packets, decoded, _scores(cut.frames, chunk.frames, number, measuring, folder, where)
    )


def _scores(
    seen: FrameRange, own: FrameRange, number: int, measuring: Measuring, folder: Path, where: str
) -> FrameScores:
    """The chunk's own frames out of the logs, which count from the first that was seen."""
    vmaf = read_vmaf(folder / vmaf_name(number))
    pictures = read_pictures(folder / pictures_name(number))
    expected = np.arange(0, measuring.given(seen), measuring.step, dtype=np.int32)
    for name, found in (("VMAF", vmaf.frame), ("PSNR and SSIM", pictures.frame)):
        if not np.array_equal(found, expected):
            raise MeasureError(
                f"{name} was not measured on the frames it should have been",
                where=where,
                why=f"{expected.size} frames were to be scored, {found.size} are in the log, or "
                "they are other ones",
            )
    frame = (expected // measuring.step * measuring.every + seen.start).astype(np.int32)
    inside = (frame >= own.start) & (frame < own.end)
    values = {
        "vmaf": vmaf.vmaf,
        "psnr_y": pictures.psnr_y,
        "psnr_u": pictures.psnr_u,
        "psnr_v": pictures.psnr_v,
        "ssim": pictures.ssim,
    }
    return FrameScores(frame[inside], {name: column[inside] for name, column in values.items()})
