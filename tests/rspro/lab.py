"""A client with what it needs around it, for tests on loopback sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from remsimd.assignment import Assignment, Endpoint
from remsimd.config.model import RsproConfig
from remsimd.events import Event
from remsimd.rspro.client import CardHost, RsproClient
from remsimd.rspro.connection import Opener
from remsimd.rspro.events import RsproState, RsproStateChanged
from remsimd.rspro.pdu import BankSlot, ClientSlot
from simlab.bank.bankd import Bankd
from simlab.bank.cards import generate
from simlab.bank.quirks import DEPLOYED, Quirks
from simlab.bank.server import RemsimServer

CARDS = generate(2, seed=7)
CLIENT = ClientSlot(23, 0)
BANK = BankSlot(1, 0)
DEADLINE_S = 10.0

E = TypeVar("E", bound=Event)


class TcpOpener:
    """Plain TCP; remembers how often it was asked."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, int]] = []

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.opened.append((host, port))
        return await asyncio.open_connection(host, port)


class Events:
    """What was published, and a way to wait for the next thing."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self._news = asyncio.Event()

    def publish(self, event: Event) -> None:
        self.all.append(event)
        self._news.set()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.all if isinstance(event, kind)]

    @property
    def detail(self) -> str:
        """What the last published state said beside its name."""
        changes = self.of(RsproStateChanged)
        return changes[-1].detail if changes else ""

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until `holds` is true, looking whenever something is published."""
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def state(self, state: RsproState) -> RsproStateChanged:
        """Wait until the last published state is `state`."""
        await self.until(lambda: self.of(RsproStateChanged) and self.of(RsproStateChanged)[-1].state == state)
        return self.of(RsproStateChanged)[-1]


class Host:
    """A card host that writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[bytes | str] = []

    def offer(self, atr: bytes) -> None:
        self.calls.append(atr)

    def withdraw(self, reason: str) -> None:
        self.calls.append(reason)


async def until_listening(path: Path) -> None:
    """Wait until something accepts connections at a Unix socket."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(path)
            except OSError:
                await asyncio.sleep(0)
                continue
            writer.close()
            return


class Lab:
    """Server, bankd and client; `mapped` has our slot mapped to the first card."""

    def __init__(self, server: RemsimServer, bankd: Bankd, client: RsproClient, events: Events) -> None:
        self.server = server
        self.bankd = bankd
        self.client = client
        self.events = events
        self.host: Host
        self.opener: TcpOpener

    @property
    def assignment(self) -> Assignment:
        return Assignment(
            client_id=CLIENT.client_id,
            client_slot=CLIENT.slot_nr,
            server=Endpoint("127.0.0.1", self.server.port),
        )

    @property
    def direct(self) -> Assignment:
        return Assignment(
            client_id=CLIENT.client_id,
            client_slot=CLIENT.slot_nr,
            bank_id=BANK.bank_id,
            slot_id=BANK.slot_nr,
            bankd=Endpoint("127.0.0.1", self.bankd.port),
        )


def make_client(
    host: CardHost,
    opener: Opener,
    events: Events,
    config: RsproConfig | None = None,
    *,
    name: str = "router",
    log_apdu: bool = False,
) -> RsproClient:
    return RsproClient(
        config or RsproConfig(),
        identity_name=name,
        software_version="0.1.0",
        host=host,
        opener=opener,
        publish=events.publish,
        modem="primary",
        log_apdu=log_apdu,
        random=lambda: 0.0,
    )


@asynccontextmanager
async def lab(
    quirks: Quirks = DEPLOYED,
    *,
    config: RsproConfig | None = None,
    mapped: bool = True,
    log_apdu: bool = False,
    trace: Callable[[str, bytes], None] | None = None,
) -> AsyncIterator[Lab]:
    events, host, opener = Events(), Host(), TcpOpener()
    client = make_client(host, opener, events, config, log_apdu=log_apdu)
    async with (
        RemsimServer(quirks=quirks, trace=trace) as server,
        Bankd(CARDS, server=("127.0.0.1", server.port), quirks=quirks, trace=trace) as bankd,
        asyncio.timeout(30),
    ):
        server.bankd_port = bankd.port
        if mapped:
            await server.create_map(BANK, CLIENT)
        built = Lab(server, bankd, client, events)
        built.host, built.opener = host, opener
        task = asyncio.create_task(client.run())
        try:
            yield built
        finally:
            task.cancel()
            await asyncio.wait([task])
