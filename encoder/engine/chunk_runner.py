"""Runs the chunks of a title, several at a time, each kept as soon as it is done."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from encoder.encode.chunk import EncodedChunk, Title, encode_chunk
from encoder.encode.chunk_command import Measuring
from encoder.encode.chunks import Chunk, ChunkRung
from encoder.encode.cut import Cut
from encoder.engine.chunk_store import ChunkStore
from encoder.engine.interruption import Interruption
from encoder.engine.resources import PeakMemory
from encoder.ffmpeg.process import Cancellation, Patience, Progress
from encoder.media.frames import FrameRange

_POLL_SECONDS = 0.25
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Task:
    """A chunk, and what is to be made of it."""

    chunk: Chunk
    rungs: tuple[ChunkRung, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """How far it is: frames done of how many, chunks done of how many, and bytes so far."""

    frames: int
    total: int
    chunks: int
    of: int
    bytes: int


@dataclass(slots=True)
class ChunkRunner:
    """Encodes tasks and keeps what they give.

    Attributes:
        title: the title.
        chunks: where results are kept.
        measuring: what is measured in the pass.
        workers: processes at a time.
        vmaf_threads: libvmaf's threads for each rung.
        divide: rungs to those that a process does at once.
        interruption: heeded between chunks.
        memory: told what each process took.
        patience: how long a process may stand still.
        cuts: where in the master decoding starts for frames, as far as it is known.
        on_running: told how far it is, about four times a second, by the thread that runs.
        on_notice: told what a person should know.
        on_missing: told what is about to be encoded; may raise.
    """

    title: Title
    chunks: ChunkStore
    measuring: Measuring | None
    workers: int
    vmaf_threads: int
    divide: Callable[[tuple[ChunkRung, ...]], tuple[tuple[ChunkRung, ...], ...]]
    interruption: Interruption
    memory: PeakMemory
    patience: Patience = field(default_factory=Patience)
    cuts: dict[FrameRange, Cut] = field(default_factory=dict)
    on_running: Callable[[Running], None] | None = None
    on_notice: Callable[[str], None] | None = None
    on_missing: Callable[[Sequence[Task]], None] | None = None

    def run(self, tasks: Sequence[Task]) -> None:
        """Encodes and keeps what is not in the store yet.

        Another process that works on the same title shares the work.

        Raises:
            KeyboardInterrupt: when it was interrupted; chunks that were under way are then kept.
            EncoderError: of the first chunk that failed; the others under way are ended.
        """
        if self.on_missing is not None:
            self.on_missing(tasks)
        work = _Work(self, deque(tasks))
        threads = [
            threading.Thread(target=work.loop, name=f"chunk-{n}", daemon=True)
            for n in range(min(self.workers, len(tasks)))
        ]
        try:
            with self.interruption.drainable():
                for thread in threads:
                    thread.start()
                told = False
                while any(thread.is_alive() for thread in threads):
                    time.sleep(_POLL_SECONDS)
                    self._tell(work)
                    if self.interruption.asked and not told:
                        told = True
                        work.notice(
                            "Finishing the chunks under way, then stopping; interrupt once more "
                            "to stop at once"
                        )
                    self._notices(work)
        except BaseException:
            work.cancellation.cancel()
            deadline = time.monotonic() + _STOP_SECONDS
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            raise
        self._tell(work)
        self._notices(work)
        if work.failure is not None:
            raise work.failure
        if self.interruption.asked:
            raise KeyboardInterrupt

    def _tell(self, work: _Work) -> None:
        if self.on_running is not None:
            self.on_running(work.running())

    def _notices(self, work: _Work) -> None:
        while self.on_notice is not None and work.notices:
            self.on_notice(work.notices.popleft())


class _Work:
    """What the threads share."""

    def __init__(self, runner: ChunkRunner, tasks: deque[Task]) -> None:
        self.cancellation = Cancellation()
        self.failure: BaseException | None = None
        self.notices: deque[str] = deque()
        self._runner = runner
        self._tasks = tasks
        self._total = sum(len(task.chunk.frames) for task in tasks)
        self._count = len(tasks)
        self._lock = threading.Lock()
        self._done = 0
        self._chunks = 0
        self._bytes = 0
        self._under_way: dict[int, int] = {}

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def running(self) -> Running:
        with self._lock:
            frames = self._done + sum(self._under_way.values())
            return Running(frames, self._total, self._chunks, self._count, self._bytes)

    def loop(self) -> None:
        """What each thread does: one task after the other, until there is none or one failed."""
        while True:
            with self._lock:
                stop = self.failure is not None or self._runner.interruption.asked
                if stop or not self._tasks:
                    return
                task = self._tasks.popleft()
            try:
                if not self._take(task):
                    # Another process is at it: whoever comes first to what it made has it.
                    with self._lock:
                        self._tasks.append(task)
                    time.sleep(_POLL_SECONDS)
            except BaseException as error:
                with self._lock:
                    if self.failure is None:
                        self.failure = error
                self.cancellation.cancel()
                return

    def _take(self, task: Task) -> bool:
        runner = self._runner
        with runner.chunks.store.try_lock(runner.chunks.lock_name(task.chunk)) as mine:
            if not mine:
                return False
            missing = tuple(
                rung for rung in task.rungs if runner.chunks.find(task.chunk, rung, None) is None
            )
            size = 0
            parts = runner.divide(missing) if missing else ()
            for number, part in enumerate(parts):
                size += self._encode(Task(task.chunk, part), number, len(parts))
            with self._lock:
                self._under_way.pop(threading.get_ident(), None)
                self._done += len(task.chunk.frames)
                self._chunks += 1
                self._bytes += size
        return True

    def _encode(self, task: Task, part: int, parts: int) -> int:
        runner = self._runner
        with runner.chunks.store.work() as folder:
            made = self._run(task, folder, part, parts)
            for rung, one in zip(task.rungs, made, strict=True):
                runner.chunks.save(task.chunk, rung, runner.measuring, one)
            return sum(int(one.packets.sizes.sum()) for one in made)

    def _run(self, task: Task, folder: Path, part: int, parts: int) -> tuple[EncodedChunk, ...]:
        runner, mine = self._runner, threading.get_ident()

        def progress(report: Progress) -> None:
            frames = len(task.chunk.frames)
            with self._lock:
                self._under_way[mine] = (part * frames + min(report.frame, frames)) // parts

        started = time.monotonic()
        made, usage = encode_chunk(
            runner.title,
            task.chunk,
            task.rungs,
            runner.measuring,
            folder,
            vmaf_threads=runner.vmaf_threads,
            on_progress=progress,
            cancellation=self.cancellation,
            patience=runner.patience,
            on_stall=lambda: self.notice(
                f"FFmpeg stood still at frames {task.chunk.frames.start} to "
                f"{task.chunk.frames.end - 1}: it was ended and started again"
            ),
            cuts=runner.cuts,
        )
        with self._lock:
            runner.memory.add(started, time.monotonic(), usage)
        return made
