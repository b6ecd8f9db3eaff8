"""An emulated osmo-remsim-bankd: a reader full of cards, lent to whom the server says."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from remsimd.rspro import pdu
from remsimd.rspro.pdu import BankSlot, ClientSlot, ComponentIdentity, ComponentType, ResultCode, RsproPdu
from simlab.bank.cards import CardData
from simlab.bank.listener import Listener
from simlab.bank.pcsc import PcscCard, PcscError
from simlab.bank.peer import Peer, Trace
from simlab.bank.quirks import DEPLOYED, Quirks
from simlab.bank.usim import Usim

log = logging.getLogger(__name__)

IDENTITY = ComponentIdentity(ComponentType.BANKD, "fixme-name", "remsim-bankd", "1.0.0")
NO_FLAGS = pdu.TpduFlags(
    tpdu_header_present=False, final_part=False, proc_byte_continue_tx=False, proc_byte_continue_rx=False
)
TPDU_OCTETS = range(5, 261)
RECONNECT_S = 1.0

T = TypeVar("T")


class Bankd(Listener):
    """A bankd listening on `host`, serving from `async with` to its end.

    `cards` are in their slots, `readers` are real ones, by slot; `mappings` may be filled
    directly where no server is used. `usims` are all cards by slot: taking one out makes its
    slot empty. A `trace` hears the frames of the client connections.
    """

    def __init__(
        self,
        cards: Iterable[CardData],
        *,
        readers: Mapping[int, PcscCard] | None = None,
        bank_id: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        server: tuple[str, int] | None = None,
        quirks: Quirks = DEPLOYED,
        trace: Trace | None = None,
    ) -> None:
        super().__init__(host, port)
        self.bank_id = bank_id
        self.quirks = quirks
        self.usims: dict[int, Usim | PcscCard] = {card.slot: Usim(card) for card in cards}
        self.usims.update(readers or {})
        self.slots = max(self.usims, default=0) + 1
        self.mappings: dict[BankSlot, ClientSlot] = {}
        self._server = server
        self._trace = trace
        self._workers: set[_Worker] = set()

    async def map(self, bank: BankSlot, client: ClientSlot) -> ResultCode:
        """Create a mapping; what stood in its way on either side is removed."""
        if bank.bank_id != self.bank_id:
            return ResultCode.ILLEGAL_BANK_ID
        if bank.slot_nr >= self.slots:
            return ResultCode.ILLEGAL_SLOT_ID
        if self.mappings.get(bank) == client:
            return ResultCode.OK
        for other, owner in tuple(self.mappings.items()):
            if other == bank or owner == client:
                self.unmap(other)
        self.mappings[bank] = client
        for worker in tuple(self._workers):
            if worker.client == client:
                await worker.look_for_card()
        return ResultCode.OK

    def unmap(self, bank: BankSlot) -> None:
        """Drop a mapping; the client that uses it is disconnected."""
        client = self.mappings.pop(bank, None)
        for worker in self._workers:
            if worker.client == client:
                worker.peer.close()

    def kick(self) -> None:
        """Close all client connections, as a crashing bankd does."""
        for worker in self._workers:
            worker.peer.close()

    async def tell_card_removed(self, bank: BankSlot) -> None:
        """Send BankSlotStatusInd, which the protocol has and the deployed bankd never sends."""
        status = pdu.SlotPhysStatus(reset_active=False, card_present=False)
        for worker in tuple(self._workers):
            if worker.bank == bank and worker.client is not None:
                await worker.peer.send(pdu.BankSlotStatusInd(bank, worker.client, status))

    async def look_again(self) -> None:
        """What the workers do every 10 s: see whether a card is there now."""
        for worker in tuple(self._workers):
            await worker.look_for_card()

    def find(self, client: ClientSlot) -> BankSlot | None:
        """The slot that is mapped to a client."""
        return next((bank for bank, owner in self.mappings.items() if owner == client), None)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._server is not None:
                tasks.create_task(self._report(tasks, *self._server))
            await self._accept(tasks)

    async def _serve(self, tasks: asyncio.TaskGroup, sock: socket.socket, address: str) -> None:
        worker = _Worker(self, Peer(sock, address, self.quirks, single_recv=True, trace=self._trace))
        self._workers.add(worker)
        try:
            await worker.run()
        finally:
            self._workers.discard(worker)

    async def _report(self, tasks: asyncio.TaskGroup, host: str, port: int) -> None:
        """Be a bank of the server, and be so again whenever it is lost."""
        loop = asyncio.get_running_loop()
        while True:
            with socket.socket() as sock:
                sock.setblocking(False)
                try:
                    await loop.sock_connect(sock, (host, port))
                except OSError:
                    await asyncio.sleep(RECONNECT_S)
                    continue
                peer = Peer(sock, host, self.quirks)
                keepalive = tasks.create_task(peer.keepalive())
                try:
                    await self._serve_server(peer)
                finally:
                    keepalive.cancel()
            await asyncio.sleep(RECONNECT_S)

    async def _serve_server(self, peer: Peer) -> None:
        await peer.send(pdu.ConnectBankReq(IDENTITY, self.bank_id, self.slots))
        async for request in peer.pdus:
            match request.msg:
                case pdu.CreateMappingReq(client, bank):
                    await peer.send(pdu.CreateMappingRes(await self.map(bank, client)), answers=request)
                case pdu.RemoveMappingReq(client, bank):
                    result = self._removable(bank, client)
                    if result == ResultCode.OK:
                        self.unmap(bank)
                    await peer.send(pdu.RemoveMappingRes(result), answers=request)
                case pdu.ResetStateReq():
                    for bank in tuple(self.mappings):
                        self.unmap(bank)
                    await peer.send(pdu.ResetStateRes(ResultCode.OK), answers=request)
                case _:
                    pass

    def _removable(self, bank: BankSlot, client: ClientSlot) -> ResultCode:
        if bank.bank_id != self.bank_id:
            return ResultCode.ILLEGAL_BANK_ID
        return ResultCode.OK if self.mappings.get(bank) == client else ResultCode.UNKNOWN_SLOTMAP


class _Worker:
    """Serves one client connection, one PDU after the other."""

    def __init__(self, bankd: Bankd, peer: Peer) -> None:
        self.peer = peer
        self.client: ClientSlot | None = None
        self.bank: BankSlot | None = None
        self._bankd = bankd
        self._usim: Usim | PcscCard | None = None
        self._vcc, self._reset = True, False

    async def run(self) -> None:
        async for request in self.peer.pdus:
            if not await self._handle(request):
                log.info("%s: closing on %s", self.peer.address, type(request.msg).__name__)
                return

    async def look_for_card(self) -> bool:
        """Open the mapped card and send its ATR, unless that was done before."""
        if self._usim is not None:
            return True
        self.bank = self._bankd.find(self.client) if self.client is not None else None
        usim = self._bankd.usims.get(self.bank.slot_nr) if self.bank is not None else None
        if usim is None or self.client is None:
            return False
        try:
            await _in_thread(usim, usim.reset)
        except PcscError:
            return False
        self._usim = usim
        await self.peer.send(pdu.SetAtrReq(self.client, usim.atr))
        return True

    async def _handle(self, request: RsproPdu) -> bool:
        """Do what is asked; False where the deployed bankd closes the connection."""
        match request.msg:
            case pdu.ConnectClientReq(_, client):
                return await self._connect(request, client)
            case pdu.TpduModemToCard():
                return await self._tpdu(request.msg)
            case pdu.ClientSlotStatusInd(_, _, status):
                await self._contacts(status)
        return True

    async def _connect(self, request: RsproPdu, client: ClientSlot | None) -> bool:
        if not self._bankd.quirks.greet:
            return True
        if client is None or self.client is not None:
            result = ResultCode.ILLEGAL_CLIENT_ID
            await self.peer.send(pdu.ConnectClientRes(IDENTITY, result), answers=request)
            return False
        self.client = client
        bank = self._bankd.find(client)
        late_s = self._bankd.quirks.card_late_s
        here = bank is not None and bank.slot_nr in self._bankd.usims and late_s is None
        result = ResultCode.OK if here else ResultCode.CARD_NOT_PRESENT
        await self.peer.send(pdu.ConnectClientRes(IDENTITY, result), answers=request)
        if late_s is not None:
            await asyncio.sleep(late_s)
        await self.look_for_card()
        return True

    async def _tpdu(self, message: pdu.TpduModemToCard) -> bool:
        usim, bank, client = self._usim, self.bank, self.client
        if usim is None or bank is None or client is None:
            return False
        if (message.to_bank_slot, message.from_client_slot) != (bank, client):
            return False
        # A card that was pulled is a transmission error, and that ends the connection.
        if len(message.data) not in TPDU_OCTETS or self._bankd.usims.get(bank.slot_nr) is not usim:
            return False
        if self._bankd.quirks.answer_tpdus:
            try:
                answer = await _in_thread(usim, lambda: usim.transmit(message.data))
            except PcscError:
                return False
            await self.peer.send(pdu.TpduCardToModem(bank, client, NO_FLAGS, answer))
        return True

    async def _contacts(self, status: pdu.SlotPhysStatus) -> None:
        """Reset the card on the edges that the deployed bankd looks for."""
        vcc = self._vcc if status.vcc_present is None else status.vcc_present
        fell, rose = self._vcc and not vcc, status.reset_active and not self._reset
        self._vcc, self._reset = vcc, status.reset_active
        if (fell or rose) and self._usim is not None:
            # The deployed bankd swallows what goes wrong here; the next TPDU will show it.
            with contextlib.suppress(PcscError):
                await _in_thread(self._usim, self._usim.reset)


async def _in_thread(card: Usim | PcscCard, call: Callable[[], T]) -> T:
    """Let a real card think without holding up the others."""
    return await asyncio.to_thread(call) if isinstance(card, PcscCard) else call()
