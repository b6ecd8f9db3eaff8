"""A modem's card commands all the way: contacts, board, frontend, RSPRO, bank, USIM, and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from remsimd.rspro.events import Authenticated, RsproState, TpduFailed
from remsimd.sim.frontends.cardem import CardemFrontend
from simlab.bank.auc import Auc
from simlab.bank.usim import ATR
from simlab.cardem import CardemBoard
from simlab.cardem_modem import ModemSlot
from simlab.modems.sim import Authentication
from tests.rspro.lab import CARDS, Lab, lab
from tests.sim.boards import Shelf


@asynccontextmanager
async def chain(built: Lab) -> AsyncIterator[tuple[CardemFrontend, ModemSlot]]:
    built.client.assign(built.assignment)
    await built.events.state(RsproState.OPERATIONAL)
    board = CardemBoard()
    frontend = CardemFrontend(Shelf(board).open)
    serving = asyncio.create_task(frontend.run(built.client))
    await frontend.insert(ATR)
    try:
        yield frontend, ModemSlot(board)
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def test_a_modem_reads_the_remote_card_and_authenticates_with_it() -> None:
    auc = Auc(CARDS)
    async with lab() as built, chain(built) as (_, modem):
        assert await modem.power_on() == ATR
        await modem.select_protocol(0x96)
        assert await modem.read_iccid() == CARDS[0].iccid
        imsi = await modem.read_imsi()
        assert imsi == CARDS[0].imsi
        challenge = auc.challenge(imsi)
        answer = await modem.authenticate(challenge.rand, challenge.autn)
        assert answer == Authentication(challenge.xres, challenge.ck, challenge.ik)
        assert [verdict.ok for verdict in built.events.of(Authenticated)] == [True]


async def test_a_reset_of_the_modem_resets_the_card_in_the_bank() -> None:
    async with lab() as built, chain(built) as (_, modem):
        await modem.power_on()
        await modem.command(bytes.fromhex("00a4040407a0000000871002"))
        select_imsi = bytes.fromhex("00a4000c026f07")
        assert (await modem.transmit(select_imsi)).status_word == 0x9000
        await modem.reset()
        assert (await modem.transmit(select_imsi)).status_word == 0x6A82


async def test_a_bankd_that_closes_in_mid_command_ends_it_and_the_next_ones_work() -> None:
    async with lab() as built, chain(built) as (_, modem):
        await modem.power_on()
        card = built.bankd.usims.pop(0)
        answer = await modem.transmit(bytes.fromhex("00a40004023f00"))
        assert answer.raw == b"\x6f\x00"
        assert len(built.events.of(TpduFailed)) == 1
        await built.events.until(lambda: "no card" in built.events.detail)
        built.bankd.usims[0] = card
        await built.bankd.look_again()
        await built.events.state(RsproState.OPERATIONAL)
        assert await modem.reset() == ATR
        assert await modem.read_iccid() == CARDS[0].iccid
