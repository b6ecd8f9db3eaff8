import pytest

from remsimd.errors import CardError
from remsimd.sim.frontend import SlotStatus
from remsimd.sim.reader import CardNumbers, read_numbers
from simlab.bank.cards import generate
from simlab.bank.usim import Usim

CARD = generate(1, seed=2)[0]


class Reader:
    """A card of one kind; `classes` are those it understands."""

    def __init__(self, *classes: int) -> None:
        self.usim = Usim(CARD)
        self._classes = classes

    async def transmit(self, tpdu: bytes) -> bytes:
        return self.usim.transmit(tpdu) if tpdu[0] in self._classes else b"\x6e\x00"

    def status(self, status: SlotStatus) -> None:
        raise AssertionError("reading resets nothing")


@pytest.mark.parametrize("classes", [(0x00, 0xA0), (0x00,), (0xA0,)])
async def test_the_numbers_of_new_and_old_cards(classes: tuple[int, ...]) -> None:
    reader = Reader(*classes)
    assert await read_numbers(reader) == CardNumbers(CARD.iccid, CARD.imsi)
    nothing_selected = reader.usim.transmit(bytes((classes[0], 0xB0, 0, 0, 1)))
    assert nothing_selected in (b"\x69\x86", b"\x94\x00"), "the MF is selected at the end"


async def test_a_card_that_is_no_sim_is_said() -> None:
    with pytest.raises(CardError, match="no SIM"):
        await read_numbers(Reader())


async def test_an_imsi_behind_a_pin_is_left_out() -> None:
    class Locked(Reader):
        async def transmit(self, tpdu: bytes) -> bytes:
            return b"\x69\x82" if tpdu == bytes.fromhex("00b0000009") else await super().transmit(tpdu)

    assert await read_numbers(Locked(0x00)) == CardNumbers(CARD.iccid, None)
