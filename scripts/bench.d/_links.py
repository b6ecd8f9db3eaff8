"""A router in network namespaces, a host behind it, and what both say about a fault."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from simlab.links import PROBE_ADDRESSES, SERVICE_ADDRESS, World

ROOT = Path(__file__).parents[2]
PORT = 7007
DOWNLOAD = (sys.executable, "-m", "simlab.download")


class Talker:
    """A program that prints JSON lines; the newest and those waited for."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.startswith(b"{"):
                self.lines.append(json.loads(line))
                self._news.set()

    async def first(self, fits: Callable[[dict[str, Any]], bool], within_s: float = 60.0) -> dict[str, Any]:
        """The first line that fits, of those printed from the last `forget` on."""
        seen = 0
        async with asyncio.timeout(within_s):
            while True:
                self._news.clear()
                for line in self.lines[seen:]:
                    if fits(line):
                        return line
                seen = len(self.lines)
                await self._news.wait()

    def forget(self) -> None:
        """Only what is printed from now on counts."""
        self.lines.clear()

    def tell(self, **order: Any) -> None:
        """Give it an order on its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    async def end(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._reading


async def talker(argv: list[str]) -> Talker:
    """Start a program."""
    return Talker(
        await asyncio.create_subprocess_exec(
            *argv,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    )


class Bench:
    """A world with a router on its first link, a host behind it, and an echo server outside."""

    def __init__(self, world: World, router: Talker, *, lan: bool) -> None:
        self.world = world
        self.router = router
        self.lan = lan
        self.flows: dict[str, Talker] = {}

    async def flow(self, kind: str, every_s: float) -> Talker:
        """Start a flow of questions from the host (from the router itself where nothing masquerades)."""
        argv = [*DOWNLOAD, kind, SERVICE_ADDRESS, str(PORT), str(every_s)]
        place = self.world.exec_lan(argv) if self.lan else self.world.exec(argv)
        self.flows[kind] = await talker(place)
        await self.flows[kind].first(lambda line: True)
        return self.flows[kind]

    def forget(self) -> None:
        """Only what anybody says from now on counts."""
        for one in (self.router, *self.flows.values()):
            one.forget()

    async def moved(self, link: str, within_s: float = 60.0) -> float:
        """When the data was seen to have moved to a link, on the steady clock."""
        line = await self.router.first(
            lambda line: line["kind"] == "ActiveLinkChanged" and line["active"] == link, within_s
        )
        return float(line["at_s"])

    async def answered(self, kind: str, fault_s: float) -> float:
        """Seconds from the fault to the first answer of a question asked after it."""
        line = await self.flows[kind].first(lambda line: line["sent_s"] > fault_s)
        return float(line["at_s"]) - fault_s


@contextlib.asynccontextmanager
async def bench(number: int = 0, **options: Any) -> AsyncIterator[Bench]:
    """A running bench; `options` of FailoverConfig differ from the defaults."""
    async with World.create(f"bf{os.getpid()}-{number}") as world:
        lan = await world.add_lan()
        echo = await talker(world.exec_world([*DOWNLOAD, "echo", SERVICE_ADDRESS, str(PORT)]))
        settings = {"targets": PROBE_ADDRESSES, "secondary_carries": "all", **options}
        argv = [sys.executable, "-m", "tests.failover.router", json.dumps(settings)]
        router = await talker(world.exec([*argv, "primary=wwan0", "secondary=wwan1"]))
        made = Bench(world, router, lan=lan)
        try:
            for link in ("primary", "secondary"):
                await router.first(
                    lambda line, link=link: line.get("link") == link and line.get("health") == "up"
                )
            yield made
        finally:
            for one in (router, echo, *made.flows.values()):
                await one.end()
