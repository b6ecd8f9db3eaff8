"""What every driver promises, checked on every driver with modems of its make.

The transcripts are put together from single answers that were captured from real modems; the numbers of
modems and cards in them are made up.
"""

import asyncio
import contextlib
import inspect
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modems import transcript
from modems.at.channel import Channel
from modems.catalog import DRIVERS, driver_for
from modems.driver import Driver
from modems.errors import ModemError, PortGone, Unsupported
from modems.facts import (
    Cell,
    Identity,
    Registration,
    RegistrationState,
    Signal,
    Sim,
    SimState,
    Technology,
    Temperature,
)
from modems.transcript import ReplayPort
from tests import virtual
from tests.modems.fake_port import FakePort, answering

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"
RECORDED = {
    "generic": ["generic"],
    "quectel": ["quectel-rm500q-sa", "quectel-bg96"],
    "fibocom": ["fibocom-fm350", "fibocom-l850"],
    "sierra": ["sierra-em7565", "sierra-em9191"],
}
CASES = [(driver, model) for driver in DRIVERS for model in RECORDED[driver.name]]

every_driver = pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
every_recording = pytest.mark.parametrize(("driver", "model"), CASES, ids=str)


def load(model: str) -> transcript.Transcript:
    return transcript.parse((TRANSCRIPTS / f"{model}.txt").read_text(encoding="ascii"))


def with_driver(
    driver: type[Driver], port: ReplayPort | FakePort, story: Callable[[Driver], Awaitable[None]]
) -> None:
    async def run() -> None:
        async with Channel(port) as channel:
            await story(driver(channel))

    virtual.run(run())


@every_recording
def test_the_facts_of_a_recorded_modem(driver: type[Driver], model: str) -> None:
    """Each transcript names in its values what the driver must find in its answers."""
    recorded = load(model)
    expected = recorded.values

    async def story(modem: Driver) -> None:
        await modem.setup()
        identity = await modem.identity()
        assert (identity.model, identity.imei) == (expected["expect_model"], expected["expect_imei"])
        sim = await modem.sim()
        assert (sim.state, sim.iccid, sim.imsi) == (
            SimState.READY,
            expected["expect_iccid"],
            expected["expect_imsi"],
        )
        registration = await modem.registration()
        assert registration.state.value == expected["expect_state"]
        assert registration.technology == Technology(expected["expect_technology"])
        assert registration.plmn == expected["expect_plmn"]
        assert [_shown(signal) for signal in await modem.signals()] == expected["expect_signals"].split(" / ")
        assert [_shown(cell) for cell in await modem.cells()] == expected["expect_cells"].split(" / ")

    with_driver(driver, ReplayPort(recorded), story)


def _shown(fact: Signal | Cell) -> str:
    """Return the known fields in order: "lte rsrp_dbm=-93"."""
    known = {name: getattr(fact, name) for name in type(fact).__dataclass_fields__}
    technology = known.pop("technology")
    return " ".join(
        [str(technology), *(f"{name}={value}" for name, value in known.items() if value is not None)]
    )


@every_recording
def test_every_method_gives_its_type_or_says_that_it_cannot(driver: type[Driver], model: str) -> None:
    async def story(modem: Driver) -> None:
        assert isinstance(await modem.identity(), Identity)
        assert isinstance(await modem.sim(), Sim)
        assert isinstance(await modem.registration(), Registration)
        assert isinstance(await modem.signal(), Signal)
        assert isinstance(await modem.cell(), Cell | None)
        for values, kind in (
            (await modem.signals(), Signal),
            (await modem.cells(), Cell),
            (await _or_nothing(modem.temperature()), Temperature),
        ):
            assert all(isinstance(value, kind) for value in values)

    with_driver(driver, ReplayPort(load(model)), story)


async def _or_nothing(asked: Awaitable[tuple[Temperature, ...]]) -> tuple[Temperature, ...]:
    try:
        return await asked
    except Unsupported:
        return ()


@every_driver
def test_a_modem_without_a_card_is_a_state_and_not_an_error(driver: type[Driver]) -> None:
    async def story(modem: Driver) -> None:
        assert await modem.sim() == Sim(SimState.ABSENT)

    with_driver(driver, FakePort(answering({"AT+CPIN?": "+CME ERROR: 10"})), story)


@every_driver
def test_a_modem_that_refuses_everything_raises_only_our_errors(driver: type[Driver]) -> None:
    async def story(modem: Driver) -> None:
        await modem.setup()
        for ask in (modem.identity, modem.sim, modem.registration, modem.signals, modem.temperature):
            with pytest.raises(ModemError):
                await ask()
        with pytest.raises(Unsupported):
            await modem.sim_slot()

    with_driver(driver, FakePort(answering({})), story)


@every_driver
def test_a_modem_that_talks_nonsense_raises_only_our_errors(driver: type[Driver]) -> None:
    def react(port: FakePort, command: str) -> None:
        name = command.removeprefix("AT").partition("=")[0].rstrip("?")
        port.say(f'\r\n{name}: \x00\xff,,"\r\n\r\n{name}: nonsense\r\n\r\nOK\r\n')

    async def story(modem: Driver) -> None:
        for ask in (modem.sim, modem.registration, modem.signals, modem.cells, modem.temperature):
            try:
                await ask()
            except ModemError:
                continue

    with_driver(driver, FakePort(react), story)


# The names every driver asks for, and pieces that answers are made of, also in wrong places.
_NAMES = ("+QENG", "+QCSQ", "+QTEMP", "+GTCCINFO", "+XMCI", "+XCESQ", "+XLEC", "+MTSM", "!UIMS", "!GSTATUS")
_PIECES = st.sampled_from(
    [
        *(
            '"servingcell"',
            '"NOCONN"',
            '"LTE"',
            '"FDD"',
            '"NR5G-NSA"',
            '"NR5G-SA"',
            '"GSM"',
            '"WCDMA"',
            "CAT-M",
        ),
        *("LTE band:", "B3", "\t", "NR5G band:", "TAC:", "Cell ID:", "RSRP (dBm):", "0x7D08", '"0xFFFFFFFF"'),
        *(
            "-32768",
            "255",
            "99",
            "65535",
            "",
            "-",
            "---",
            "1",
            "4",
            "9",
            "2.5",
            "1e309",
            "nan",
            "FFFFFFF",
            " 460",
        ),
        *('"', '""', "\x00", "\xff", "\u0661", ":", "9" * 400, "OK", "+CEREG: 0"),
    ]
)
_BODIES = st.lists(_PIECES, max_size=20).map(",".join)


@every_driver
@settings(max_examples=40)
@given(data=st.data())
def test_whatever_a_modem_answers_only_our_errors_come(driver: type[Driver], data: st.DataObject) -> None:
    def react(port: FakePort, command: str) -> None:
        own = re.match(r"AT([+!]\w+)", command)
        name = data.draw(st.sampled_from([own[1] if own else "+CSQ", *_NAMES]))
        lines = [f"{name}: {body}" for body in data.draw(st.lists(_BODIES, max_size=3))]
        final = data.draw(st.sampled_from(["OK", "OK", "OK", "ERROR", "+CME ERROR: 14", "+CME ERROR: x"]))
        text = "".join(f"\r\n{line}\r\n" for line in [*lines, final])
        port.say(text.encode("utf-8").decode("latin-1"))

    async def story(modem: Driver) -> None:
        for ask in (
            *(modem.setup, modem.identity, modem.sim, modem.registration, modem.serving),
            *(modem.temperature, modem.sim_slot, modem.usb_mode, modem.addresses),
        ):
            with contextlib.suppress(ModemError):
                await ask()

    with_driver(driver, FakePort(react), story)


@every_driver
def test_every_question_ends_when_the_modem_is_silent_or_gone(driver: type[Driver]) -> None:
    async def silent(modem: Driver) -> None:
        for ask in (modem.identity, modem.sim, modem.registration, modem.signals, modem.cells):
            with pytest.raises(ModemError):
                await ask()
        assert asyncio.get_running_loop().time() < 600

    with_driver(driver, FakePort(), silent)

    async def gone(modem: Driver) -> None:
        port.vanish()
        for ask in (modem.identity, modem.sim, modem.registration, modem.signals, modem.cells):
            with pytest.raises(PortGone):
                await ask()

    port = FakePort()
    with_driver(driver, port, gone)


@every_driver
def test_radio_and_reset_send_what_the_modem_understands(driver: type[Driver]) -> None:
    async def story(modem: Driver) -> None:
        await modem.set_radio(on=False)
        await modem.set_radio(on=True)
        assert port.written == ["AT+CFUN=4", "AT+CFUN=1"]

    port = FakePort(lambda port, command: port.say("\r\nOK\r\n"))
    with_driver(driver, port, story)


@every_driver
@pytest.mark.parametrize("ending", ["ok", "silence", "gone"])
def test_a_reset_is_done_whether_the_ok_comes_or_not(driver: type[Driver], ending: str) -> None:
    def react(port: FakePort, command: str) -> None:
        if ending == "ok":
            port.say("\r\nOK\r\n")
        elif ending == "gone":
            asyncio.get_running_loop().call_later(0.1, port.vanish)

    with_driver(driver, FakePort(react), lambda modem: modem.reset())


@every_driver
@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ("+CEREG: 0", Registration(RegistrationState.UNREGISTERED)),
        ('+CEREG: 5,"2D0D","1A2B303",7', Registration(RegistrationState.ROAMING, Technology.LTE)),
        ("+CGEV: NW DETACH", Registration(RegistrationState.UNREGISTERED)),
        ("+CPIN: READY", Sim(SimState.READY)),
        ("+CPIN: NOT READY", Sim(SimState.ABSENT)),
        ("+CREG: 0", None),
        ("+CGREG: 0", None),
        ('+CGREG: 1,"2D0D","1A2B303",2', Registration(RegistrationState.HOME, Technology.WCDMA)),
        ("+CEREG: nonsense", None),
        ("+CTZV: +04", None),
        ("", None),
    ],
)
def test_urcs_become_facts(driver: type[Driver], line: str, fact: Registration | Sim | None) -> None:
    modem = driver(Channel(FakePort()))
    assert modem.on_urc(line) == fact
    assert modem.on_urc(line) == fact


@every_driver
def test_a_driver_is_known_by_its_name_and_says_in_a_line_what_it_is(driver: type[Driver]) -> None:
    assert driver_for(driver.name) is driver
    assert inspect.getdoc(driver)
    assert not inspect.isabstract(driver)
