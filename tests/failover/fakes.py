"""A network made of values: links that answer or not, a kernel that says so, routes that are noted."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from remsimd import clock
from remsimd.config.model import ProbeTarget
from remsimd.errors import RouteError
from remsimd.failover.links import Hop, LinkFacts
from remsimd.failover.routes import Route


def facts(name: str, number: int, *, carrier: bool = True, address: bool = True) -> LinkFacts:
    """A device of the fake router: 10.64.<number>.2 behind 10.64.<number>.1."""
    addresses = (f"10.64.{number}.2",) if address else ()
    hop = Hop(f"10.64.{number}.1") if address else None
    return LinkFacts(name, number + 100, True, True, carrier, addresses, hop)


class FakeKernel:
    """Says what it is told to; a plain `put` with no facts ends nothing."""

    def __init__(self, *first: LinkFacts) -> None:
        self._batches: asyncio.Queue[tuple[LinkFacts, ...]] = asyncio.Queue()
        self._batches.put_nowait(first)

    def say(self, *changed: LinkFacts) -> None:
        self._batches.put_nowait(changed)

    async def watch(self) -> AsyncGenerator[tuple[LinkFacts, ...], None]:
        while True:
            yield await self._batches.get()


@dataclass
class FakeAir:
    """A prober: devices in `dead` swallow probes; the others answer after `rtt_s`, but for `mute` targets."""

    rtt_s: float = 0.05
    dead: set[str] = field(default_factory=set)
    mute: set[ProbeTarget] = field(default_factory=set)
    asked: list[tuple[float, str]] = field(default_factory=list)
    targets: list[tuple[ProbeTarget, ...]] = field(default_factory=list)

    async def round(
        self,
        device: str,
        targets: Sequence[ProbeTarget],
        timeout_s: float,
        answered: Callable[[ProbeTarget, float], None],
    ) -> tuple[float | None, ...]:
        self.asked.append((clock.monotonic(), device))
        self.targets.append(tuple(targets))
        if device in self.dead or self.rtt_s > timeout_s:
            await asyncio.sleep(timeout_s)
            return tuple(None for _ in targets)
        await asyncio.sleep(self.rtt_s)
        for target in targets:
            if target not in self.mute:
                answered(target, self.rtt_s)
        if self.mute & set(targets):
            await asyncio.sleep(timeout_s - self.rtt_s)
        return tuple(None if target in self.mute else self.rtt_s for target in targets)


@dataclass
class FakeRouting:
    """Notes what it is asked to do; with `refusal` it refuses every move."""

    done: list[str] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    refusal: str | None = None

    async def install(self) -> None:
        self.done.append("install")

    async def move(self, route: Route) -> None:
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise RouteError(self.refusal)
        self.routes.append(route)
        self.done.append(f"move {route.device}")

    async def flush(self, left: Route) -> None:
        self.done.append(f"flush {left.device}")

    async def remove(self) -> None:
        self.done.append("remove")
