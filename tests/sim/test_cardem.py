import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from remsimd.errors import CardError, FrontendError
from remsimd.sim.frontend import SlotStatus
from remsimd.sim.frontends.cardem import CardemFrontend
from remsimd.sim.frontends.cardem_protocol import (
    CardInsert,
    Config,
    Feature,
    Message,
    ModemReset,
    ResetAction,
    SetAtr,
    SimSelect,
    StatusRequest,
    decode,
)
from simlab.cardem import CardemBoard
from simlab.cardem_modem import CardReset, ModemSlot
from tests.sim.boards import BoardTransport, Shelf
from tests.virtual import run

ATR = bytes.fromhex("3b9f96801fc78031a073be21136743200718000001a5")
OTHER_ATR = bytes.fromhex("3b00")
READ = bytes.fromhex("00b0000002")
WRITE = bytes.fromhex("00d60000020102")
SHOWN = [SimSelect(remote=True), SetAtr(ATR), CardInsert(inserted=True)]
STARTED = [Config(Feature.STATUS_ON_INTERRUPT), StatusRequest()]
TAKEN_AWAY = [CardInsert(inserted=False), SimSelect(remote=False)]


class FakeCard:
    """Answers reads with the number of the command; `hold` keeps it from answering."""

    def __init__(self) -> None:
        self.commands: list[bytes] = []
        self.statuses: list[SlotStatus] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()
        self.failure: str | None = None

    async def transmit(self, tpdu: bytes) -> bytes:
        self.commands.append(tpdu)
        number = len(self.commands)
        self.asked.set()
        await self.may_answer.wait()
        if self.failure is not None:
            raise CardError(self.failure)
        return (bytes((0, number)) if tpdu[1] == 0xB0 else b"") + b"\x90\x00"

    def status(self, status: SlotStatus) -> None:
        self.statuses.append(status)


@asynccontextmanager
async def serving(frontend: CardemFrontend, card: FakeCard) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(frontend.run(card))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def told(transport: BoardTransport) -> list[Message]:
    return [decode(transfer) for transfer in transport.written]


def test_a_card_is_shown_and_taken_away_once() -> None:
    async def story() -> None:
        board, card = CardemBoard(), FakeCard()
        shelf = Shelf(board)
        frontend = CardemFrontend(shelf.open)
        async with serving(frontend, card):
            await frontend.remove()
            await frontend.insert(ATR)
            await frontend.insert(ATR)
            assert told(shelf.opened[0]) == STARTED + SHOWN
            assert (board.remote, board.inserted, board.atr) == (True, True, ATR)
            await frontend.remove()
            await frontend.remove()
            assert told(shelf.opened[0]) == STARTED + SHOWN + TAKEN_AWAY
            assert (board.remote, board.inserted) == (False, False)

    run(story())


def test_another_card_replaces_the_first() -> None:
    async def story() -> None:
        board = CardemBoard()
        frontend = CardemFrontend(Shelf(board).open)
        async with serving(frontend, FakeCard()):
            await frontend.insert(ATR)
            await frontend.insert(OTHER_ATR)
            assert await ModemSlot(board).power_on() == OTHER_ATR

    run(story())


def test_the_modem_s_reset_line_is_pulsed() -> None:
    async def story() -> None:
        resets: list[ModemReset] = []
        shelf = Shelf(CardemBoard(on_modem_reset=resets.append))
        frontend = CardemFrontend(shelf.open)
        with pytest.raises(FrontendError, match="not there"):
            await frontend.reset_modem()
        async with serving(frontend, FakeCard()):
            await frontend.insert(ATR)
            await frontend.reset_modem()
        assert resets == [ModemReset(ResetAction.PULSE, 300)]

    run(story())


def test_commands_of_the_modem_are_answered_by_the_card() -> None:
    async def story() -> None:
        board, card = CardemBoard(), FakeCard()
        frontend = CardemFrontend(Shelf(board).open)
        async with serving(frontend, card):
            await frontend.insert(ATR)
            modem = ModemSlot(board)
            await modem.power_on()
            assert (await modem.transmit(WRITE)).raw == b"\x90\x00"
            assert (await modem.transmit(READ)).raw == b"\x00\x02\x90\x00"
            assert card.commands == [WRITE, READ]

    run(story())


def test_contacts_reach_the_card_at_every_edge() -> None:
    async def story() -> None:
        board, card = CardemBoard(), FakeCard()
        frontend = CardemFrontend(Shelf(board).open)
        async with serving(frontend, card):
            await frontend.insert(ATR)
            modem = ModemSlot(board)
            await modem.power_on()
            await modem.reset()
            await modem.transmit(READ)
            lines = [(s.reset_active, s.vcc_present, s.clk_active) for s in card.statuses]
            assert lines == [
                (True, False, False),
                (True, True, False),
                (True, True, True),
                (False, True, True),
                (True, True, True),
                (False, True, True),
            ]

    run(story())


def test_a_late_answer_is_not_given_to_another_command() -> None:
    async def story() -> None:
        board, card = CardemBoard(), FakeCard()
        frontend = CardemFrontend(Shelf(board).open)
        async with serving(frontend, card):
            await frontend.insert(ATR)
            modem = ModemSlot(board)
            await modem.power_on()
            card.may_answer.clear()
            first = asyncio.create_task(modem.transmit(READ))
            await card.asked.wait()
            await modem.reset()
            with pytest.raises(CardReset):
                await first
            card.may_answer.set()
            assert (await modem.transmit(READ)).data == b"\x00\x02"
            assert board.dropped == 0

    run(story())


def test_an_answer_that_waits_for_the_bus_is_not_sent_after_a_reset() -> None:
    async def story() -> None:
        board, card = CardemBoard(), FakeCard()
        shelf = Shelf(board)
        frontend = CardemFrontend(shelf.open)
        async with serving(frontend, card):
            await frontend.insert(ATR)
            modem = ModemSlot(board)
            await modem.power_on()
            shelf.opened[0].gate.clear()
            first = asyncio.create_task(modem.transmit(READ))
            pulse = asyncio.create_task(frontend.reset_modem())
            await card.asked.wait()
            await modem.reset()
            second = asyncio.create_task(modem.transmit(READ))
            await asyncio.sleep(1.0)
            shelf.opened[0].gate.set()
            assert (await second).data == b"\x00\x02"
            await pulse
            with pytest.raises(CardReset):
                await first

    run(story())


def test_a_card_without_an_answer_does_not_hang_the_modem() -> None:
    async def story() -> None:
        board, card = CardemBoard(), FakeCard()
        frontend = CardemFrontend(Shelf(board).open)
        async with serving(frontend, card):
            await frontend.insert(ATR)
            modem = ModemSlot(board)
            await modem.power_on()
            card.failure = "bankd lost"
            assert (await modem.transmit(READ)).raw == b"\x6f\x00"
            card.failure = None
            assert (await modem.transmit(READ)).status_word == 0x9000

    run(story())


def test_an_unplugged_board_ends_the_run_and_gets_its_card_when_it_is_back() -> None:
    async def story() -> None:
        board, card = CardemBoard(), FakeCard()
        shelf = Shelf(board)
        frontend = CardemFrontend(shelf.open)
        async with serving(frontend, card) as running:
            await frontend.insert(ATR)
            shelf.opened[0].unplug()
            with pytest.raises(FrontendError, match="cardem: unplugged"):
                await running
        shelf.board = board = CardemBoard()
        async with serving(frontend, card):
            await frontend.insert(ATR)
            modem = ModemSlot(board)
            await asyncio.sleep(1.0)
            assert await modem.power_on() == ATR
            assert (await modem.transmit(READ)).status_word == 0x9000
            assert told(shelf.opened[1])[: len(STARTED + SHOWN)] == STARTED + SHOWN

    run(story())


def test_a_card_removed_while_the_board_was_away_is_removed_when_it_is_back() -> None:
    async def story() -> None:
        board = CardemBoard()
        shelf = Shelf(board)
        frontend = CardemFrontend(shelf.open)
        async with serving(frontend, FakeCard()) as running:
            await frontend.insert(ATR)
            shelf.opened[0].unplug()
            await asyncio.wait([running])
            await frontend.remove()
        async with serving(frontend, FakeCard()):
            await asyncio.sleep(1.0)
            assert told(shelf.opened[1]) == STARTED + TAKEN_AWAY
            assert not board.remote

    run(story())


def test_without_a_board_there_is_nothing_to_insert_into() -> None:
    async def story() -> None:
        shelf = Shelf()
        frontend = CardemFrontend(shelf.open)
        with pytest.raises(FrontendError, match=r"1-1\.4"):
            await frontend.run(FakeCard())
        with pytest.raises(FrontendError, match="no board"):
            await frontend.insert(ATR)
        # The refused card is not shown later behind the caller's back.
        shelf.board = CardemBoard()
        async with serving(frontend, FakeCard()):
            await asyncio.sleep(1.0)
            assert told(shelf.opened[0]) == STARTED

    run(story())


def test_a_card_wanted_before_the_board_was_opened_waits_for_it() -> None:
    async def story() -> None:
        shelf = Shelf(CardemBoard())
        frontend = CardemFrontend(shelf.open)
        inserting = asyncio.create_task(frontend.insert(ATR))
        await asyncio.sleep(1.0)
        async with serving(frontend, FakeCard()):
            await inserting
            assert told(shelf.opened[0]) == STARTED + SHOWN

    run(story())


def test_nonsense_of_the_board_is_told_once_and_survived(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        board, card = CardemBoard(), FakeCard()
        frontend = CardemFrontend(Shelf(board).open)
        async with serving(frontend, card):
            await frontend.insert(ATR)
            for _ in range(2):
                board.bulk_in.append(b"\x01\x06")
                board.on_message()
                await asyncio.sleep(0.1)
            modem = ModemSlot(board)
            await modem.power_on()
            assert (await modem.transmit(READ)).status_word == 0x9000

    with caplog.at_level(logging.DEBUG):
        run(story())
    nonsense = [record.levelname for record in caplog.records if "shorter than its header" in record.message]
    assert nonsense == ["WARNING", "DEBUG"]
