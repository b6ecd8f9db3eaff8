"""A router and the world behind its links, in network namespaces, with faults on demand.

The router's namespace has one TUN device per link, addressed and routed as netifd does it for a
modem in raw IP mode: a default route per link in the main table, told apart by metric. The
world's namespace is the other end of all of them: it answers pings, and servers started in it
listen on its service addresses. A third namespace is a host in the router's LAN, which the router
forwards for with masquerading where nftables is installed. Everything is made with iproute2; root
and the permission to make namespaces are needed.
"""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simlab.namespaces import NETNS_FOLDER, inside, obstacle
from simlab.tun import Conditions, TunDevice, Wire

SERVICE_ADDRESS = "198.18.0.1"
PROBE_ADDRESSES = ("198.18.0.53", "198.18.0.54")
"""Of 198.18.0.0/15, which is set aside for benchmarks of network devices (RFC 2544) and never routed."""

LAN_ADDRESS, LAN_HOST, LAN_NET = "192.168.77.1", "192.168.77.2", "192.168.77.0/24"
_MASQUERADE = f"""
table ip lab {{
    chain leaving {{
        type nat hook postrouting priority srcnat;
        oifname != "lan0" ip saddr {LAN_NET} masquerade
    }}
}}
"""


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
    await _run("ip", *args)


async def _run(*argv: str, stdin: str = "") -> None:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate(stdin.encode())
    if process.returncode != 0:
        raise LabError(f"{' '.join(argv)}: {err.decode(errors='replace').strip()}")


@dataclass(slots=True)
class _Plugged:
    """A link whose device is there."""

    near: TunDevice
    far: TunDevice
    wire: Wire


class World:
    """The namespaces of one router; made by `create`, which also removes them."""

    def __init__(self, prefix: str, links: tuple[LabLink, ...]) -> None:
        self.router = f"{prefix}-router"
        self.world = f"{prefix}-world"
        self.lan = f"{prefix}-lan"
        self.links = {link.name: link for link in links}
        self._plugged: dict[str, _Plugged] = {}
        self._cut: set[str] = set()
        self._conditions = {link.name: Conditions() for link in links}
        self._servers: list[asyncio.Server] = []
        self._streams: set[asyncio.Task[None]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def create(cls, prefix: str, names: Sequence[str] = ("wwan0", "wwan1")) -> AsyncIterator["World"]:
        """A running world with these links; leftovers of a killed run with the same prefix go first.

        Raises LabError when namespaces cannot be made here.
        """
        if (reason := obstacle()) is not None:
            raise LabError(reason)
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

    def exec_lan(self, args: Sequence[str]) -> list[str]:
        """The command line that runs `args` on the host in the LAN; see `add_lan`."""
        return ["ip", "netns", "exec", self.lan, *args]

    def address(self, link: str) -> str:
        """The router's own address on a link."""
        return self.links[link].address

    async def carrier(self, link: str, up: bool) -> None:
        """Pull or plug the cable: the router's device keeps its address and loses its carrier."""
        if up:
            self._cut.discard(link)
        else:
            self._cut.add(link)
        self.set(link)
        self._plugged[link].near.carrier(up)

    def set(self, link: str, **changed: Any) -> None:
        """Change conditions of a link (the fields of `Conditions`); the others stay."""
        self._conditions[link] = replace(self._conditions[link], **changed)
        if link in self._plugged:
            # The kernel notices a lost carrier a moment later; a cut cable carries nothing at once.
            cut = link in self._cut or self._conditions[link].blackhole
            self._plugged[link].wire.set(replace(self._conditions[link], blackhole=cut))

    async def blackhole(self, link: str, on: bool) -> None:
        """Let nothing get over a link whose carrier stays up."""
        self.set(link, blackhole=on)

    async def loss(self, link: str, share: float) -> None:
        """Lose this share (0..1) of the packets towards the router; 0 ends the loss."""
        self.set(link, loss=share)

    async def lose_address(self, link: str, lost: bool) -> None:
        """Take the router's address from the device, and its routes with it; or give them back."""
        if lost:
            await ip("-n", self.router, "-4", "address", "flush", "dev", link)
        else:
            await self._address(self.links[link])

    async def lose_gateway(self, link: str, lost: bool) -> None:
        """Take the default route over the device away, or give it back."""
        if lost:
            await ip("-n", self.router, "route", "del", "default", "dev", link)
        else:
            await self._route(self.links[link])

    async def unplug(self, link: str) -> None:
        """Take the device away, as when a modem leaves the bus."""
        gone = self._plugged.pop(link)
        self._cut.discard(link)
        gone.wire.stop()
        gone.near.close()
        gone.far.close()

    async def plug(self, link: str) -> None:
        """Bring an unplugged device back with its address and default route."""
        await self._wire(self.links[link])

    async def mend(self) -> None:
        """Every link as it was at the start."""
        for name, link in self.links.items():
            self._conditions[name] = Conditions()
            if name not in self._plugged:
                await self._wire(link)
            if name in self._cut:
                await self.carrier(name, True)
            self.set(name)

    def wire_bytes(self, link: str) -> tuple[int, int]:
        """What the router and the world have sent over a link since it was plugged, IP headers included."""
        return self._plugged[link].wire.wire_bytes

    async def add_lan(self) -> bool:
        """Put a host behind the router; whether the router masquerades for it (it needs nftables)."""
        await ip("netns", "add", self.lan)
        await ip("-n", self.router, "link", "add", "lan0", "type", "veth", "peer", "host0", "netns", self.lan)
        for namespace, device, address in ((self.router, "lan0", LAN_ADDRESS), (self.lan, "host0", LAN_HOST)):
            await ip("-n", namespace, "address", "add", f"{address}/24", "dev", device)
            await ip("-n", namespace, "link", "set", device, "up")
        await ip("-n", self.lan, "route", "add", "default", "via", LAN_ADDRESS)
        await _run(*self.exec(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]))
        if shutil.which("nft") is None:
            return False
        await _run(*self.exec(["nft", "-f", "-"]), stdin=_MASQUERADE)
        return True

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

    async def _build(self) -> None:
        for namespace in (self.router, self.world):
            await ip("netns", "add", namespace)
            await ip("-n", namespace, "link", "set", "lo", "up")
        for address in (SERVICE_ADDRESS, *PROBE_ADDRESSES):
            await ip("-n", self.world, "address", "add", f"{address}/32", "dev", "lo")
        for link in self.links.values():
            await self._wire(link)

    async def _wire(self, link: LabLink) -> None:
        near = inside(self.router, lambda: TunDevice(link.name))
        far = inside(self.world, lambda: TunDevice(link.peer))
        wire = Wire(near, far)
        wire.start()
        self._plugged[link.name] = _Plugged(near, far, wire)
        self.set(link.name)
        await ip("-n", self.world, "address", "add", f"{link.gateway}/{link.prefix_len}", "dev", link.peer)
        await ip("-n", self.world, "link", "set", link.peer, "up")
        await ip("-n", self.router, "link", "set", link.name, "up")
        await self._address(link)

    async def _address(self, link: LabLink) -> None:
        address = f"{link.address}/{link.prefix_len}"
        await ip("-n", self.router, "address", "add", address, "dev", link.name)
        await self._route(link)

    async def _route(self, link: LabLink) -> None:
        await ip(
            "-n", self.router, "route", "replace", "default",
            "via", link.gateway, "dev", link.name, "metric", str(link.metric),
        )  # fmt: skip

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._streams:
            task.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)
        for link in tuple(self._plugged):
            await self.unplug(link)
        await self._delete()

    async def _delete(self) -> None:
        for namespace in (self.router, self.world, self.lan):
            if (NETNS_FOLDER / namespace).exists():
                await ip("netns", "del", namespace)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
