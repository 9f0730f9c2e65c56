"""Ingests a master again and again, killed at random moments, until nothing is killed.

Run as a program: MASTER OUTPUT SEED KILLS. Loads the program once and forks it for every attempt,
so that time is spent on what is to be killed. Prints how often what was killed.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import encoder.engine.ingest
import encoder.report.html  # noqa: F401 - loaded before forking
from encoder.cli.main import run
from encoder.engine.store import default_root

KINDS = ("tool", "ffmpeg", "both")


def children(process: int) -> list[int]:
    """The processes that a process started and that still run."""
    found = []
    for one in Path("/proc").iterdir():
        if not one.name.isdigit():
            continue
        try:
            fields = (one / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found.append(int(one.name))
    return found


def attempt(arguments: list[str]) -> int:
    """The process of an ingest under way."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 1)
            os.dup2(devnull, 2)
            code = run(arguments)
        finally:
            os._exit(code)
    return child


def kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    master, output, seed, kills = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    arguments = ["ingest", master, "-o", str(output), *sys.argv[5:]]
    draw = random.Random(seed)
    # A first one to its end, to know how long it takes here.
    started = time.monotonic()
    os.waitpid(attempt(arguments), 0)
    whole = time.monotonic() - started
    shutil.rmtree(output)
    shutil.rmtree(default_root())
    killed = dict.fromkeys(KINDS, 0)
    while sum(killed.values()) < kills:
        kind = draw.choice(KINDS)
        moment = time.monotonic() + draw.uniform(0.02, 0.5) * whole
        child = attempt(arguments)
        ended = 0
        while not ended and time.monotonic() < moment:
            time.sleep(0.005)
            ended, _ = os.waitpid(child, os.WNOHANG)
        if ended:
            # It came to its end: everything anew, so that there is something to kill.
            shutil.rmtree(output, ignore_errors=True)
            shutil.rmtree(default_root(), ignore_errors=True)
            continue
        victims = children(child)
        if kind == "ffmpeg" and not victims:
            kind = "tool"
        if kind != "ffmpeg":
            kill(child)
        if kind != "tool":
            for one in victims:
                kill(one)
        os.waitpid(child, 0)
        killed[kind] += 1
    print(*(f"{kind}={count}" for kind, count in killed.items()))
    _, status = os.waitpid(attempt(arguments), 0)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
