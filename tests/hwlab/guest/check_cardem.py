"""A remote card over USB, with the board and without it."""

import asyncio
from dataclasses import replace
from pathlib import Path

from modems.detect.udev import candidates
from simlab.bank.usim import ATR
from simlab.modems.state import ModemState
from tests.hwlab.guest.chain import chain, on_remote_card, registered
from tests.hwlab.guest.pins import Pins
from tests.hwlab.guest.router import router
from tests.hwlab.guest.waiting import WITHIN_S, until

SECONDS = 40


async def test_a_whole_card_session_over_usb(tmp_path: Path) -> None:
    async with chain() as built, router(tmp_path, *built.sections) as remsimd:
        await remsimd.until(on_remote_card, "the modem reads the bank's card", within_s=WITHIN_S)
        await registered(built.modem)
        assert built.board.atr == ATR
        assert built.agreed[-1] is True
        found = await asyncio.to_thread(candidates)
        assert [each.path for each in found] == ["usb:1-1"], "a board is no modem"


async def test_a_board_that_is_unplugged_while_the_modem_waits_for_the_card(tmp_path: Path) -> None:
    async with chain() as built, router(tmp_path, *built.sections) as remsimd:
        await remsimd.until(on_remote_card, "the modem reads the bank's card", within_s=WITHIN_S)
        await registered(built.modem)
        built.bankd.quirks = replace(built.bankd.quirks, answer_tpdus=False)
        card = built.cards[-1]
        assert card is not None
        asking = asyncio.create_task(card.read_iccid())
        await until(lambda: card.nulls)
        built.board.pull()
        status = await remsimd.until(
            lambda status: not status["parts"]["frontend"]["running"], "it is told that the board is gone"
        )
        assert "unplugged" in status["parts"]["frontend"]["reason"]
        asking.cancel()
        built.bankd.quirks = replace(built.bankd.quirks, answer_tpdus=True)
        before = len(built.agreed)
        built.board.plug()
        await until(lambda: len(built.agreed) > before)
        assert built.agreed[-1] is True, "the board that came back shows the same card"


async def test_a_modem_that_is_unplugged_in_the_middle_of_a_sim_switch(tmp_path: Path) -> None:
    pins = Pins()
    async with (
        chain("sim_select_line sim1", slow_modem=True) as built,
        router(tmp_path, *built.sections) as remsimd,
    ):
        await until(lambda: built.cards)
        built.modem.set_state(ModemState.GONE)
        await remsimd.until(
            lambda status: (
                status["modems"]["first"]["port"] is None
                and status["modems"]["first"]["sim_switching_to"] == "remote"
            ),
            "the modem is gone, the switch goes on",
        )
        built.modem.set_sim(built.cards[-1])
        built.modem.set_state(ModemState.REGISTERED)
        await remsimd.until(on_remote_card, "the modem is back and reads the bank's card", within_s=WITHIN_S)
        assert pins.changes(0) == [True], "moved once, and never back"
    assert pins.changes(0) == [True, False], "a daemon that is stopped leaves the modem on its own card"
