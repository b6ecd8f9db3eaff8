"""An emulated osmo-remsim-server: knows banks, clients and which slot belongs to whom."""

import asyncio
import socket
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from remsimd.rspro import pdu
from remsimd.rspro.pdu import BankSlot, ClientSlot, ComponentIdentity, ComponentType, ResultCode, RsproPdu
from simlab.bank.listener import Listener
from simlab.bank.peer import PING_INTERVAL_S, PONG_TIMEOUT_S, Peer, Trace
from simlab.bank.quirks import DEPLOYED, Quirks

IDENTITY = ComponentIdentity(ComponentType.SERVER, "fixme-name", "remsim-server", "1.0.0")
CONNECT_TIMEOUT_S = 10.0
REFUSED_LINGER_S = 1.0
NO_BANKD = pdu.IpPort(IPv4Address("0.0.0.0"), 0)  # noqa: S104 - how the server says "none"


class MapState(StrEnum):
    """How far the bankd knows of a map; the names are those of the REST interface."""

    NEW = "NEW"
    """Not told to the bankd: created just now, or the bankd is not there."""
    UNACKNOWLEDGED = "UNACKNOWLEDGED"
    ACTIVE = "ACTIVE"


@dataclass(slots=True, eq=False)
class SlotMap:
    """Which client slot uses a bank slot."""

    bank: BankSlot
    client: ClientSlot
    state: MapState = MapState.NEW


@dataclass(slots=True, eq=False)
class Bank:
    """A connected bankd and the number of its slots."""

    peer: Peer
    identity: ComponentIdentity
    bank_id: int
    slots: int


@dataclass(slots=True, eq=False)
class Client:
    """`told` is the endpoint last sent on this connection; it is forgotten with it."""

    peer: Peer
    identity: ComponentIdentity
    slot: ClientSlot
    told: pdu.ConfigClientBankReq | None = None


class RemsimServer(Listener):
    """The RSPRO side of the server on `host`, from `async with` to its end.

    Clients are sent to the address from which the bankd connected and to `bankd_port`
    (deployed: always 9999). Maps live in memory only. A `trace` hears the frames of all
    connections.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        bankd_port: int = 9999,
        quirks: Quirks = DEPLOYED,
        trace: Trace | None = None,
        ping_interval_s: float = PING_INTERVAL_S,
        pong_timeout_s: float = PONG_TIMEOUT_S,
    ) -> None:
        super().__init__(host, port)
        self.bankd_port = bankd_port
        self.quirks = quirks
        self.maps: dict[BankSlot, SlotMap] = {}
        self.banks: dict[int, Bank] = {}
        self.clients: dict[ClientSlot, Client] = {}
        self._trace = trace
        self._keepalive_s = (ping_interval_s, pong_timeout_s)
        self._kept: set[ClientSlot] = set()
        self._peers: set[Peer] = set()

    # What the REST interface asks for

    async def create_map(self, bank: BankSlot, client: ClientSlot) -> bool:
        """Create a map; False where the bank slot or the client slot is taken."""
        if bank in self.maps or any(taken.client == client for taken in self.maps.values()):
            return False
        self.maps[bank] = slot_map = SlotMap(bank, client)
        await self._push(slot_map)
        return True

    async def delete_map(self, bank: BankSlot) -> bool:
        """Delete a map; False where there is none."""
        slot_map = self.maps.pop(bank, None)
        if slot_map is None:
            return False
        holder = self.banks.get(bank.bank_id)
        if holder is not None and slot_map.state is MapState.ACTIVE:
            await holder.peer.send(pdu.RemoveMappingReq(slot_map.client, bank))
        client = self.clients.get(slot_map.client)
        if client is not None and client.told is not None:
            await self._tell(client, pdu.ConfigClientBankReq(bank, NO_BANKD))
        return True

    async def reset(self) -> None:
        """POST /global-reset: every map is deleted."""
        for bank in tuple(self.maps):
            await self.delete_map(bank)

    # What a bad day brings

    def restart(self) -> None:
        """Forget everything and everyone, as a restarted server does."""
        self.maps.clear()
        self.disconnect_all()

    def disconnect_all(self) -> None:
        """End every connection; what the server knows stays."""
        for peer in self._peers:
            peer.close()

    async def reset_client(self, slot: ClientSlot) -> None:
        """Send ResetStateReq, which the protocol has and the deployed server never sends."""
        await self.clients[slot].peer.send(pdu.ResetStateReq())

    async def send(self, slot: ClientSlot, message: pdu.Message) -> None:
        """Say anything to a client."""
        await self.clients[slot].peer.send(message)

    # Connections

    async def _serve(self, tasks: asyncio.TaskGroup, sock: socket.socket, address: str) -> None:
        peer = Peer(sock, address, self.quirks, trace=self._trace)
        self._peers.add(peer)
        keepalive = tasks.create_task(peer.keepalive(*self._keepalive_s))
        timeout = asyncio.get_running_loop().call_later(CONNECT_TIMEOUT_S, peer.close)
        try:
            async for request in peer.pdus:
                match request.msg:
                    case pdu.ConnectClientReq() if not self.quirks.greet:
                        continue
                    case pdu.ConnectBankReq(identity, bank_id, slots):
                        timeout.cancel()
                        await self._bank(request, Bank(peer, identity, bank_id, slots))
                    case pdu.ConnectClientReq(identity, slot) if slot is not None:
                        timeout.cancel()
                        await self._client(request, Client(peer, identity, slot))
                return
        finally:
            keepalive.cancel()
            timeout.cancel()
            self._peers.discard(peer)

    async def _bank(self, request: RsproPdu, bank: Bank) -> None:
        if bank.bank_id in self.banks:
            await self._refuse(bank.peer, request, pdu.ConnectBankRes(IDENTITY, ResultCode.IDENTITY_IN_USE))
            return
        self.banks[bank.bank_id] = bank
        maps = [slot_map for slot_map in self.maps.values() if slot_map.bank.bank_id == bank.bank_id]
        try:
            await bank.peer.send(pdu.ConnectBankRes(IDENTITY, ResultCode.OK), answers=request)
            for slot_map in maps:
                await self._push(slot_map)
            async for answer in bank.peer.pdus:
                if isinstance(answer.msg, pdu.CreateMappingRes):
                    await self._acknowledged(bank)
        finally:
            del self.banks[bank.bank_id]
            for slot_map in self.maps.values():
                if slot_map.bank.bank_id == bank.bank_id:
                    slot_map.state = MapState.NEW

    async def _client(self, request: RsproPdu, client: Client) -> None:
        if client.slot in self.clients or client.slot in self._kept:
            answer = pdu.ConnectClientRes(IDENTITY, ResultCode.IDENTITY_IN_USE)
            await self._refuse(client.peer, request, answer)
            return
        self.clients[client.slot] = client
        try:
            await client.peer.send(pdu.ConnectClientRes(IDENTITY, ResultCode.OK), answers=request)
            await self._configure(client)
            async for _ in client.peer.pdus:
                pass
        finally:
            del self.clients[client.slot]
            if self.quirks.identity_kept_s:
                self._kept.add(client.slot)
                loop = asyncio.get_running_loop()
                loop.call_later(self.quirks.identity_kept_s, self._kept.discard, client.slot)

    async def _refuse(self, peer: Peer, request: RsproPdu, answer: pdu.Message) -> None:
        await peer.send(answer, answers=request)
        await asyncio.sleep(REFUSED_LINGER_S)

    # Maps

    async def _push(self, slot_map: SlotMap) -> None:
        bank = self.banks.get(slot_map.bank.bank_id)
        if bank is not None:
            slot_map.state = MapState.UNACKNOWLEDGED
            await bank.peer.send(pdu.CreateMappingReq(slot_map.client, slot_map.bank))

    async def _acknowledged(self, bank: Bank) -> None:
        """Answers carry no tag: the first unacknowledged map is taken, whatever the result."""
        for slot_map in self.maps.values():
            if slot_map.state is MapState.UNACKNOWLEDGED and slot_map.bank.bank_id == bank.bank_id:
                slot_map.state = MapState.ACTIVE
                client = self.clients.get(slot_map.client)
                if client is not None:
                    await self._configure(client)
                return

    async def _configure(self, client: Client) -> None:
        for slot_map in self.maps.values():
            bank = self.banks.get(slot_map.bank.bank_id)
            if slot_map.client == client.slot and slot_map.state is MapState.ACTIVE and bank is not None:
                bankd = pdu.IpPort(IPv4Address(bank.peer.address), self.bankd_port)
                message = pdu.ConfigClientBankReq(slot_map.bank, bankd)
                if message != client.told:
                    await self._tell(client, message)

    async def _tell(self, client: Client, message: pdu.ConfigClientBankReq) -> None:
        client.told = None if message.bankd == NO_BANKD else message
        await client.peer.send(message)
