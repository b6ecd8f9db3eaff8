import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from remsimd.errors import CardError
from remsimd.sim.frontend import SlotStatus
from remsimd.sim.frontends.vpcd import IN_RESET, OFF, ON, VpcdFrontend

ATR = bytes.fromhex("3b9f96801fc78031a073be21136743200718000001a5")
OTHER_ATR = bytes.fromhex("3b00")
DEADLINE_S = 10.0


class FakeCard:
    def __init__(self) -> None:
        self.commands: list[bytes] = []
        self.statuses: list[SlotStatus] = []
        self.failure: str | None = None

    async def transmit(self, tpdu: bytes) -> bytes:
        self.commands.append(tpdu)
        if self.failure is not None:
            raise CardError(self.failure)
        return b"\x90\x00"

    def status(self, status: SlotStatus) -> None:
        self.statuses.append(status)


class Vpcd:
    """The reader's side: listens on a free port and takes one card after the other."""

    def __init__(self) -> None:
        self.port = 0
        self._cards: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def start(self) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._cards.put_nowait((reader, writer))

        self._server = await asyncio.start_server(connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._writer.close()

    async def card(self) -> None:
        """Wait for a card to come into the reader."""
        async with asyncio.timeout(DEADLINE_S):
            self._reader, self._writer = await self._cards.get()

    async def gone(self) -> None:
        """Wait for the card in the reader to leave it."""
        async with asyncio.timeout(DEADLINE_S):
            assert await self._reader.read() == b""
        self._writer.close()

    def tell(self, octets: bytes) -> None:
        self._writer.write(len(octets).to_bytes(2, "big") + octets)

    async def ask(self, octets: bytes) -> bytes:
        self.tell(octets)
        async with asyncio.timeout(DEADLINE_S):
            length = int.from_bytes(await self._reader.readexactly(2), "big")
            return await self._reader.readexactly(length)


@pytest.fixture
async def vpcd() -> AsyncIterator[Vpcd]:
    reader = Vpcd()
    await reader.start()
    yield reader
    await reader.stop()


@asynccontextmanager
async def serving(vpcd: Vpcd, card: FakeCard) -> AsyncIterator[VpcdFrontend]:
    frontend = VpcdFrontend("127.0.0.1", vpcd.port)
    task = asyncio.create_task(frontend.run(card))
    try:
        yield frontend
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_card_is_in_the_reader_while_it_is_inserted(vpcd: Vpcd) -> None:
    async with serving(vpcd, FakeCard()) as frontend:
        await frontend.insert(ATR)
        await vpcd.card()
        assert await vpcd.ask(b"\x04") == ATR
        await frontend.insert(ATR)
        assert await vpcd.ask(b"\x04") == ATR
        await frontend.remove()
        await vpcd.gone()
        await frontend.insert(OTHER_ATR)
        await vpcd.card()
        assert await vpcd.ask(b"\x04") == OTHER_ATR


async def test_another_card_is_a_removal_and_an_insertion(vpcd: Vpcd) -> None:
    async with serving(vpcd, FakeCard()) as frontend:
        await frontend.insert(ATR)
        await vpcd.card()
        await frontend.insert(OTHER_ATR)
        await vpcd.gone()
        await vpcd.card()
        assert await vpcd.ask(b"\x04") == OTHER_ATR


async def test_control_messages_are_the_contacts(vpcd: Vpcd) -> None:
    card = FakeCard()
    async with serving(vpcd, card) as frontend:
        await frontend.insert(ATR)
        await vpcd.card()
        for control in (b"\x01", b"\x02", b"\x00", b"\x07"):
            vpcd.tell(control)
        assert await vpcd.ask(b"\x04") == ATR
        assert card.statuses == [ON, IN_RESET, ON, OFF]


async def test_apdus_are_answered_and_a_message_may_come_in_pieces(vpcd: Vpcd) -> None:
    card = FakeCard()
    async with serving(vpcd, card) as frontend:
        await frontend.insert(ATR)
        await vpcd.card()
        for octet in b"\x00\x07":
            vpcd._writer.write(bytes((octet,)))
            await vpcd._writer.drain()
        vpcd._writer.write(bytes.fromhex("00a40004023f"))
        await vpcd._writer.drain()
        vpcd._writer.write(b"\x00")
        assert await vpcd._reader.readexactly(4) == b"\x00\x02\x90\x00"
        assert card.commands == [bytes.fromhex("00a40004023f00")]


async def test_a_card_that_fails_leaves_the_reader_and_comes_back(vpcd: Vpcd) -> None:
    card = FakeCard()
    async with serving(vpcd, card) as frontend:
        await frontend.insert(ATR)
        await vpcd.card()
        card.failure = "bankd lost"
        vpcd.tell(bytes.fromhex("00a40004023f00"))
        await vpcd.gone()
        assert card.statuses == [OFF]
        card.failure = None
        await vpcd.card()
        assert await vpcd.ask(bytes.fromhex("00a40004023f00")) == b"\x90\x00"


async def test_a_reader_that_restarts_gets_its_card_again(
    vpcd: Vpcd, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with serving(vpcd, FakeCard()) as frontend:
            await frontend.insert(ATR)
            await vpcd.card()
            await vpcd.stop()
            async with asyncio.timeout(DEADLINE_S):
                while not [record for record in caplog.records if "no vpcd at" in record.message]:
                    await asyncio.sleep(0.01)
            await vpcd.start()
            await vpcd.card()
            assert await vpcd.ask(b"\x04") == ATR
    levels = [record.levelname for record in caplog.records if "no vpcd at" in record.message]
    assert levels[0] == "WARNING"
    assert set(levels[1:]) <= {"DEBUG"}
