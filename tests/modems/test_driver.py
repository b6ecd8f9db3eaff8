"""What a driver answers that states nothing of its own, and slots that do not do as they say."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from modems.at.channel import Channel
from modems.driver import SLOT_READ_BACKS, Driver
from modems.errors import NotApplied, Unsupported
from modems.facts import Fact, Identity, Registration, RegistrationState, Serving, Sim, SimState
from tests import virtual
from tests.modems.fake_port import FakePort


class Bare(Driver):
    """As little as a driver has to have."""

    name = "bare"

    async def setup(self) -> None: ...

    async def identity(self) -> Identity:
        return Identity(None, None, None, None)

    async def sim(self) -> Sim:
        return Sim(SimState.UNKNOWN)

    async def registration(self) -> Registration:
        return Registration(RegistrationState.UNKNOWN)

    async def serving(self) -> Serving:
        return Serving()

    async def set_radio(self, on: bool) -> None: ...

    async def reset(self) -> None: ...

    def on_urc(self, line: str) -> Fact | None:
        return None


class Slots(Bare):
    """Accepts every slot and then says, one after the other, on which it is; None while it changes."""

    def __init__(self, channel: Channel, *says: int | None) -> None:
        super().__init__(channel)
        self.says = list(says)

    async def sim_slot(self) -> int:
        slot = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if slot is None:
            raise Unsupported(self.name, "SIM slot selection")
        return slot

    async def set_sim_slot(self, slot: int) -> None:
        await self._read_slot_back(slot)


@pytest.mark.parametrize(
    "ask",
    [Driver.temperature, Driver.addresses, Driver.usb_mode, Driver.sim_slot, lambda d: d.set_sim_slot(2)],
)
def test_what_a_modem_lacks_is_said_to_be_lacking(ask: Callable[[Driver], Coroutine[Any, Any, Any]]) -> None:
    async def story() -> None:
        driver = Bare(Channel(FakePort()))
        with pytest.raises(Unsupported, match="bare does not support"):
            await ask(driver)
        assert (await driver.cells(), await driver.signals(), await driver.cell()) == ((), (), None)
        assert not (await driver.signal()).measured

    virtual.run(story())


def test_a_slot_counts_as_changed_when_it_reads_back() -> None:
    async def story() -> None:
        await Slots(Channel(FakePort()), 1, None, 2).set_sim_slot(2)

    virtual.run(story())


@pytest.mark.parametrize(("says", "found"), [(1, "1"), (None, "None")])
def test_a_slot_that_does_not_change_is_an_error_after_some_looks(says: int | None, found: str) -> None:
    async def story() -> None:
        driver = Slots(Channel(FakePort()), *[says] * SLOT_READ_BACKS, 2)
        with pytest.raises(NotApplied, match=f"accepted as 2 and reads back as {found}"):
            await driver.set_sim_slot(2)

    virtual.run(story())
