"""A remote card all the way: the modem's contacts, the board, USB, remsimd, RSPRO, the bank's USIM."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from remsimd.rspro.pdu import BankSlot, ClientSlot
from simlab.bank.auc import Auc
from simlab.bank.bankd import Bankd
from simlab.bank.cards import generate
from simlab.bank.server import RemsimServer
from simlab.cardem_modem import ModemSlot
from simlab.modems.sim import Authentication, ModemSim
from simlab.modems.state import ModemState
from tests.hwlab.guest.compositions import RM500Q
from tests.hwlab.guest.router import modem_section
from tests.hwlab.guest.usb_board import UsbBoard
from tests.hwlab.guest.usb_modem import UsbModem
from tests.hwlab.guest.waiting import WITHIN_S

CARD = generate(1, seed=7)[0]
BANK, CLIENT = BankSlot(1, 0), ClientSlot(23, 0)
RSPRO = """\
config frontend 'pins'
	option modem 'first'
	option type 'cardem'
	option usb_path '3-1'

config rspro 'rspro'
	option server_host '127.0.0.1'
	option server_port '{port}'
	option client_id '23'
	option client_slot '0'
	option via 'any'
"""


@dataclass
class Chain:
    """Everything around the router, whose configuration is `sections`.

    `cards` are those that the modem found in its contacts, `agreed` what the home network made of each that
    asked to attach.
    """

    sections: tuple[str, ...]
    bankd: Bankd
    board: UsbBoard
    modem: UsbModem
    cards: list[ModemSlot | None]
    agreed: list[bool]


@asynccontextmanager
async def chain(*modem_options: str, slow_modem: bool = False) -> AsyncIterator[Chain]:
    """A modem at USB 1-1, its board at 3-1, and the bank; a slow modem looks at no card by itself."""
    auc = Auc((CARD,))
    agreed: list[bool] = []
    cards: list[ModemSlot | None] = []

    async def attach(sim: ModemSim) -> bool:
        challenge = auc.challenge(await sim.read_imsi())
        answer = await sim.authenticate(challenge.rand, challenge.autn)
        agreed.append(answer == Authentication(challenge.xres, challenge.ck, challenge.ik))
        return agreed[-1]

    def on_card(card: ModemSlot | None) -> None:
        cards.append(card)
        if not slow_modem:
            modem.set_sim(card)

    async with (
        RemsimServer() as server,
        Bankd((CARD,), server=("127.0.0.1", server.port)) as bankd,
        UsbModem(RM500Q, 1, attach=attach) as modem,
        UsbBoard(2, on_card=on_card) as board,
    ):
        server.bankd_port = bankd.port
        await server.create_map(BANK, CLIENT)
        modem_lines = modem_section("first", "usb:1-1", "sim remote", *modem_options)
        yield Chain((modem_lines, RSPRO.format(port=server.port)), bankd, board, modem, cards, agreed)


def on_remote_card(status: dict[str, Any]) -> bool:
    """Whether the modem reads the bank's card, and the router knows it."""
    modem = status["modems"]["first"]
    read = modem["facts"].get("iccid"), modem["facts"].get("imsi")
    moved = modem["sim_source"] == "remote" and modem["sim_switching_to"] is None
    return moved and read == (CARD.iccid, CARD.imsi)


async def registered(modem: UsbModem) -> None:
    """Wait until the home network has let the modem in."""
    async with asyncio.timeout(WITHIN_S):
        await modem.wait_for(ModemState.REGISTERED)
