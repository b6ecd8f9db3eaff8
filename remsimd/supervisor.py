"""Keeps the parts of the daemon running, one failure never taking another part down.

The only place that catches every exception: here a failure becomes a state that people see
(`failed`, with the reason) and a later attempt.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from modems.errors import ModemError
from remsimd import clock
from remsimd.backoff import Backoff
from remsimd.errors import RemsimError
from remsimd.events import Event, PartFailed, PartRunning

log = logging.getLogger(__name__)

T = TypeVar("T")

# A part that ran this long was well: its next failure is the first of a new series.
WELL_AFTER_S = 60.0


class Runnable(Protocol):
    """Something that runs until cancelled, and may be run again after it failed."""

    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Part:
    """What a part is made of: `key` is everything it was built from, compared on reload."""

    name: str
    key: Hashable
    build: Callable[[], Runnable]


@dataclass(slots=True)
class _Running:
    part: Part
    runnable: Runnable
    task: asyncio.Task[None]


class Supervisor:
    """The running parts, by name, in the order in which they were started."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._running: dict[str, _Running] = {}

    def find(self, name: str, kind: type[T]) -> T | None:
        """The object behind a part's name, None where no such part runs."""
        running = self._running.get(name)
        if running is None:
            return None
        if not isinstance(running.runnable, kind):
            raise TypeError(f"part {name} is a {type(running.runnable).__name__}, not a {kind.__name__}")
        return running.runnable

    def part(self, name: str, kind: type[T]) -> T:
        """The object behind a part that must run."""
        found = self.find(name, kind)
        if found is None:
            raise LookupError(f"no part {name} runs")
        return found

    async def apply(self, wanted: tuple[Part, ...]) -> tuple[str, ...]:
        """Stop what is not wanted any more or was built from something else, start what is new.

        Parts start in the order given and stop in the reverse one. Returns the names of the
        parts stopped or started.
        """
        keys = {part.name: part.key for part in wanted}
        stale = [name for name, running in self._running.items() if keys.get(name) != running.part.key]
        for name in reversed(stale):
            await self._stop(name)
        changed = list(stale)
        for part in wanted:
            if part.name not in self._running:
                runnable = part.build()
                task = asyncio.create_task(self._keep_running(part.name, runnable.run), name=part.name)
                self._running[part.name] = _Running(part, runnable, task)
                changed.append(part.name)
        return tuple(dict.fromkeys(changed))

    async def stop(self, *names: str) -> None:
        """Stop the named parts, or all: the last started first."""
        for name in reversed(tuple(self._running)):
            if not names or name in names:
                await self._stop(name)

    async def _stop(self, name: str) -> None:
        running = self._running.pop(name)
        running.task.cancel()
        await asyncio.wait((running.task,))

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(first_s=1.0, cap_s=60.0)
        task = asyncio.current_task()
        while True:
            started = clock.monotonic()
            self._publish(PartRunning(name))
            try:
                await run()
                reason = "ended by itself"
            except (RemsimError, ModemError, OSError) as error:
                reason = str(error)
            except Exception as error:
                log.exception("%s failed in a way it should not", name)
                reason = f"{type(error).__name__}: {error}"
            # Not task.cancelling(): a failed TaskGroup leaves its mark there before Python 3.13.
            if name not in self._running or self._running[name].task is not task:
                log.warning("%s was stopped, and its end failed: %s", name, reason)
                return
            if clock.monotonic() - started > WELL_AFTER_S:
                backoff = backoff.succeeded()
            backoff = backoff.failed()
            retry_s = backoff.delay_s(random.random())  # noqa: S311 - jitter, not a secret
            level = logging.WARNING if backoff.failures == 1 else logging.DEBUG
            log.log(level, "%s failed: %s; next attempt in %.0f s", name, reason, retry_s)
            self._publish(PartFailed(name, reason, retry_s))
            await asyncio.sleep(retry_s)
