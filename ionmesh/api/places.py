"""A limit to how many of something there are at once."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Places:
    """How many streams there may be at once."""

    def __init__(self, number: int, taken: Callable[[int], object]) -> None:
        """`taken` is told 1 when one is taken and -1 when one is given back."""
        self._free = threading.Semaphore(number)
        self._taken = taken

    def take(self) -> bool:
        """Take a place; False: all are taken."""
        if not self._free.acquire(blocking=False):
            return False
        self._taken(1)
        return True

    def give_back(self) -> None:
        """Free a place."""
        self._free.release()
        self._taken(-1)
