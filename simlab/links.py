"""A router and the world behind its links, in two network namespaces, with faults on demand.

The router's namespace has one veth device per link, addressed and routed as netifd does it: a
default route per link in the main table, told apart by metric. The world's namespace is the
other end of all of them: it answers pings, and servers started in it listen on its service
addresses. Everything is made with iproute2; root and the permission to make namespaces are
needed.
"""

import asyncio
import contextlib
import ctypes
import itertools
import os
import random
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SERVICE_ADDRESS = "198.18.0.1"
PROBE_ADDRESSES = ("198.18.0.53", "198.18.0.54")
# 198.18.0.0/15 is set aside for benchmarks of network devices (RFC 2544): it is never routed.

LOSS_SLOT_S = 0.2
_VOID = "void"
"""A device of the world that swallows what is routed to it without a word."""

_CLONE_NEWNET = 0x40000000
_NETNS_FOLDER = Path("/run/netns")


class LabError(Exception):
    """The emulated world cannot be made or changed; the text says what was refused."""


@dataclass(frozen=True, slots=True)
class LabLink:
    """One link of the router: `name` is its device, `peer` the device at the world's end."""

    name: str
    peer: str
    address: str
    gateway: str
    metric: int
    prefix_len: int = 30


def lab_link(name: str, number: int) -> LabLink:
    """The addresses of the link with this number (0..255): 10.64.<number>.0/30."""
    return LabLink(name, f"peer{number}", f"10.64.{number}.2", f"10.64.{number}.1", metric=10 * (number + 1))


async def ip(*args: str) -> None:
    """Run one `ip` command; raises LabError with its own text."""
    process = await asyncio.create_subprocess_exec(
        "ip", *args, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    if process.returncode != 0:
        raise LabError(f"ip {' '.join(args)}: {err.decode(errors='replace').strip()}")


def inside(namespace: str, make: Callable[[], T]) -> T:
    """Call `make` in a namespace from a thread that ends afterwards; what it raises is raised here.

    Only the network is the namespace's: /sys still shows the caller's devices.
    """
    result: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            with (_NETNS_FOLDER / namespace).open("rb") as handle:
                _enter(handle.fileno())
            result.append(make())
        except BaseException as error:  # noqa: BLE001 - carried over to the calling thread as it is
            failure.append(error)

    thread = threading.Thread(target=work, name=f"in-{namespace}")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


class World:
    """The two namespaces of one router; made by `create`, which also removes them."""

    def __init__(self, prefix: str, links: tuple[LabLink, ...]) -> None:
        self.router = f"{prefix}-router"
        self.world = f"{prefix}-world"
        self.links = {link.name: link for link in links}
        # Where both ends of a veth pair have the same index, the kernel takes a lost carrier for
        # something that can wait and reports it up to a second later (net/core/link_watch.c).
        self._indexes = itertools.count(101)
        self._lossy: dict[str, asyncio.Task[None]] = {}
        self._servers: list[asyncio.Server] = []
        self._streams: set[asyncio.Task[None]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def create(cls, prefix: str, names: Sequence[str] = ("wwan0", "wwan1")) -> AsyncIterator["World"]:
        """A running world with these links; leftovers of a killed run with the same prefix go first.

        Raises LabError when namespaces cannot be made here.
        """
        _refuse_without_rights()
        world = cls(prefix, tuple(lab_link(name, number) for number, name in enumerate(names)))
        await world._delete()
        try:
            await world._build()
            yield world
        finally:
            await asyncio.shield(world._close())

    def exec(self, args: Sequence[str]) -> list[str]:
        """The command line that runs `args` in the router's namespace."""
        return ["ip", "netns", "exec", self.router, *args]

    def exec_world(self, args: Sequence[str]) -> list[str]:
        """The command line that runs `args` where the servers are."""
        return ["ip", "netns", "exec", self.world, *args]

    def address(self, link: str) -> str:
        """The router's own address on a link."""
        return self.links[link].address

    async def carrier(self, link: str, up: bool) -> None:
        """Pull or plug the cable: the router's device keeps its address and loses its carrier."""
        await ip("-n", self.world, "link", "set", self.links[link].peer, "up" if up else "down")

    async def blackhole(self, link: str, on: bool) -> None:
        """Let nothing come back over a link whose carrier stays up."""
        # Not a `blackhole` route: that one tells the sender, and a server in the world would stumble.
        verb = "replace" if on else "del"
        await ip("-n", self.world, "route", verb, f"{self.links[link].address}/32", "dev", _VOID)

    async def loss(self, link: str, share: float, *, seed: int = 0) -> None:
        """Lose this share (0..1) of the link's answers, in bursts of 0.2 s as a fading radio does.

        The order of good and lost moments depends on `seed` alone; 0 ends the loss.
        """
        task = self._lossy.pop(link, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if share > 0:
            self._lossy[link] = asyncio.create_task(self._fade(link, share, random.Random(seed)))

    async def unplug(self, link: str) -> None:
        """Take the device away, as when a modem leaves the bus."""
        await ip("-n", self.router, "link", "del", link)

    async def plug(self, link: str) -> None:
        """Bring an unplugged device back with its address and default route."""
        await self._wire(self.links[link])

    async def forward(self, host_port: int, ns_port: int) -> int:
        """Let a program outside reach a server on the router's loopback; returns the port outside.

        Listens on 127.0.0.1 of the caller's namespace until the world ends; 0 takes a free port.
        """

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError), contextlib.closing(writer):
                await self._splice(reader, writer, ns_port)

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(serve(reader, writer))
            self._streams.add(task)
            task.add_done_callback(self._streams.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", host_port)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _splice(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ns_port: int) -> None:
        # A socket belongs for life to the namespace it was made in, so only making it needs a thread.
        sock = inside(self.router, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", ns_port))
        except BaseException:
            sock.close()
            raise
        far_reader, far_writer = await asyncio.open_connection(sock=sock)
        with contextlib.closing(far_writer):
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    async def _fade(self, link: str, share: float, chance: random.Random) -> None:
        lost = False
        try:
            while True:
                wanted = chance.random() < share
                if wanted != lost:
                    await self.blackhole(link, wanted)
                    lost = wanted
                await asyncio.sleep(LOSS_SLOT_S)
        finally:
            if lost:
                await self.blackhole(link, False)

    async def _build(self) -> None:
        for namespace in (self.router, self.world):
            await ip("netns", "add", namespace)
            await ip("-n", namespace, "link", "set", "lo", "up")
        for address in (SERVICE_ADDRESS, *PROBE_ADDRESSES):
            await ip("-n", self.world, "address", "add", f"{address}/32", "dev", "lo")
        await ip("-n", self.world, "link", "add", _VOID, "type", "veth", "peer", "name", f"{_VOID}-end")
        for device in (_VOID, f"{_VOID}-end"):
            await ip("-n", self.world, "link", "set", device, "arp", "off", "up")
        for link in self.links.values():
            await self._wire(link)

    async def _wire(self, link: LabLink) -> None:
        near, far = f"{link.address}/{link.prefix_len}", f"{link.gateway}/{link.prefix_len}"
        await ip(
            "-n", self.router, "link", "add", "name", link.name, "index", str(next(self._indexes)),
            "type", "veth", "peer", "name", link.peer, "netns", self.world,
        )  # fmt: skip
        await ip("-n", self.world, "address", "add", far, "dev", link.peer)
        await ip("-n", self.world, "link", "set", link.peer, "up")
        await ip("-n", self.router, "address", "add", near, "dev", link.name)
        await ip("-n", self.router, "link", "set", link.name, "up")
        await ip(
            "-n", self.router, "route", "add", "default",
            "via", link.gateway, "dev", link.name, "metric", str(link.metric),
        )  # fmt: skip

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        tasks = [*self._lossy.values(), *self._streams]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._delete()

    async def _delete(self) -> None:
        for namespace in (self.router, self.world):
            if (_NETNS_FOLDER / namespace).exists():
                await ip("netns", "del", namespace)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _enter(fd: int) -> None:
    """Move the calling thread into the network namespace open as `fd`."""
    if hasattr(os, "setns"):
        os.setns(fd, _CLONE_NEWNET)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _refuse_without_rights() -> None:
    if os.geteuid() != 0:
        raise LabError("network namespaces need root")
    if shutil.which("ip") is None:
        raise LabError("network namespaces need the ip command (package iproute2)")
