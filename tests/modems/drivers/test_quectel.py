"""What the Quectel driver makes of its modems' answers and unsolicited lines."""

from collections.abc import Awaitable, Callable

import pytest

from modems.at.channel import Channel
from modems.drivers.quectel import QuectelDriver
from modems.errors import NotApplied, Unsupported
from modems.facts import Fact, RegistrationState, Signal, Sim, SimState, Technology
from tests import virtual
from tests.modems.fake_port import FakePort, answering

QENG = 'AT+QENG="servingcell"'
CSQ = {"AT+CSQ": "+CSQ: 31,99|OK"}


def ask(answers: dict[str, str], story: Callable[[QuectelDriver], Awaitable[None]]) -> list[str]:
    """Run `story` against a modem that knows `answers`, and return what was sent to it."""
    port = FakePort(answering(answers))

    async def run() -> None:
        async with Channel(port) as channel:
            await story(QuectelDriver(channel))

    virtual.run(run())
    return port.written


def test_a_modem_that_searches_has_no_signal_whatever_csq_says() -> None:
    async def story(modem: QuectelDriver) -> None:
        assert await modem.signals() == ()
        assert await modem.cells() == ()

    ask({QENG: '+QENG: "servingcell","SEARCH"|OK', **CSQ}, story)


@pytest.mark.parametrize(
    ("qcsq", "signal"),
    [
        ('+QCSQ: "WCDMA",-71,-84,-6|OK', Signal(Technology.WCDMA, rssi_dbm=-71)),
        ("ERROR", Signal(rssi_dbm=-51)),
        ('+QCSQ: "NOSERVICE"|OK', Signal(rssi_dbm=-51)),
    ],
)
def test_where_the_cell_has_no_measurements_the_older_questions_help(qcsq: str, signal: Signal) -> None:
    async def story(modem: QuectelDriver) -> None:
        assert await modem.signals() == (signal,)

    serving = '+QENG: "servingcell","NOCONN","WCDMA",222,01,8A1B,C1D2E3F,10713,223,1,-84,-6,-,-,-,-,-|OK'
    ask({QENG: serving, "AT+QCSQ": qcsq, **CSQ}, story)


def test_limited_service_on_a_cell_is_not_a_registration() -> None:
    async def story(modem: QuectelDriver) -> None:
        assert (await modem.registration()).state is RegistrationState.UNREGISTERED
        assert (await modem.signal()).rsrp_dbm == -99

    serving = (
        '+QENG: "servingcell","LIMSRV","LTE","FDD",222,01,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-|OK'
    )
    ask({QENG: serving, "AT+CEREG?": "+CEREG: 2,0|OK"}, story)


@pytest.mark.parametrize("name", ["+QUIMSLOT", "+QUSIMSLOT"])
def test_the_slot_is_read_under_both_names_and_set(name: str) -> None:
    async def story(modem: QuectelDriver) -> None:
        assert await modem.sim_slot() == 1
        await modem.set_sim_slot(1)
        with pytest.raises(NotApplied):
            await modem.set_sim_slot(2)

    answers = {"AT+QUIMSLOT?": f"{name}: 1|OK", "AT+QUIMSLOT=1": "OK", "AT+QUIMSLOT=2": "OK"}
    sent = ask(answers, story)
    assert sent[1:4] == ["AT+QUIMSLOT?", "AT+QUIMSLOT=1", "AT+QUIMSLOT?"]


@pytest.mark.parametrize(("number", "mode"), [(0, "qmi"), (1, "ecm"), (2, "mbim"), (3, "rndis"), (5, "ncm")])
def test_the_usb_mode_has_a_name(number: int, mode: str) -> None:
    async def story(modem: QuectelDriver) -> None:
        assert await modem.usb_mode() == mode

    ask({'AT+QCFG="usbnet"': f'+QCFG: "usbnet",{number}|OK'}, story)


def test_cell_and_signal_of_a_round_are_one_question() -> None:
    async def story(modem: QuectelDriver) -> None:
        serving = await modem.serving()
        assert serving.cell is not None
        assert (serving.cell.band, serving.cell.nr_band, serving.cell.nr_pci) == ("B1", "n78", 920)
        assert (serving.signal.rsrp_dbm, serving.signal.nr_rsrp_dbm, serving.signal.nr_sinr_db) == (
            -99,
            -96,
            18,
        )

    legs = (
        '+QENG: "servingcell","NOCONN"',
        '+QENG: "LTE","FDD",222,01,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-',
        '+QENG: "NR5G-NSA",222,01,920,-96,18,-10,648768,78,10,1',
        "OK",
    )
    assert ask({QENG: "|".join(legs)}, story) == [QENG]


def test_a_modem_with_one_slot_is_not_told_to_change_it() -> None:
    async def story(modem: QuectelDriver) -> None:
        with pytest.raises(Unsupported):
            await modem.set_sim_slot(2)

    assert ask({}, story) == ["AT+QUIMSLOT?", "AT+QDSIM?"]


def test_the_older_word_for_the_slot_counts_from_0() -> None:
    async def story(modem: QuectelDriver) -> None:
        assert await modem.sim_slot() == 1
        await modem.set_sim_slot(1)

    sent = ask({"AT+QDSIM?": "+QDSIM: 0|OK", "AT+QDSIM=0": "OK"}, story)
    assert sent[-2:] == ["AT+QDSIM=0", "AT+QDSIM?"]


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ("+QUSIM: 1", Sim(SimState.UNKNOWN)),
        ("+QSIMSTAT : 1,0", Sim(SimState.ABSENT)),
        ("+QSIMSTAT: 1,1", Sim(SimState.UNKNOWN)),
        ("+QSIMSTAT: 1,2", Sim(SimState.UNKNOWN)),
        ("+QSIMSTAT:", Sim(SimState.UNKNOWN)),
        ("+CPIN: NOT READY", Sim(SimState.ABSENT)),
        ("+QIND: PB DONE", None),
    ],
)
def test_card_news(line: str, fact: Fact | None) -> None:
    assert QuectelDriver(Channel(FakePort())).on_urc(line) == fact
