"""Threads that come with work of one kind at the same time share one round of it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Place(Generic[Item, Result]):
    """Where one thread waits, on a lock that is held until it is to lead or its result has come."""

    item: Item
    turn: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    result: Result | None = None


class Group(Generic[Item, Result]):
    """Does the work of many callers in rounds, one round at a time.

    There is no thread of its own: a caller that finds nobody at work leads a round, with everybody who came
    until then; who comes meanwhile is in the next one, which the first of them leads. So a caller alone waits
    for nobody, and the more there are the larger the rounds.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Result]], most: int) -> None:
        """`work` returns a result for each item, in their order; it gets at most `most` of them."""
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[_Place[Item, Result]] = deque()
        self._busy = False

    def submit(self, item: Item) -> Result | None:
        """Return the result for the item once its round is over.

        Raises what `work` raised if this caller led the round; for the others it is None then, and each may
        do its own work alone.
        """
        mine: _Place[Item, Result] = _Place(item)
        mine.turn.acquire()
        with self._lock:
            self._waiting.append(mine)
            mine.leads, self._busy = not self._busy, True
        if not mine.leads:
            mine.turn.acquire()
        if mine.leads:
            self._lead()
        return mine.result

    def _lead(self) -> None:
        with self._lock:
            round_ = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        try:
            for place, result in zip(round_, self._work([place.item for place in round_]), strict=True):
                place.result = result
        finally:
            with self._lock:
                self._busy = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].leads = True
                    self._waiting[0].turn.release()
            for place in round_[1:]:
                place.turn.release()
