"""Small titles, encoded without a store."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from encoder.analysis.analyze import analyze
from encoder.encode.chunk import EncodedChunk, Title, encode_chunk
from encoder.encode.chunk_command import Measuring
from encoder.encode.chunks import Chunk, chunk_rung, plan_chunks
from encoder.encode.join import join
from encoder.ffmpeg.checksums import read_checksums
from encoder.ffmpeg.locate import Ffmpeg, locate
from encoder.ffmpeg.process import run
from encoder.media.frames import FrameRange
from encoder.media.ladder import Rung
from encoder.media.shots import Analysis
from encoder.probe.conform import decide_conform
from encoder.probe.probe import probe


def generate(path: Path, source: str, *options: object) -> Path:
    """A file that FFmpeg makes of a lavfi source."""
    run(locate(), ["-f", "lavfi", "-i", source, *map(str, options), f"file:{path}"])
    return path


def describe(path: Path, folder: Path) -> tuple[Title, Analysis]:
    """Probed and analysed as the pipeline does it."""
    ffmpeg: Ffmpeg = locate()
    master = probe(path, ffmpeg)
    conform = decide_conform(master, max_frame_rate=Fraction(60))
    listed = folder / f"{path.name}.crc"
    analysis = analyze(ffmpeg, master, conform, checksums=listed)
    return Title(ffmpeg, master, conform, read_checksums(listed)), analysis


def encode(
    title: Title,
    shots: Sequence[FrameRange],
    keyframes: Sequence[int],
    rungs: Sequence[Rung],
    folder: Path,
    *,
    gop: int = 24,
    measuring: Measuring | None = None,
    chunks: Sequence[Chunk] | None = None,
) -> dict[str, tuple[Path, list[EncodedChunk]]]:
    """Every rung, chunk by chunk, joined: its file and its chunks by its id."""
    planned = chunks or plan_chunks(shots, keyframes, rungs, title.conform.frame_rate)
    parts: dict[str, list[EncodedChunk]] = {rung.id: [] for rung in rungs}
    for chunk in planned:
        own = folder / f"chunk-{chunk.number}"
        own.mkdir()
        asked = [chunk_rung(rung, chunk, shots, title.conform, gop) for rung in rungs]
        made, _ = encode_chunk(title, chunk, asked, measuring, own)
        for rung, one in zip(rungs, made, strict=True):
            parts[rung.id].append(one)
    joined = {}
    for rung in rungs:
        path = folder / f"{rung.id}.mp4"
        files = [(one.path, one.packets) for one in parts[rung.id]]
        join(files, title.conform.frame_rate, path, rung.id)
        joined[rung.id] = (path, parts[rung.id])
    return joined
