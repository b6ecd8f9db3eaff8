"""Who hears what happened.

Two kinds of listeners: `listen` calls back within `publish` and misses nothing (the read
model, the failover decisions, which must not lose an event); `follow` gives a bounded stream
for consumers that may be slow, which lose the oldest events first and are told how many.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from remsimd import clock
from remsimd.events import Event


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event with its number (from 1, gapless), wall clock and monotonic time in seconds."""

    seq: int
    wall_s: float
    mono_s: float
    event: Event


Listener = Callable[[Stamped], None]


class Follower:
    """A bounded stream of events; iterate over it from one task."""

    def __init__(self, maxlen: int) -> None:
        self._queue: deque[Stamped] = deque(maxlen=maxlen)
        self._arrived = asyncio.Event()
        self.lost = 0

    def put(self, stamped: Stamped) -> None:
        """Take one event in; the oldest gives way when it does not fit."""
        if len(self._queue) == self._queue.maxlen:
            self.lost += 1
        self._queue.append(stamped)
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Stamped]:
        while True:
            while self._queue:
                yield self._queue.popleft()
            self._arrived.clear()
            await self._arrived.wait()


class Bus:
    """Publishes events in order to everyone listening. Used from the event loop only."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._pending: deque[Stamped] = deque()
        self._telling = False
        self._seq = 0

    def publish(self, event: Event) -> None:
        """Tell everyone. An event published by a listener is delivered after the present one."""
        self._seq += 1
        self._pending.append(Stamped(self._seq, clock.wall(), clock.monotonic(), event))
        if self._telling:
            return
        self._telling = True
        try:
            while self._pending:
                stamped = self._pending.popleft()
                for listener in tuple(self._listeners):
                    listener(stamped)
        finally:
            # A listener that raises all the same must not keep what comes next from everybody.
            self._telling = False

    @contextmanager
    def listen(self, listener: Listener) -> Iterator[None]:
        """Call `listener` with every event while the context lasts; it must neither block nor raise."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    @contextmanager
    def follow(self, maxlen: int = 256) -> Iterator[Follower]:
        """A bounded stream of the events from now on."""
        follower = Follower(maxlen)
        with self.listen(follower.put):
            yield follower
