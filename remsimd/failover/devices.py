"""Which network device belongs to which configured interface, and what the kernel says of it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

from remsimd.failover.links import LinkFacts, LinkSource

_ASK_PAUSE_S = 1.0
"""How long netifd is left alone after a question: an interface that comes up is many changes."""


class Devices:
    """Follows the kernel; an interface without a device of its own name is looked up with `resolve`.

    `changed` is called whenever anything may be different.
    """

    def __init__(
        self,
        interfaces: Iterable[str],
        netlink: LinkSource,
        *,
        resolve: Callable[[str], Awaitable[str | None]],
        changed: Callable[[], None],
    ) -> None:
        self._interfaces = tuple(interfaces)
        self._netlink = netlink
        self._resolve = resolve
        self._changed = changed
        self._facts: dict[str, LinkFacts] = {}
        self._resolved: dict[str, str] = {}
        self._news = asyncio.Event()

    def facts(self, interface: str) -> LinkFacts | None:
        """The device that carries an interface now; None when there is none."""
        return self._facts.get(interface) or self._facts.get(self._resolved.get(interface, ""))

    async def run(self) -> None:
        """Follow until cancelled. RouteError when netlink cannot be used."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._resolve_for_ever())
            async with contextlib.aclosing(self._netlink.watch()) as changes:
                async for batch in changes:
                    for facts in batch:
                        if facts.present:
                            self._facts[facts.name] = facts
                        else:
                            self._facts.pop(facts.name, None)
                    self._changed()
                    self._news.set()

    async def _resolve_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            for interface in self._interfaces:
                if interface not in self._facts:
                    await self._ask(interface)
            await asyncio.sleep(_ASK_PAUSE_S)

    async def _ask(self, interface: str) -> None:
        device = await self._resolve(interface)
        if device != self._resolved.get(interface):
            self._resolved.pop(interface, None)
            if device is not None:
                self._resolved[interface] = device
            self._changed()
