"""Ctrl-C once lets what is under way be finished, twice stops at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interruption:
    """A wish to stop, from a signal's handler to whoever runs work that can be drained."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._drainable = False

    def ask(self) -> bool:
        """Asks to stop.

        Returns:
            Whether the work under way will be drained; if not, it must be stopped now: nothing is
            to be drained, or this is the second time.
        """
        if not self._drainable or self._asked.is_set():
            return False
        self._asked.set()
        return True

    @property
    def asked(self) -> bool:
        """Whether no new work should be started."""
        return self._asked.is_set()

    @contextmanager
    def drainable(self) -> Iterator[None]:
        """Work in this block heeds :attr:`asked`."""
        self._drainable = True
        try:
            yield
        finally:
            self._drainable = False
