"""Ladder to renditions: chunks encoded and measured in one pass, mended at their seams, joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

from encoder.codecs import codec_named
from encoder.encode.buffer import fill_after, first_overdraw
from encoder.encode.chunk import EncodedChunk
from encoder.encode.chunks import Chunk, ChunkRung, chunk_rung, plan_chunks
from encoder.encode.join import join
from encoder.encode.keyframes import gop_frames, plan_gops
from encoder.engine.chunk_runner import ChunkRunner, Task
from encoder.engine.chunk_store import ChunkStore
from encoder.engine.reasons import why_missing
from encoder.engine.store import Entry, Store, key_of
from encoder.media.conform import Conform
from encoder.media.ladder import Rung
from encoder.media.policy import Policy
from encoder.media.renditions import Rendition, RenditionSet
from encoder.media.serial import from_plain
from encoder.media.shots import Analysis
from encoder.package.segments import segment_starts

# Raised when joining comes to give another result for the same chunks.
_JOIN_VERSION = 1
_FILE = "rendition.mp4"


@dataclass(frozen=True, slots=True)
class EncodePlan:
    """How the rungs of a title are encoded, whatever is in the store already."""

    analysis: Analysis
    conform: Conform
    rungs: tuple[Rung, ...]
    keyframes: tuple[int, ...]
    chunks: tuple[Chunk, ...]
    gop_frames: int

    def asked(self, rung: Rung, chunk: Chunk, buffer_start: float | None = None) -> ChunkRung:
        """What a rung asks of a chunk."""
        shots = [shot.frames for shot in self.analysis.shots]
        return chunk_rung(rung, chunk, shots, self.conform, self.gop_frames, buffer_start)


@dataclass(frozen=True, slots=True)
class EncodedRung:
    """A rung, encoded in chunks: each, what was asked of it and what it gave, in order."""

    rung: Rung
    planned: tuple[Chunk, ...]
    asked: tuple[ChunkRung, ...]
    chunks: tuple[EncodedChunk, ...]


@dataclass(frozen=True, slots=True)
class EncodedTitle:
    """The renditions of a title, and the encoded chunks that its video was joined from."""

    renditions: RenditionSet
    plan: EncodePlan
    rungs: tuple[EncodedRung, ...]


def plan_encode(
    analysis: Analysis, conform: Conform, rungs: Sequence[Rung], policy: Policy
) -> EncodePlan:
    """How rungs are encoded: IDR frames and chunks, the same for all of them."""
    longest = gop_frames(conform.frame_rate, policy.gop_seconds)
    keyframes = tuple(gop.start for gop in plan_gops(analysis.shots, longest))
    shots = [shot.frames for shot in analysis.shots]
    uncut = {shot.frames.start for shot in analysis.shots if not shot.cut}
    chunks = plan_chunks(shots, keyframes, rungs, conform.frame_rate, uncut)
    return EncodePlan(analysis, conform, tuple(rungs), keyframes, chunks, longest)


def planned_starts(analysis: Analysis, conform: Conform, policy: Policy) -> list[Fraction]:
    """When the segments of the package will start, in seconds."""
    longest = gop_frames(conform.frame_rate, policy.gop_seconds)
    return segment_starts(
        [gop.start for gop in plan_gops(analysis.shots, longest)],
        analysis.frames,
        conform.frame_rate,
        [shot.frames.start for shot in analysis.shots],
        policy.segment_seconds,
    )


def missing_tasks(plan: EncodePlan, kept: ChunkStore) -> tuple[Task, ...]:
    """The chunks that are not in the store for every rung.

    An encode that is there without the wanted scores is not made again: measuring its rendition
    afterwards is less work.
    """
    tasks = []
    for chunk in plan.chunks:
        asked = (plan.asked(rung, chunk) for rung in plan.rungs)
        missing = tuple(one for one in asked if kept.find(chunk, one, None) is None)
        if missing:
            tasks.append(Task(chunk, tuple(dict.fromkeys(missing))))
    return tuple(tasks)


def what_is_missing(plan: EncodePlan, kept: ChunkStore, tasks: Sequence[Task]) -> str:
    """What :func:`missing_tasks` found, and why it is not there, for people."""
    inputs = [kept.determined_by(task.chunk, rung) for task in tasks for rung in task.rungs]
    why = why_missing(kept.store, "chunk", inputs)
    encodes = sum(len(task.rungs) for task in tasks)
    every = len(plan.chunks) * len(plan.rungs)
    if encodes == every:
        return f"no chunk is in the store: {why}"
    return f"{every - encodes} of {every} encodes of chunks are in the store: {why}"


def encode_title(
    plan: EncodePlan, runner: ChunkRunner, tasks: Sequence[Task]
) -> tuple[EncodedRung, ...]:
    """Encodes what is missing, and again what would overdraw the buffer model at a seam.

    Raises:
        EncodeError: when an encode fails.
        KeyboardInterrupt: when it was interrupted.
    """
    if tasks:
        runner.run(tasks)
    return tuple(_mended(plan, runner, rung) for rung in plan.rungs)


def _mended(plan: EncodePlan, runner: ChunkRunner, rung: Rung) -> EncodedRung:
    """A rung's chunks, as a whole within its buffer model.

    Each chunk was encoded as if the buffer were as full as at the start of the title. Where it is
    not, and that matters, the chunk is encoded again from how full it is. This goes from the start
    to the end of the title, so that it comes out the same however the work was divided.
    """
    start = codec_named(rung.codec).buffer_start
    chunks = list(plan.chunks)
    asked = [plan.asked(rung, chunk) for chunk in chunks]
    found = [_found(runner, chunk, one) for chunk, one in zip(chunks, asked, strict=True)]
    model = (plan.conform.frame_rate, rung.max_bitrate, rung.buffer_bits)

    def assumed(number: int) -> float:
        own = asked[number].settings.buffer_start
        fill = (start or 0.0) if own is None else own
        return fill_after(found[number].packets.before, *model, fill)

    while start is not None:
        over = first_overdraw(
            [one.packets.sizes for one in found], [assumed(n) for n in range(len(found))], *model
        )
        if over is None:
            break
        # From how full the buffer is at its own first frame.
        chunk = chunks[over.chunk] = chunks[over.chunk].without_lead()
        asked[over.chunk] = plan.asked(rung, chunk, over.fill)
        runner.run([Task(chunk, (asked[over.chunk],))])
        found[over.chunk] = _found(runner, chunk, asked[over.chunk])
    return EncodedRung(rung, tuple(chunks), tuple(asked), tuple(found))


def _found(runner: ChunkRunner, chunk: Chunk, asked: ChunkRung) -> EncodedChunk:
    """A chunk out of the store; made again if it was damaged since it was looked for."""
    found = runner.chunks.find(chunk, asked, runner.measuring)
    if found is None:
        runner.run([Task(chunk, (asked,))])
        found = runner.chunks.find(chunk, asked, runner.measuring)
    if found is None:
        raise runner.chunks.store.unusable(OSError(0, "an entry that was just made is not there"))
    return found


def rendition_key(kept: ChunkStore, encoded: EncodedRung) -> str:
    """The key of a joined rendition: that of its chunks."""
    chunks = [kept.key(c, a) for c, a in zip(encoded.planned, encoded.asked, strict=True)]
    return key_of(
        {"chunks": chunks, "av": version("av"), "step": "encode", "version": _JOIN_VERSION}
    )


def join_rung(
    plan: EncodePlan, kept: ChunkStore, encoded: EncodedRung, store: Store
) -> tuple[Rendition, bool]:
    """The rendition of an encoded rung, and whether it was in the store already.

    Raises:
        EncodeError: when its chunks do not fit together.
    """
    rung = encoded.rung
    key = rendition_key(kept, encoded)
    entry = store.find("encode", key)
    if entry is not None:
        return _moved(entry, rung.id), True
    with store.work() as folder:
        files = [(one.path, one.packets) for one in encoded.chunks]
        join(files, plan.conform.frame_rate, folder / _FILE, rung.id)
        value = Rendition(
            # The name in the store is not the rung's: equal rungs of other ladders are called
            # differently.
            id="",
            codec=rung.codec,
            width=rung.width,
            height=rung.height,
            frame_rate=plan.conform.frame_rate,
            frames=plan.analysis.frames,
            keyframes=plan.keyframes,
            colour=plan.conform.colour,
            path=Path(_FILE),
        )
        entry = store.save("encode", key, folder, value)
    return _moved(entry, rung.id), False


def _moved(entry: Entry, identifier: str) -> Rendition:
    found = from_plain(entry.value, Rendition)
    return replace(found, id=identifier, path=entry.folder / found.path)
