"""What the Sierra driver does differently: the status, the unlocking, the slot that is automatic."""

from collections.abc import Awaitable, Callable

import pytest

from modems.at.channel import Channel
from modems.drivers.sierra import UNLOCK_COMMAND, SierraDriver
from modems.errors import Unsupported
from modems.facts import Signal, Temperature
from tests import virtual
from tests.modems.fake_port import FakePort, answering


def ask(port: FakePort, story: Callable[[SierraDriver], Awaitable[None]]) -> list[str]:
    """Run `story` against the modem behind `port`, and return what was sent to it."""

    async def run() -> None:
        async with Channel(port) as channel:
            await story(SierraDriver(channel))

    virtual.run(run())
    return port.written


@pytest.mark.parametrize("locked", [False, True])
def test_a_model_that_wants_to_be_unlocked_is(locked: bool) -> None:
    slot = "3,0"

    def react(port: FakePort, command: str) -> None:
        nonlocal slot
        refused = locked and command == "AT!UIMS=1" and UNLOCK_COMMAND not in port.written
        if command == "AT!UIMS=1" and not refused:
            slot = "1"
        answering({command: "ERROR" if refused else "OK"} | {"AT!UIMS?": f"!UIMS: {slot}|OK"})(port, command)

    sent = ask(FakePort(react), lambda modem: modem.set_sim_slot(2))
    expected = [UNLOCK_COMMAND, "AT!UIMS=1"] if locked else []
    assert sent == ["AT!UIMS?", "AT!UIMS=1", *expected, "AT!UIMS?"]


@pytest.mark.parametrize(
    ("mask", "mode"), [("00001009", "mbim"), ("0000100D", "mbim"), ("00000109", "qmi"), ("9", "mode 0x9")]
)
def test_the_usb_mode_is_in_the_bitmask(mask: str, mode: str) -> None:
    async def story(modem: SierraDriver) -> None:
        assert await modem.usb_mode() == mode

    answer = f"Config Index: 1|Config Type: 1 (Generic)|Interface bitmask: {mask} (diag,nmea,modem)|OK"
    ask(FakePort(answering({"AT!USBCOMP?": answer})), story)


def test_the_pci_comes_from_the_table_of_cells() -> None:
    async def story(modem: SierraDriver) -> None:
        cell = await modem.cell()
        assert cell is not None
        assert (cell.plmn, cell.band, cell.arfcn, cell.pci) == ("310410", "B2", 800, 143)

    answers = {
        "AT!GSTATUS?": "LTE band:      B2     \t\tLTE bw:      20 MHz|LTE Rx chan:   800|OK",
        "AT+COPS?": '+COPS: 0,2,"310410",7|OK',
        "AT+CSQ": "+CSQ: 20,99|OK",
        "AT!LTEINFO?": (
            "Serving:   EARFCN MCC MNC TAC CID Bd D U SNR PCI RSRQ RSRP RSSI RXLV"
            "|              800 310 410 35942 0A14666A 2 5 5 23 143 -14.0 -81.0 -45.0 --"
            "|IntraFreq:                                         PCI RSRQ RSRP RSSI RXLV|OK"
        ),
    }
    ask(FakePort(answering(answers)), story)


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
