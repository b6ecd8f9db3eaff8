"""A limit to how many of something there are at once."""

from __future__ import annotations

import threading


class Places:
    """How many streams there may be at once."""

    def __init__(self, number: int) -> None:
        self._free = threading.Semaphore(number)

    def take(self) -> bool:
        """Take a place; False: all are taken."""
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        """Free a place."""
        self._free.release()
