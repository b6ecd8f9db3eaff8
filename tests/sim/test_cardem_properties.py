"""Generated modems: whatever they ask, and whenever they reset, they hear the right answers."""

import asyncio
import contextlib
import random
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from remsimd.sim.frontend import SlotStatus
from remsimd.sim.frontends.cardem import CardemFrontend
from simlab.bank.cards import generate
from simlab.bank.usim import Usim
from simlab.cardem import CardemBoard
from simlab.cardem_modem import ATR_DELAY_S, CardReset, ModemSlot
from tests.sim.boards import Shelf
from tests.virtual import run

CARD = generate(1, seed=3)[0]
ATR = bytes.fromhex("3b9f96801fc78031a073be21136743200718000001a5")
TRANSFER_S = ATR_DELAY_S / 3
"""A transfer shorter than half the time before the ATR: a longer one could bring the answer to a
command behind the reset and the header of the next one, where nobody can tell them apart."""


class UsimCard:
    """The software USIM behind a network that takes its time."""

    def __init__(self, source: random.Random) -> None:
        self.usim = Usim(CARD)
        self._source = source
        self._reset = True

    async def transmit(self, tpdu: bytes) -> bytes:
        await asyncio.sleep(self._source.uniform(0, 0.2))
        return self.usim.transmit(tpdu)

    def status(self, status: SlotStatus) -> None:
        if self._reset and not status.reset_active:
            self.usim.reset()
        self._reset = status.reset_active


def to_card(*heads: str) -> st.SearchStrategy[bytes]:
    data = st.one_of(
        st.sampled_from(
            [bytes.fromhex(t) for t in ("3f00", "2fe2", "6f07", "7fff", "7f20", "a0000000871002")]
        ),
        st.binary(min_size=1, max_size=255),
    )
    return st.builds(
        lambda head, octets: bytes.fromhex(head) + bytes((len(octets),)) + octets,
        st.sampled_from(heads),
        data,
    )


def from_card(*heads: str) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda head, p3: bytes.fromhex(head) + bytes((p3,)),
        st.sampled_from(heads),
        st.one_of(st.sampled_from([0, 9, 10]), st.integers(0, 255)),
    )


COMMANDS = st.one_of(
    to_card("00a40004", "00a40404", "00a4000c", "a0a40000", "01a40004", "00d60000", "00200001", "00880081"),
    to_card("80100000", "a0100000", "80c20000", "80140000", "a0880000"),
    from_card("00b00000", "00b00001", "00b20104", "00c00000", "a0c00000", "80f20000", "80f2000c", "a0f20000"),
    from_card("80120000", "00840000", "00990000"),
    st.sampled_from([bytes.fromhex(t) for t in ("00a4000000", "0020000100", "0004000000", "80ca9f7f00")]),
)


@settings(max_examples=150, deadline=None)
@given(script=st.lists(COMMANDS, min_size=1, max_size=12), seed=st.integers(0, 2**16))
def test_a_modem_hears_what_the_card_itself_would_say(script: list[bytes], seed: int) -> None:
    async def story() -> list[bytes]:
        source = random.Random(seed)
        board = CardemBoard()
        frontend = CardemFrontend(Shelf(board, delay_s=lambda: source.uniform(0, TRANSFER_S)).open)
        serving = asyncio.create_task(frontend.run(UsimCard(source)))
        await frontend.insert(ATR)
        modem = ModemSlot(board)
        assert await modem.power_on() == ATR
        heard = [(await modem.transmit(tpdu)).raw for tpdu in script]
        serving.cancel()
        await asyncio.wait([serving])
        return heard

    direct = Usim(CARD)
    assert run(story()) == [direct.transmit(tpdu) for tpdu in script]


class EchoCard:
    """Answers a read with its own P1 and P2, so that every answer shows its command."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._turn = asyncio.Lock()

    async def transmit(self, tpdu: bytes) -> bytes:
        # As in the RSPRO client: a caller that gives up leaves the card busy.
        return await asyncio.shield(asyncio.create_task(self._answer(tpdu)))

    async def _answer(self, tpdu: bytes) -> bytes:
        async with self._turn:
            await asyncio.sleep(self._source.uniform(0, 0.05))
            return (tpdu[2:4] if tpdu[1] == 0xB0 else b"") + b"\x90" + tpdu[3:4]

    def status(self, status: SlotStatus) -> None:
        pass


@dataclass(frozen=True)
class Moment:
    """A command, and after which time the modem loses patience with it and how."""

    write: bool
    patience_s: float | None
    power_cycle: bool


MOMENTS = st.builds(
    Moment,
    write=st.booleans(),
    patience_s=st.one_of(st.none(), st.floats(0, 0.06)),
    power_cycle=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=25), seed=st.integers(0, 2**16))
def test_resets_at_any_moment_never_bring_the_answer_of_an_older_command(
    moments: list[Moment], seed: int
) -> None:
    async def story() -> None:
        source = random.Random(seed)
        board = CardemBoard()
        frontend = CardemFrontend(Shelf(board, delay_s=lambda: source.uniform(0, TRANSFER_S)).open)
        serving = asyncio.create_task(frontend.run(EchoCard(source)))
        await frontend.insert(ATR)
        modem = ModemSlot(board)
        await modem.power_on()
        for number, moment in enumerate(moments):
            await one_moment(modem, number, moment)
        assert not serving.done()
        serving.cancel()
        await asyncio.wait([serving])

    run(story())


async def one_moment(modem: ModemSlot, number: int, moment: Moment) -> None:
    place = number.to_bytes(2, "big")
    tpdu = b"\x00\xd6" + place + b"\x03abc" if moment.write else b"\x00\xb0" + place + b"\x02"
    asking = asyncio.create_task(modem.transmit(tpdu))
    if moment.patience_s is not None:
        await asyncio.wait([asking], timeout=moment.patience_s)
        if moment.power_cycle:
            await modem.power_off()
            assert await modem.power_on() == ATR
        else:
            assert await modem.reset() == ATR
    with contextlib.suppress(CardReset):
        answer = await asking
        assert answer.data == (b"" if moment.write else place)
        assert answer.status_word == 0x9000 | place[1]
