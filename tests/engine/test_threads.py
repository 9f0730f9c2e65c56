"""Several jobs at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from encoder.engine.threads import at_once


def test_outcomes_come_in_the_order_of_the_jobs() -> None:
    both = threading.Barrier(2, timeout=10)

    def late() -> str:
        both.wait()
        return "late"

    def broken() -> str:
        both.wait()
        raise ValueError("broken")

    # Each waits for the other: they must run at the same time.
    first, second, third = at_once([late, broken, lambda: "more"], 2)
    assert (first, third) == ("late", "more")
    assert isinstance(second, ValueError)
    assert at_once([], 4) == []
    nothing: list[Callable[[], None]] = [lambda: None]
    assert at_once(nothing, 1) == [None]
