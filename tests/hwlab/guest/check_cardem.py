"""A remote card over USB, with the board and without it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from modems.detect.udev import candidates
from remsimd.errors import FrontendError
from remsimd.sim.frontends.cardem_protocol import Config, Feature, encode
from remsimd.sim.frontends.cardem_usb import open_board
from simlab.bank.usim import ATR
from simlab.modems.state import ModemState
from tests.hwlab.guest.chain import chain, on_remote_card, registered
from tests.hwlab.guest.pins import Pins
from tests.hwlab.guest.router import installed_router, router
from tests.hwlab.guest.usb_board import BULK_IN, SIMTRACE2, UsbBoard
from tests.hwlab.guest.usbip import UsbDevice
from tests.hwlab.guest.waiting import WITHIN_S, until

SECONDS = 50
HELLO = encode(Config(Feature.STATUS_ON_INTERRUPT))
SLOT = Path("/sys/bus/usb/devices/1-1:1.0/ep_86")
"""The last that the kernel shows of a board's slot at USB 1-1."""
SELECT_MF = bytes.fromhex("00a40004023f00")
COMMANDS = 50
IDLE_S = 10.0
Record = Callable[[str, object], None]


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


async def test_a_board_says_when_another_program_has_it_and_is_free_afterwards() -> None:
    async with UsbBoard(1) as board:
        await until(SLOT.exists)
        for _ in range(2):
            async with open_board("1-1", 0) as first:
                with pytest.raises(FrontendError, match="USB 1-1 interface 0: held by another program"):
                    async with open_board("1-1", 0):
                        pass
                await first.write(HELLO)
                assert await first.read() == HELLO
        board.pull()
        with pytest.raises(FrontendError, match="no SIMtrace2 card emulation at USB path 1-1"):
            async with open_board("1-1", 0):
                pass


async def test_a_stalled_endpoint_goes_on_and_messages_stay_whole() -> None:
    async with UsbBoard(1) as board:
        await until(SLOT.exists)
        async with open_board("1-1", 0) as transport:
            for _ in range(3):
                await transport.write(HELLO)
                assert await transport.read() == HELLO
                board.usb.stall(BULK_IN)
            board.pull()
            with pytest.raises(FrontendError, match="unplugged"):
                await transport.read()
            with pytest.raises(FrontendError, match="unplugged"):
                await transport.read_interrupt()


async def test_a_board_that_takes_nothing_keeps_no_transfer() -> None:
    device = UsbDevice(SIMTRACE2, 1)
    device.plug()
    try:
        await until(SLOT.exists)
        async with open_board("1-1", 0) as transport:
            with pytest.raises(FrontendError, match="the board took nothing for 1 s"):
                await transport.write(HELLO)
            assert device.unheard == 0
            writing = asyncio.create_task(transport.write(HELLO))
            await until(lambda: device.unheard)
            writing.cancel()
            await asyncio.wait((writing,))
            await until(lambda: not device.unheard)
            leaving = asyncio.create_task(transport.write(HELLO))
            await until(lambda: device.unheard)
        await until(lambda: not device.unheard)
        with pytest.raises(FrontendError):
            await leaving
    finally:
        device.pull()


async def test_what_the_board_costs_the_installed_daemon(tmp_path: Path, record_property: Record) -> None:
    async with chain() as built, installed_router(tmp_path, *built.sections) as remsimd:
        await remsimd.control.until(on_remote_card, "the modem reads the bank's card", within_s=WITHIN_S)
        await registered(built.modem)
        card = built.cards[-1]
        assert card is not None
        started = time.monotonic()
        for _ in range(COMMANDS):
            assert (await card.transmit(SELECT_MF)).status_word >> 8 == 0x61
        took_ms = (time.monotonic() - started) / COMMANDS * 1000
        record_property("a command from modem to bank and back takes", f"{took_ms:.1f} ms")
        record_property("the daemon occupies with the board", f"{remsimd.resident_mb():.1f} MB (VmRSS)")
        before_s = remsimd.processor_s()
        await asyncio.sleep(IDLE_S)
        share = (remsimd.processor_s() - before_s) / IDLE_S
        record_property("it is busy while the modem asks nothing", f"{share:.1%} of the emulated processor")
