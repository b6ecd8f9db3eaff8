"""The ways that management traffic (RSPRO, IonMesh) takes: by which device, over whose link, at what cost."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from remsimd.bus import Bus, Stamped
from remsimd.config.model import ModemConfig
from remsimd.errors import RemsimError
from remsimd.events import LinkHealth, LinkHealthChanged
from remsimd.failover.accounts import Accounts
from remsimd.failover.engine import FailoverEngine
from remsimd.failover.via import ANY
from remsimd.net import TrafficBytes, open_tcp
from remsimd.netifd import DeviceNames
from remsimd.rspro.client import RsproClient

_log = logging.getLogger(__name__)

RSPRO_CONNECT_S = 10.0
FAILURES_UNTIL_ASKED = 5
"""A bank that could not be reached so often in a row is taken to be gone for longer."""


class Ways:
    """What each `via` means now. `engine` and `accounts` give the running parts, None where none run."""

    def __init__(
        self,
        modems: tuple[ModemConfig, ...],
        *,
        engine: Callable[[], FailoverEngine | None],
        accounts: Callable[[], Accounts | None],
    ) -> None:
        self._modems = modems
        self._engine = engine
        self._accounts = accounts
        self._names = DeviceNames()

    def modem(self, via: str) -> str:
        """The modem whose link `via` means: a role, a name, or `any`."""
        for modem in self._modems:
            if via in (modem.name, modem.role.value):
                return modem.name
        return ANY

    def device(self, via: str) -> str | None:
        """The network device that traffic with this `via` leaves through now; None for any."""
        name, engine = self.modem(via), self._engine()
        if engine is not None:
            return engine.bind_device(name)
        return self._devices().get(name)

    def link(self, via: str) -> str | None:
        """The link that traffic with this `via` takes now; None where the routing tables decide."""
        return self._link_of(self.device(via))

    def works(self, via: str) -> bool:
        """Whether that link is known to work, so that a peer that does not answer is itself to blame."""
        engine, link = self._engine(), self.link(via)
        return engine is None or link is None or engine.health(link) is LinkHealth.UP

    def metered(self, via: str) -> bool:
        """Whether that link has a data limit."""
        link = self.link(via)
        return any(modem.data_limit_mb > 0 and modem.name == link for modem in self._modems)

    def charge(self, device: str | None, traffic: TrafficBytes) -> None:
        """Count what went through a device against its link's data limit."""
        accounts = self._accounts()
        if accounts is not None:
            accounts.charge(self._link_of(device), traffic.sent + traffic.received)

    def watch(self, device: str | None, connection: socket.socket) -> None:
        """Count what a connection through a device costs, as long as it lives."""
        accounts = self._accounts()
        if accounts is not None:
            accounts.watch(self._link_of(device), connection)

    def _link_of(self, device: str | None) -> str | None:
        engine = self._engine()
        if engine is not None:
            return engine.link_of(device)
        found = (name for name, known in self._devices().items() if known == device)
        return next(found, None)

    def _devices(self) -> dict[str, str]:
        """Network device by modem, as far as there are any, without an engine that follows them."""
        named = {m.name: self._names.of(m.interface) for m in self._modems if m.interface is not None}
        return {name: device for name, device in named.items() if device is not None}


class RsproWay:
    """Opens RSPRO's connections where `via` leads, and has the client open new ones when it leads elsewhere.

    The modem keeps its card meanwhile: the session holds it for longer than a reconnection takes.
    `other_slot` asks the orchestrator when a peer could not be reached five times in a row over a
    link that works.
    """

    def __init__(
        self,
        via: str,
        ways: Ways,
        *,
        bus: Bus,
        client: Callable[[], RsproClient | None],
        other_slot: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._via = via
        self._ways = ways
        self._bus = bus
        self._client = client
        self._other_slot = other_slot
        self._taken: str | None = None
        self._used = False
        self._failures: dict[tuple[str, int], int] = {}
        self._given_up = asyncio.Event()

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection over the way of this moment; see `open_tcp`."""
        device = self._taken = self._ways.device(self._via)
        self._used = True
        try:
            reader, writer = await open_tcp(host, port, device, RSPRO_CONNECT_S)
        except OSError:
            self._count(host, port)
            raise
        self._failures.pop((host, port), None)
        self._ways.watch(device, writer.get_extra_info("socket"))
        return reader, writer

    async def run(self) -> None:
        """Watch the way until cancelled."""
        with self._bus.listen(self._hear):
            while True:
                await self._given_up.wait()
                self._given_up.clear()
                await self._ask()

    def _count(self, host: str, port: int) -> None:
        if not self._ways.works(self._via):
            return
        failures = self._failures[host, port] = self._failures.get((host, port), 0) + 1
        if failures % FAILURES_UNTIL_ASKED == 0:
            self._given_up.set()

    async def _ask(self) -> None:
        if self._other_slot is None:
            return
        _log.info("the bank cannot be reached: asking for another slot")
        try:
            await self._other_slot()
        except RemsimError as error:
            _log.info("no other slot: %s", error)

    def _hear(self, stamped: Stamped) -> None:
        client = self._client()
        if not isinstance(stamped.event, LinkHealthChanged) or client is None or not self._used:
            return
        device = self._ways.device(self._via)
        if device != self._taken:
            before, self._taken = self._taken, device
            client.reconnect(f"the way moves from {before or 'any device'} to {device or 'any device'}")
