"""Threads that come with work of one kind at the same time share one round of it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class PassOn(Enum):
    """What a round says of an item that it leaves to the group beyond it."""

    IT = "it"


@dataclass(slots=True, eq=False)
class _Place(Generic[Item, Result]):
    """Where one thread waits, on a lock that is held until it is to lead or its result has come."""

    item: Item
    turn: threading.Lock = field(default_factory=threading.Lock)
    leads: Group[Item, Result] | None = None
    done: bool = False
    result: Result | None = None


class Group(Generic[Item, Result]):
    """Does the work of many callers in rounds, one round at a time.

    There is no thread of its own: a caller that finds nobody at work leads a round, with everybody who came
    until then; who comes meanwhile is in the next one, which the first of them leads. So a caller alone waits
    for nobody, and the more there are the larger the rounds.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result | PassOn]],
        most: int,
        beyond: Group[Item, Result] | None = None,
    ) -> None:
        """`work` returns a result for each item, in their order; it gets at most `most` of them.

        What it passes on is in a round of the group `beyond`, without its caller being woken in between.
        """
        self._work = work
        self._most = most
        self._beyond = beyond
        self._lock = threading.Lock()
        self._waiting: deque[_Place[Item, Result]] = deque()
        self._busy = False

    def submit(self, item: Item) -> Result | None:
        """Return the result for the item once its last round is over.

        Raises what `work` raised if this caller led the round; for the others it is None then, and each may
        do its own work alone.
        """
        mine: _Place[Item, Result] = _Place(item)
        mine.turn.acquire()
        self._enter([mine])
        while not mine.done:
            mine.turn.acquire()
            if mine.leads is not None:
                group, mine.leads = mine.leads, None
                group._lead(mine)
        return mine.result

    def _enter(self, places: Sequence[_Place[Item, Result]]) -> None:
        with self._lock:
            self._waiting.extend(places)
            if not self._busy:
                self._busy = True
                self._let_lead(self._waiting[0])

    def _let_lead(self, place: _Place[Item, Result]) -> None:
        place.leads = self
        place.turn.release()

    def _lead(self, mine: _Place[Item, Result]) -> None:
        with self._lock:
            round_ = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        passed = []
        try:
            for place, result in zip(round_, self._work([place.item for place in round_]), strict=True):
                if isinstance(result, PassOn):
                    passed.append(place)
                else:
                    place.result = result
        finally:
            with self._lock:
                self._busy = bool(self._waiting)
                if self._waiting:
                    self._let_lead(self._waiting[0])
            stays = set(passed)
            for place in round_:
                place.done = place not in stays
                if place.done and place is not mine:
                    place.turn.release()
        if self._beyond is not None and passed:
            self._beyond._enter(passed)
