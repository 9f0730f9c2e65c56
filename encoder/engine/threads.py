"""Several short jobs at a time, in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def at_once(jobs: Sequence[Callable[[], T]], most: int) -> list[T | Exception]:
    """The results of jobs, or what they raised, in their order.

    An interruption does not wait for them: the threads are daemons, whose processes end with them.

    Args:
        jobs: what to do; none may wait for another.
        most: how many at a time.
    """
    outcomes: dict[int, T | Exception] = {}
    left = iter(range(len(jobs)))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            try:
                outcomes[number] = jobs[number]()
            # Whatever a job raises is for whoever asked for it, in the job's place.
            except Exception as error:
                outcomes[number] = error

    threads = [
        threading.Thread(target=work, name=f"job-{n}", daemon=True)
        for n in range(min(most, len(jobs)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcomes[number] for number in range(len(jobs))]
