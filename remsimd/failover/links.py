"""What the kernel knows about network devices, as it changes: no polling, no external library."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from remsimd.errors import RouteError
from remsimd.failover import rtnetlink
from remsimd.failover.rtnetlink import (
    Address,
    DefaultRoute,
    DumpDone,
    Link,
    Message,
    Overrun,
    Refused,
    decode,
    dump_requests,
)

_log = logging.getLogger(__name__)

_MAIN_TABLE = 254
_RECEIVE_BUFFER_BYTES = 256 * 1024
# The kernel never sends a larger netlink datagram (NLMSG_GOODSIZE, and 32 kB for dumps).
_DATAGRAM_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class Hop:
    """The next hop of a default route; `gateway` is None on a point-to-point device."""

    gateway: str | None


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """A network device as the kernel sees it.

    `addresses` are its usable ones beyond the link itself, IPv4 first; `ipv4`/`ipv6` the next hop
    of its default route in that family, None where it has none.
    """

    name: str
    index: int
    present: bool
    up: bool = False
    carrier: bool = False
    addresses: tuple[str, ...] = ()
    ipv4: Hop | None = None
    ipv6: Hop | None = None

    @property
    def objection(self) -> str | None:
        """Why no traffic can leave here, None when some can."""
        if not self.present:
            return "device gone"
        if not self.up:
            return "interface down"
        if not self.carrier:
            return "carrier lost"
        return None if self.addresses else "no address"


class LinkSource(Protocol):
    """Where link facts come from."""

    def watch(self) -> AsyncGenerator[tuple[LinkFacts, ...], None]:
        """The facts of all devices, then of those that changed; close the generator to stop."""
        ...


@dataclass(slots=True)
class _Device:
    link: Link
    addresses: set[str] = field(default_factory=set)
    routes: set[DefaultRoute] = field(default_factory=set)

    def facts(self) -> LinkFacts:
        return LinkFacts(
            self.link.name,
            self.link.index,
            present=True,
            up=self.link.up,
            carrier=self.link.carrier,
            addresses=tuple(sorted(self.addresses, key=lambda text: (":" in text, text))),
            ipv4=self._hop(ipv6=False),
            ipv6=self._hop(ipv6=True),
        )

    def _hop(self, *, ipv6: bool) -> Hop | None:
        routes = [route for route in self.routes if route.ipv6 == ipv6]
        if not routes:
            return None
        best = min(routes, key=lambda r: (r.table != _MAIN_TABLE, r.metric, r.table, r.gateway or ""))
        return Hop(best.gateway)


class LinkTable:
    """Every device, kept up to date from messages; default routes of the `ignored` tables do not count."""

    def __init__(self, ignored: frozenset[int]) -> None:
        self._ignored = ignored
        self._devices: dict[int, _Device] = {}

    def apply(self, message: Message) -> None:
        """Take one message in; messages about unknown devices are passed over."""
        if isinstance(message, Link):
            self._apply_link(message)
        elif isinstance(message, Address) and (device := self._devices.get(message.index)):
            if message.gone or not message.usable:
                device.addresses.discard(message.address)
                self._forget_routes_without_address(device, ipv6=":" in message.address)
            else:
                device.addresses.add(message.address)
        elif isinstance(message, DefaultRoute) and (device := self._devices.get(message.index)):
            self._apply_route(device, message)

    def facts(self) -> dict[str, LinkFacts]:
        """The devices present, by name."""
        return {device.link.name: device.facts() for device in self._devices.values()}

    def _apply_link(self, link: Link) -> None:
        if link.gone:
            self._devices.pop(link.index, None)
            return
        device = self._devices.setdefault(link.index, _Device(link))
        device.link = link
        if not link.up:
            # The kernel drops IPv4 routes of a device that is set down without a message for each.
            device.routes.clear()

    def _apply_route(self, device: _Device, route: DefaultRoute) -> None:
        if route.table in self._ignored:
            return
        if route.replaces:
            for other in self._devices.values():
                other.routes = {old for old in other.routes if _slot(old) != _slot(route)}
        kept = replace(route, gone=False, replaces=False)
        if route.gone:
            device.routes.discard(kept)
        else:
            device.routes.add(kept)

    @staticmethod
    def _forget_routes_without_address(device: _Device, *, ipv6: bool) -> None:
        # For the same reason: without its last IPv4 address a device has no IPv4 routes.
        if not ipv6 and all(":" in address for address in device.addresses):
            device.routes = {route for route in device.routes if route.ipv6}


def _slot(route: DefaultRoute) -> tuple[bool, int, int]:
    """What at most one route can have, unless it was appended."""
    return route.ipv6, route.table, route.metric


class Netlink:
    """Link facts from an AF_NETLINK socket; lost messages lead to a new dump, never to stale facts."""

    def __init__(self, ignored: frozenset[int]) -> None:
        self._ignored = ignored

    async def watch(self) -> AsyncGenerator[tuple[LinkFacts, ...], None]:
        """The facts of all devices, then of those that changed. RouteError when the kernel refuses."""
        known: dict[str, LinkFacts] = {}
        with _opened() as sock:
            while True:
                with contextlib.suppress(_Lost):
                    async for facts in self._follow(sock):
                        if changes := tuple(_differences(known, facts)):
                            yield changes
                        known = facts
                _log.debug("netlink messages were lost, asking for all links again")

    async def _follow(self, sock: socket.socket) -> AsyncIterator[dict[str, LinkFacts]]:
        """All facts after the dump and after each datagram; raises _Lost when messages are missing."""
        table = LinkTable(self._ignored)
        requests = deque(dump_requests())
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, requests.popleft())
        dumped = False
        while True:
            for message in decode(await _receive(loop, sock)):
                if isinstance(message, Overrun) or (isinstance(message, DumpDone) and message.torn):
                    raise _Lost
                if isinstance(message, Refused) and message.code == errno.EBUSY:
                    raise _Lost  # the dump of an earlier attempt is still being sent
                if isinstance(message, DumpDone) and requests:
                    await loop.sock_sendall(sock, requests.popleft())
                elif isinstance(message, DumpDone):
                    dumped = True
                else:
                    table.apply(message)
            if dumped:
                yield table.facts()


class _Lost(Exception):  # noqa: N818 - a signal between two functions here, not an error for callers
    """Messages are missing: what is known may be wrong."""


@contextlib.contextmanager
def _opened() -> Iterator[socket.socket]:
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, rtnetlink.NETLINK_ROUTE)
    except OSError as error:
        raise RouteError(f"netlink: {error.strerror}") from error
    with sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        # Subscribed before the dump is asked for: a change in between is seen twice, never missed.
        sock.bind((0, rtnetlink.GROUPS))
        yield sock


async def _receive(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
    try:
        return await loop.sock_recv(sock, _DATAGRAM_BYTES)
    except OSError as error:
        if error.errno == errno.ENOBUFS:
            raise _Lost from error
        raise RouteError(f"netlink: {error.strerror}") from error


def _differences(old: dict[str, LinkFacts], new: dict[str, LinkFacts]) -> Iterator[LinkFacts]:
    for name, facts in old.items():
        if name not in new:
            yield LinkFacts(name, facts.index, present=False)
    for name, facts in new.items():
        if facts != old.get(name):
            yield facts
