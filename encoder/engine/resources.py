"""How many processes run at a time: from the cores, and from the memory that each will take."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from encoder.ffmpeg.process import Usage

if TYPE_CHECKING:
    from encoder.encode.chunks import ChunkRung
    from encoder.media.conform import Conform

# Bytes a process takes, and a pixel of a picture, measured with x264 medium and libvmaf of the
# FFmpeg that comes with the install, from 240p to 1080p. An encoder holds some fifty pictures in
# several sizes; references wait for it as long.
_SELF = 200_000_000
_PROCESS = 60_000_000
_ENCODER_PER_PIXEL = 190
_SOURCE_PER_PIXEL = 20
_REFERENCE_PER_PIXEL = 60
_MEASURED_PER_PIXEL = 72
_CORES_PER_PROCESS = 4
# An encoder, and beside it the decoders and the measurement of what it makes.
_CORES_AN_ENCODE = Fraction(5, 3)
# For each process at a time, unless told otherwise: enough for most of a ladder at 1080p at once.
_PROCESS_LIMIT = 3 << 29


@dataclass(frozen=True, slots=True)
class Resources:
    """What the engine may use.

    ``jobs`` is how many FFmpeg processes at a time, None to choose; ``memory`` the bytes that all
    processes together should stay under.
    """

    jobs: int | None = None
    memory: int | None = None

    @property
    def wanted(self) -> int:
        """Processes at a time, if there is memory for them.

        With a ladder, one keeps about four cores busy: its encoders and measurements run beside
        each other.
        """
        return self.jobs or -(-cores() // _CORES_PER_PROCESS)

    @property
    def memory_limit(self) -> int:
        """Bytes: what was asked for, or 1.5 GiB a process and at most half of the machine's."""
        return self.memory or min(machine_memory() // 2, _PROCESS_LIMIT * self.wanted)


def machine_memory() -> int:
    """Bytes of memory of the machine, or what its control group leaves of it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            text = file.read().strip()
    except OSError:
        return total
    return min(total, int(text)) if text.isdigit() else total


def cores() -> int:
    """Processors that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def expected_memory(conform: Conform, rungs: Sequence[ChunkRung], *, measured: bool) -> int:
    """About how many bytes a process takes that encodes these rungs at once."""
    pixels = conform.width * conform.height
    total = _PROCESS + _SOURCE_PER_PIXEL * pixels
    if measured:
        total += _REFERENCE_PER_PIXEL * pixels
    return total + sum(_rung_memory(conform, rung, measured=measured) for rung in rungs)


def _rung_memory(conform: Conform, rung: ChunkRung, *, measured: bool) -> int:
    encoder = _ENCODER_PER_PIXEL * rung.settings.width * rung.settings.height
    return encoder + (_MEASURED_PER_PIXEL * conform.width * conform.height if measured else 0)


def batches(
    resources: Resources, conform: Conform, rungs: Sequence[ChunkRung], *, measured: bool
) -> tuple[tuple[ChunkRung, ...], ...]:
    """Rungs in as few processes as keep to the memory limit, each of which decodes for itself.

    A rung that does not fit alone is one by itself. In the order of the rungs, filling up.
    """
    limit = (resources.memory_limit - _SELF) // resources.wanted
    found: list[list[ChunkRung]] = []
    for rung in rungs:
        for batch in found:
            if expected_memory(conform, [*batch, rung], measured=measured) <= limit:
                batch.append(rung)
                break
        else:
            found.append([rung])
    return tuple(tuple(batch) for batch in found)


def workers(resources: Resources, process_memory: int, tasks: int, encodes: int) -> int:
    """How many processes run at a time, each of which makes so many encodes at once."""
    fitting = max(1, (resources.memory_limit - _SELF) // max(1, process_memory))
    wanted = resources.jobs or max(resources.wanted, ceil(cores() / (encodes * _CORES_AN_ENCODE)))
    return max(1, min(wanted, fitting, tasks))


@dataclass(slots=True)
class PeakMemory:
    """The most memory that this process and its children took at a time, in bytes.

    Children that ran at the same time count with the peak of each: an upper bound.
    """

    runs: list[tuple[float, float, int]] = field(default_factory=list)

    def add(self, started: float, ended: float, usage: Usage) -> None:
        """Takes a process that ran between two times."""
        self.runs.append((started, ended, usage.peak_memory))

    @property
    def bytes(self) -> int:
        """The peak so far."""
        together = 0
        for started, _, _ in self.runs:
            here = sum(peak for a, b, peak in self.runs if a <= started < b)
            together = max(together, here)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        return own + max(together, largest)
