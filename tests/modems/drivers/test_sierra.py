"""What the Sierra driver does differently: the status, the unlocking, the slot that is automatic."""

from collections.abc import Awaitable, Callable

import pytest

from modems.at.channel import Channel
from modems.drivers.sierra import UNLOCK_COMMAND, SierraDriver
from modems.errors import Unsupported
from modems.facts import Signal, Temperature
from tests import virtual
from tests.modems.fake_port import FakePort, answering

SLOT = {"AT!UIMS?": "!UIMS: 3,0|OK"}


def ask(port: FakePort, story: Callable[[SierraDriver], Awaitable[None]]) -> list[str]:
    """Run `story` against the modem behind `port`, and return what was sent to it."""

    async def run() -> None:
        async with Channel(port) as channel:
            await story(SierraDriver(channel))

    virtual.run(run())
    return port.written


@pytest.mark.parametrize("locked", [False, True])
def test_a_model_that_wants_to_be_unlocked_is(locked: bool) -> None:
    def react(port: FakePort, command: str) -> None:
        refused = locked and command == "AT!UIMS=1" and UNLOCK_COMMAND not in port.written
        answering({command: "ERROR" if refused else "OK"} | SLOT)(port, command)

    sent = ask(FakePort(react), lambda modem: modem.set_sim_slot(2))
    expected = [UNLOCK_COMMAND, "AT!UIMS=1"] if locked else []
    assert sent == ["AT!UIMS?", "AT!UIMS=1", *expected]


def test_without_a_status_the_standard_answers() -> None:
    async def story(modem: SierraDriver) -> None:
        assert await modem.signals() == (Signal(rssi_dbm=-73),)

    ask(FakePort(answering({"AT+CSQ": "+CSQ: 20,99|OK"})), story)


def test_the_temperature_comes_from_the_status_where_there_is_no_better() -> None:
    async def story(modem: SierraDriver) -> None:
        assert await modem.temperature() == (Temperature("modem", 40),)

    ask(FakePort(answering({"AT!GSTATUS?": "Current Time:  22016\t\tTemperature: 40|OK"})), story)


def test_a_garbled_temperature_is_none() -> None:
    async def story(modem: SierraDriver) -> None:
        with pytest.raises(Unsupported):
            await modem.temperature()

    ask(FakePort(answering({"AT!GSTATUS?": "Current Time:  56\t\tTemperature: \x7f?|OK"})), story)
