"""Starts FFmpeg, the only place that does: streams progress, keeps the end of its messages.

Every process leads a group of its own, which is killed whole when the caller is interrupted or
fails, so that nothing is left running behind.
"""

from __future__ import annotations

import ctypes
import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from encoder.errors import MachineError
from encoder.ffmpeg.failure import ProcessFailed
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.watchdog import Patience, Watchdog

# Enough for FFmpeg's chain of errors from the decoder up to the muxer.
_TAIL_LINES = 40
_KILL_AFTER_SECONDS = 3.0

# What every process is started with: nothing is asked, only local files are opened (a playlist or
# a concat script inside a master cannot reach out), messages are warnings and errors.
GLOBAL_ARGUMENTS = ("-nostdin", "-hide_banner", "-loglevel", "level+warning", "-y")
PROTOCOLS = "file,pipe,fd"


__all__ = [
    "Cancellation",
    "Patience",
    "ProcessFailed",
    "Progress",
    "Running",
    "Usage",
    "run",
    "stream",
]

_LOG = logging.getLogger(__name__)
_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of a running process.

    ``frame`` counts the frames that left the first video output, ``time_us`` is the output time in
    microseconds, ``speed`` the ratio to real time, None where FFmpeg does not know.
    """

    frame: int
    time_us: int
    speed: float | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a finished process took: seconds, and its largest resident set in bytes."""

    cpu_seconds: float
    wall_seconds: float
    peak_memory: int


class Cancellation:
    """Ends the processes that other threads wait for.

    A process under way is killed, one that starts later is killed at once: whoever waits for it
    gets :class:`ProcessFailed`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._cancelled = False

    def cancel(self) -> None:
        """Kills what runs, and what will be started."""
        with self._lock:
            self._cancelled = True
            for group in self._groups:
                _signal_group(group, signal.SIGKILL)

    @property
    def cancelled(self) -> bool:
        """Whether it has been asked for."""
        with self._lock:
            return self._cancelled

    @contextmanager
    def watching(self, group: int) -> Iterator[None]:
        """Keeps a process group within reach as long as it runs."""
        with self._lock:
            self._groups.add(group)
            if self._cancelled:
                _signal_group(group, signal.SIGKILL)
        try:
            yield
        finally:
            with self._lock:
                self._groups.discard(group)


def run(
    ffmpeg: Ffmpeg,
    arguments: Sequence[str],
    *,
    folder: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_line: Callable[[str], None] | None = None,
    log_level: str = "level+warning",
    cancellation: Cancellation | None = None,
    patience: Patience = _PATIENCE,
    on_stall: Callable[[], None] | None = None,
) -> Usage:
    """Runs FFmpeg to its end; once more from its start if it stands still.

    Threads of encoders and of FFmpeg have been seen to wait for each other for ever. The command
    has to be one that can be repeated: its outputs are files that it overwrites, and ``on_stall``
    forgets what ``on_line`` was told.

    Args:
        ffmpeg: the program.
        arguments: everything after the global options: inputs, filters, outputs.
        folder: working directory; output names inside filter options should be relative to it,
            so that they need no escaping.
        on_progress: called about twice a second.
        on_line: called with each line of its messages.
        log_level: FFmpeg's ``-loglevel``, for those who read results from messages.
        cancellation: lets another thread end the process.
        patience: how long it may stand still.
        on_stall: called before it is started again, instead of a warning.

    Raises:
        ProcessFailed: when it ends with an error, or stood still twice.
        MachineError: when it cannot be started, or the disk is full.
    """
    argv = _argv(ffmpeg, ("-progress", "pipe:1", *arguments), log_level)
    watched = cancellation or Cancellation()
    try:
        return _run(argv, folder, on_progress, on_line, watched, patience)
    except ProcessFailed as failure:
        if not failure.stalled or watched.cancelled:
            raise
    if on_stall is None:
        _LOG.warning("FFmpeg stood still: it was ended and started again")
    else:
        on_stall()
    return _run(argv, folder, on_progress, on_line, watched, patience)


def _run(
    argv: list[str],
    folder: Path | None,
    on_progress: Callable[[Progress], None] | None,
    on_line: Callable[[str], None] | None,
    cancellation: Cancellation,
    patience: Patience,
) -> Usage:
    with (
        _started(argv, folder, on_line) as running,
        cancellation.watching(running.group),
        Watchdog(running.group, patience) as watchdog,
    ):
        stdout = running.stdout
        fields: dict[str, str] = {}
        for raw in stdout:
            key, _, value = raw.decode("utf-8", "replace").strip().partition("=")
            fields[key] = value
            if key == "progress":
                progress = _progress(fields)
                watchdog.heard(progress.frame, progress.time_us)
                if on_progress is not None:
                    on_progress(progress)
                fields = {}
        try:
            return running.finish()
        except ProcessFailed as failure:
            if not watchdog.bit:
                raise
            raise ProcessFailed(failure.code, failure.tail, stalled=True) from None


@contextmanager
def stream(
    ffmpeg: Ffmpeg,
    arguments: Sequence[str],
    *,
    folder: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Iterator[Running]:
    """Runs FFmpeg with its standard output as a pipe to read pictures or samples from.

    The process is killed when the block is left early; a block that reads to the end calls
    :meth:`Running.finish`, which raises if the process failed. ``on_line`` is called with each line
    of its messages, from another thread that has ended after that.

    Raises:
        MachineError: when it cannot be started.
    """
    with _started(_argv(ffmpeg, arguments, "level+warning"), folder, on_line) as running:
        yield running


def _argv(ffmpeg: Ffmpeg, arguments: Sequence[str], log_level: str) -> list[str]:
    own = [log_level if a == "level+warning" else a for a in GLOBAL_ARGUMENTS]
    return [str(ffmpeg.path), *own, *arguments]


class Running:
    """A process under way."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        tail: deque[str],
        reader: threading.Thread,
        started: float,
    ) -> None:
        if process.stdout is None:
            raise ValueError("a process without a pipe for its output")
        self.stdout: IO[bytes] = process.stdout
        self._process = process
        self._tail = tail
        self._reader = reader
        self._started = started
        self.usage: Usage | None = None

    @property
    def group(self) -> int:
        """The process group that it leads."""
        return self._process.pid

    def finish(self) -> Usage:
        """Waits for the end.

        Raises:
            ProcessFailed: when it failed.
            MachineError: when it failed because the disk is full.
        """
        usage = self._reap()
        code = self._process.returncode
        if code != 0:
            failure = ProcessFailed(code, tuple(self._tail))
            if failure.disk_full:
                raise MachineError(
                    "The disk is full",
                    why=failure.reason,
                    hint="Free some space, or point --output and ENCODER_CACHE at another disk, "
                    "and run the same command again: finished steps are kept",
                ) from failure
            raise failure
        return usage

    def _reap(self) -> Usage:
        if self.usage is None:
            _, status, resources = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._reader.join()
            self.usage = Usage(
                resources.ru_utime + resources.ru_stime,
                time.monotonic() - self._started,
                resources.ru_maxrss * 1024,
            )
        return self.usage

    def kill(self) -> None:
        """Ends the process group: politely, then at once."""
        if self.usage is not None:
            return
        # A process blocked on a full pipe would not see the signal until somebody reads.
        self.stdout.close()
        _signal_group(self._process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _KILL_AFTER_SECONDS
        pause = 0.001
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
        _signal_group(self._process.pid, signal.SIGKILL)
        self._reap()


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Runs in the child before FFmpeg does: it is killed when this process is.

    Nothing but a system call may happen here, since other threads' locks are as they were when
    the process was forked.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def _started(
    argv: list[str], folder: Path | None, on_line: Callable[[str], None] | None
) -> Iterator[Running]:
    started = time.monotonic()
    # A text to read and to copy into a shell; nothing is ever started from it.
    _LOG.info("%s", shlex.join(argv))
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_die_with_parent,
            # SVT-AV1 prints its settings as if they were errors.
            env={**os.environ, "SVT_LOG": "1"},
        )
    except OSError as error:
        raise MachineError(
            "FFmpeg could not be started",
            where=argv[0],
            why=str(error),
            hint="Run `encoder doctor`, or choose another FFmpeg with --ffmpeg",
        ) from error
    tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def read_messages() -> None:
        if process.stderr is None:
            return
        for raw in process.stderr:
            line = raw.decode("utf-8", "replace").rstrip()
            tail.append(line)
            if on_line is not None:
                on_line(line)

    reader = threading.Thread(target=read_messages, daemon=True)
    reader.start()
    running = Running(process, tail, reader, started)
    try:
        yield running
    finally:
        running.kill()
        running.stdout.close()
        if process.stderr is not None:
            process.stderr.close()


def _progress(fields: dict[str, str]) -> Progress:
    def number(key: str) -> int:
        try:
            return int(fields.get(key, "0"))
        except ValueError:  # "N/A" until the first frame is out
            return 0

    try:
        speed = float(fields.get("speed", "").rstrip("x"))
    except ValueError:
        speed = None
    return Progress(number("frame"), number("out_time_us"), speed)
