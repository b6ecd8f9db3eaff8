"""What a modem is told when the way to its card breaks: the truth or nothing, and each time why."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from remsimd.errors import CardError
from remsimd.rspro import pdu
from remsimd.rspro.client import RsproClient
from remsimd.rspro.events import CardLost, RsproLinkChanged, RsproState, RsproStateChanged, TpduFailed
from remsimd.rspro.pdu import BankSlot, ClientSlot, ComponentType, Message
from remsimd.sim.frontend import SlotStatus
from simlab.bank.auc import Auc
from simlab.bank.cards import CardData
from simlab.bank.usim import Usim
from tests.rspro.lab import CARDS, Events, Host, make_client
from tests.rspro.memory_peer import MemoryConnection, MemoryOpener, greet
from tests.rspro.test_client_time import BANKD
from tests.virtual import run

SELECT_MF, SELECT_ICCID = bytes.fromhex("00a40004023f00"), bytes.fromhex("00a40004022fe2")
READ_ICCID = bytes.fromhex("00b000000a")
SELECT_USIM = bytes.fromhex("00a4040c07a0000000871002")
SELECT_IMSI, READ_IMSI = bytes.fromhex("00a4000c026f07"), bytes.fromhex("00b0000009")


@dataclass
class Bank:
    """A bankd in memory with a card in its slot, behind a network that may have a hole."""

    card: CardData = CARDS[0]
    hole: bool = False
    deaf: bool = False
    """TPDUs are taken and the connection is closed without an answer."""
    held: list[tuple[MemoryConnection, Message]] = field(default_factory=list)
    usims: dict[MemoryConnection, Usim] = field(default_factory=dict)

    def hear(self, connection: MemoryConnection, message: Message) -> None:
        connection.answers_ping = not self.hole
        if self.hole:
            self.held.append((connection, message))
            return
        if connection.closed_s is not None:
            return
        match message:
            case pdu.ConnectClientReq():
                self.usims[connection] = Usim(self.card)
                connection.say(greet(ComponentType.BANKD))
                connection.say(pdu.SetAtrReq(ClientSlot(23, 0), self.usims[connection].atr))
            case pdu.TpduModemToCard() if self.deaf:
                connection.reader.feed_eof()
            case pdu.TpduModemToCard():
                answer = self.usims[connection].transmit(message.data)
                connection.say(pdu.TpduCardToModem(BankSlot(1, 7), ClientSlot(23, 0), pdu.WHOLE_TPDU, answer))
            case pdu.ClientSlotStatusInd() if message.slot_phys_status.reset_active:
                self.usims[connection].reset()

    def heal(self) -> None:
        """The hole closes: TCP delivers what it kept."""
        self.hole = False
        held, self.held = self.held, []
        for connection, message in held:
            self.hear(connection, message)


class Network(MemoryOpener):
    def __init__(self, bank: Bank) -> None:
        super().__init__(bank.hear)
        self._bank = bank

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._bank.hole:
            await asyncio.sleep(1)
        return await super().open(host, port)


@dataclass
class Scene:
    bank: Bank
    client: RsproClient
    events: Events
    host: Host
    connections: list[MemoryConnection]

    async def to_imsi(self) -> None:
        """What a modem does first: its ICCID, then EF.IMSI of the USIM."""
        for command in (SELECT_MF, SELECT_ICCID, READ_ICCID, SELECT_USIM, SELECT_IMSI):
            await self.client.transmit(command)

    async def imsi(self) -> bytes:
        return await self.client.transmit(READ_IMSI)

    @property
    def states(self) -> list[RsproState]:
        return [event.state for event in self.events.of(RsproStateChanged)]


def play(act: Callable[[Scene], Awaitable[None]]) -> Scene:
    async def main() -> Scene:
        bank, events, host = Bank(), Events(), Host()
        network = Network(bank)
        client = make_client(host, network, events)
        scene = Scene(bank, client, events, host, network.connections)
        client.assign(BANKD)
        task = asyncio.create_task(client.run())
        await asyncio.sleep(1)
        await act(scene)
        task.cancel()
        await asyncio.wait([task])
        return scene

    return run(main())


def imsi_of(card: CardData) -> bytes:
    usim = Usim(card)
    for command in (SELECT_USIM, SELECT_IMSI):
        usim.transmit(command)
    return usim.transmit(READ_IMSI)


def test_a_hole_of_30_s_with_a_command_in_it() -> None:
    async def act(scene: Scene) -> None:
        await scene.to_imsi()
        scene.bank.hole = True
        asking = asyncio.create_task(scene.imsi())
        await asyncio.sleep(30)
        scene.bank.heal()
        with pytest.raises(CardError, match="no answer to a TPDU within 25 s"):
            await asking
        assert await scene.imsi() == imsi_of(CARDS[0])
        assert not scene.events.of(CardLost)

    scene = play(act)
    assert scene.events.of(TpduFailed) == [TpduFailed("primary", "no answer to a TPDU within 25 s")]
    lost = [event.detail for event in scene.events.of(RsproLinkChanged) if not event.up]
    assert lost[0] == "no answer to a TPDU within 25 s"
    assert RsproState.HOLDING in scene.states


def test_a_hole_of_30_s_in_which_nothing_is_asked_is_not_noticed() -> None:
    async def act(scene: Scene) -> None:
        await scene.to_imsi()
        scene.bank.hole = True
        await asyncio.sleep(28)
        scene.bank.heal()
        assert await scene.imsi() == imsi_of(CARDS[0])

    scene = play(act)
    assert RsproState.HOLDING not in scene.states


def test_a_hole_longer_than_the_hold_takes_the_card_and_brings_it_back() -> None:
    async def act(scene: Scene) -> None:
        await scene.to_imsi()
        scene.bank.hole = True
        with pytest.raises(CardError):
            await scene.imsi()
        await asyncio.sleep(60)
        scene.bank.heal()
        await asyncio.sleep(20)

    scene = play(act)
    first, reason, again = scene.host.calls[:3]
    assert first == again
    assert reason == "the card did not come back within 20 s"
    assert scene.events.of(CardLost)[0] == CardLost(str(reason))


def test_a_bankd_that_closes_in_the_middle_of_a_tpdu() -> None:
    async def act(scene: Scene) -> None:
        await scene.to_imsi()
        scene.bank.deaf = True
        with pytest.raises(CardError, match="closed by the peer"):
            await scene.imsi()
        scene.bank.deaf = False
        assert await scene.imsi() == imsi_of(CARDS[0])

    scene = play(act)
    assert scene.events.of(TpduFailed) == [TpduFailed("primary", "closed by the peer")]
    assert len(scene.host.calls) == 2, "the modem saw one card until the end"


def test_another_card_in_the_slot_never_answers_for_the_first() -> None:
    async def act(scene: Scene) -> None:
        await scene.to_imsi()
        scene.bank.card = CARDS[1]
        scene.bank.deaf = True
        with pytest.raises(CardError):
            await scene.imsi()
        scene.bank.deaf = False
        with pytest.raises(CardError, match="another one"):
            await scene.imsi()
        await scene.to_imsi()
        assert await scene.imsi() == imsi_of(CARDS[1])

    scene = play(act)
    assert [isinstance(call, bytes) for call in scene.host.calls] == [True, False, True, False]
    assert "another one" in scene.events.of(CardLost)[0].reason


def test_a_modem_reset_in_the_middle_of_an_authentication() -> None:
    async def act(scene: Scene) -> None:
        await scene.to_imsi()
        challenge = Auc(CARDS).challenge(CARDS[0].imsi)
        data = b"\x10" + challenge.rand + b"\x10" + challenge.autn
        scene.bank.hole = True
        asking = asyncio.create_task(scene.client.transmit(b"\x00\x88\x00\x81\x22" + data))
        await asyncio.sleep(0.5)
        scene.client.status(SlotStatus(reset_active=True, vcc_present=True))
        with pytest.raises(CardError, match="the modem reset its card"):
            await asking
        scene.client.status(SlotStatus(reset_active=False, vcc_present=True))
        first = asyncio.create_task(scene.client.transmit(READ_IMSI))
        await asyncio.sleep(0.5)
        scene.bank.heal()
        assert await first == b"\x69\x86", "nothing is selected after a reset; RES goes to nobody"
        await scene.to_imsi()
        assert await scene.imsi() == imsi_of(CARDS[0])

    scene = play(act)
    assert scene.events.of(TpduFailed) == [TpduFailed("primary", "the modem reset its card")]
    assert not scene.events.of(CardLost)[:-1]


COMMANDS = (
    "00a40004023f00", "00a40004022fe2", "00b000000a", "00a4040407a0000000871002", "00a40004026f07",
    "00b0000009", "00b0870009", "00a40804022fe2", "80f2000000", "00c0000020", "00b2010428", "00a40004022f00",
    "00a40004026fad", "00a4000402dead", "a0a40000023f00", "a0a40000027f20", "a0a40000026f07", "00b0000004",
    "a088000010" + "5a" * 16, "a0c000000c",
)  # fmt: skip


async def live(scene: Scene, source: random.Random, rounds: int) -> int:
    """A modem that works with its card while the bank breaks; returns how many answers it got.

    The twin is the card as the modem knows it: it executes what was answered and is reset when
    the modem resets its card, or gets another one.
    """
    twin, answered, cards_seen = Usim(CARDS[0]), 0, 1
    for _ in range(rounds):
        fault = source.random()
        connection = scene.connections[-1]
        if fault < 0.15 and connection.closed_s is None:
            connection.reader.feed_eof()
        scene.bank.deaf = 0.15 <= fault < 0.25
        await asyncio.sleep(source.choice((0, 0, 0.5, 3)))
        offers = sum(isinstance(call, bytes) for call in scene.host.calls)
        if offers > cards_seen or fault > 0.95:
            cards_seen = offers
            scene.client.status(SlotStatus(reset_active=True, vcc_present=True))
            scene.client.status(SlotStatus(reset_active=False, vcc_present=True))
            twin.reset()
        command = bytes.fromhex(source.choice(COMMANDS))
        try:
            answer = await scene.client.transmit(command)
        except CardError:
            continue
        assert answer == twin.transmit(command), f"{command.hex()} was answered from another place"
        answered += 1
    return answered


def test_no_wrong_answer_in_hundreds_of_lives() -> None:
    answered = withdrawn = 0
    for seed in range(50):
        source = random.Random(seed)

        async def act(scene: Scene, source: random.Random = source) -> None:
            nonlocal answered
            answered += await live(scene, source, 60)

        scene = play(act)
        withdrawn += sum(isinstance(call, str) for call in scene.host.calls) - 1
    assert answered > 1500
    assert withdrawn > 10, "some states cannot be repeated"
