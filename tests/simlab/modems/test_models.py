"""Every model's script against the driver of its make: the facts in each state the modem can be in."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from modems.at.channel import Channel
from modems.at.port import open_port
from modems.catalog import driver_for, driver_for_identity
from modems.driver import Driver
from modems.drivers.generic import GenericDriver
from modems.errors import AtTimeout, PortGone, Unsupported
from modems.facts import PdpAddress, SimState
from modems.report import NAMES, Value
from modems.survey import survey
from simlab.modems.emulator import EmulatedModem, load_script
from simlab.modems.interpreter import SCRIPTS
from simlab.modems.sim import LocalSim
from simlab.modems.state import ModemState, Timing

DEADLINE_S = 5.0
TIMING = Timing(card_s=0.001, attach_s=0.001, restart_s=0.005, piece_bytes=0)
SIM = LocalSim("8939010000000000017", "222011234567890")
OTHER_SIM = LocalSim("8944500000000000025", "234151234567890")


@dataclass(frozen=True)
class Known:
    """What a model is expected to tell while it is registered as it usually is."""

    driver: str
    model: str
    rat: str
    band: str | None
    rsrp_dbm: float
    temperature_c: float | None
    usb_mode: str | None = None
    slots: int = 1
    services: tuple[str, ...] = ()


MODELS = {
    "generic": Known("generic", "LTE-1", "lte", None, -93, None),
    "quectel-ec25": Known("quectel", "EC25", "lte", "B3", -93, 31, "qmi"),
    "quectel-bg96": Known("quectel", "BG96", "lte-m", "B20", -105, 31, "qmi", services=("nb",)),
    "quectel-rm500q": Known(
        "quectel", "RM500Q-GL", "nr-nsa", "B1", -99, 42, "qmi", 2, ("lte", "nsa", "sa", "ca")
    ),
    "quectel-rm502q": Known(
        "quectel", "RM502Q-AE", "nr-nsa", "B1", -99, 43, "qmi", 2, ("lte", "nsa", "sa", "ca")
    ),
    "fibocom-fm350": Known(
        "fibocom", "FM350-GL", "nr-nsa", "B3", -79, 37.628, "rndis", 2, ("lte", "nsa", "sa", "ca")
    ),
    "fibocom-l850": Known("fibocom", "L850", "lte", "B3", -107, 29, "mbim", services=("ca",)),
    "sierra-em7565": Known("sierra", "EM7565", "lte", "B2", -119, 41, "mbim", 2, ("ca",)),
    "sierra-em7411": Known("sierra", "EM7411", "lte", "B2", -119, 41, "mbim", 2, ("ca",)),
    "sierra-em9191": Known("sierra", "EM9191", "nr-nsa", "B3", -95, 41, "mbim", 2, ("lte", "nsa", "sa")),
    "sierra-mc7455": Known("sierra", "MC7455", "lte", "B2", -81, 41, "mbim", services=("ca",)),
}
every_model = pytest.mark.parametrize("name", MODELS)


@asynccontextmanager
async def bench(
    tmp_path: Path, name: str, *, pin: str | None = None
) -> AsyncIterator[tuple[EmulatedModem, Driver]]:
    """The modem on the table and the driver that its own words choose."""
    async with (
        EmulatedModem(load_script(name), tmp_path / "ttyAT", sim=SIM, timing=TIMING, pin=pin) as modem,
        open_port(modem.link_path) as port,
        Channel(port) as channel,
    ):
        identity = await GenericDriver(channel).identity()
        driver = driver_for_identity(identity.manufacturer, identity.model)(channel)
        await driver.setup()
        yield modem, driver


async def settled(modem: EmulatedModem, state: ModemState) -> None:
    await asyncio.wait_for(modem.wait_for(state), DEADLINE_S)


def test_there_is_a_script_for_every_model_of_the_table() -> None:
    assert {path.stem for path in SCRIPTS.glob("*.txt")} == set(MODELS)


@every_model
async def test_a_registered_modem_tells_everything(name: str, tmp_path: Path) -> None:
    known = MODELS[name]
    async with bench(tmp_path, name) as (modem, driver):
        assert driver.name == known.driver
        await settled(modem, ModemState.REGISTERED)
        report = await survey(driver)
        assert tuple(report) == NAMES
        assert (report["model"], report["rat"], report["registered"]) == (known.model, known.rat, True)
        assert (report["band"], report["rsrp_dbm"]) == (known.band, known.rsrp_dbm)
        assert report["temperature_c"] == known.temperature_c
        assert (report["sim_state"], report["iccid"], report["imsi"]) == ("ready", SIM.iccid, SIM.imsi)
        assert report["sim_slot"] == (1 if known.slots > 1 else None)
        assert report["operator"] is not None
        assert len(str(report["imei"])) == 15
        assert (report["nr_rsrp_dbm"] is not None) == (known.rat == "nr-nsa")
        assert (report["nr_band"] is not None) == (known.rat == "nr-nsa")


@every_model
async def test_what_is_not_there_is_never_a_number(name: str, tmp_path: Path) -> None:
    async with bench(tmp_path, name) as (modem, driver):
        await settled(modem, ModemState.REGISTERED)
        modem.set_state(ModemState.NO_SIGNAL)
        report = await survey(driver)
        assert (report["registered"], report["operator"], report["mcc"], report["cell_id"]) == (
            False,
            *[None] * 3,
        )
        measured = [name for name in NAMES if name.endswith(("_dbm", "_db"))]
        assert {name: report[name] for name in measured} == dict.fromkeys(measured)


@every_model
@pytest.mark.parametrize("state", [ModemState.SEARCHING, ModemState.LIMITED, ModemState.NO_SIGNAL])
async def test_a_modem_without_service_is_not_registered(
    name: str, state: ModemState, tmp_path: Path
) -> None:
    async with bench(tmp_path, name) as (modem, driver):
        await settled(modem, ModemState.REGISTERED)
        modem.set_state(state)
        assert (await driver.registration()).state.registered is False
        assert (await driver.sim()).state is SimState.READY
        modem.set_state(ModemState.REGISTERED)
        await settled(modem, ModemState.REGISTERED)
        assert (await driver.registration()).state.registered is True


@every_model
async def test_no_card_and_a_card_that_wants_its_pin(name: str, tmp_path: Path) -> None:
    async with bench(tmp_path, name, pin="1234") as (modem, driver):
        await settled(modem, ModemState.SIM_PIN)
        sim = await driver.sim()
        assert (sim.state, sim.imsi) == (SimState.PIN, None)
        await driver.channel.run('AT+CPIN="1234"', timeout_s=1)
        await settled(modem, ModemState.REGISTERED)
        assert (await driver.sim()).imsi == SIM.imsi
        modem.set_state(ModemState.NO_SIM)
        assert (await driver.sim()).state in {SimState.ABSENT, SimState.FAILURE}
        assert (await driver.registration()).state.registered is False


@pytest.mark.parametrize(
    ("name", "service"), [(name, service) for name, known in MODELS.items() for service in known.services]
)
async def test_every_service_of_a_model(name: str, service: str, tmp_path: Path) -> None:
    async with bench(tmp_path, name) as (modem, driver):
        await settled(modem, ModemState.REGISTERED)
        modem.set_service(service)
        report = await survey(driver)
        expected = {"lte": "lte", "ca": "lte", "nsa": "nr-nsa", "sa": "nr-sa", "nb": "nb-iot"}[service]
        assert (report["rat"], report["registered"]) == (expected, True)
        assert report["rsrp_dbm"] is not None
        assert (report["nr_rsrp_dbm"] is not None) == (service in {"nsa", "sa"})
        if service == "sa":
            assert (report["band"], report["nr_band"]) == ("n78", "n78")


@pytest.mark.parametrize("name", [name for name, known in MODELS.items() if known.slots > 1])
async def test_the_slot_is_switched_and_read_back(name: str, tmp_path: Path) -> None:
    async with bench(tmp_path, name) as (modem, driver):
        await settled(modem, ModemState.REGISTERED)
        modem.set_sim(OTHER_SIM, slot=2)
        await driver.set_sim_slot(2)
        await settled(modem, ModemState.REGISTERED)
        assert modem.slot == 2
        async with _again(modem, driver) as present:
            assert await present.sim_slot() == 2
            assert (await present.sim()).iccid == OTHER_SIM.iccid


@asynccontextmanager
async def _again(modem: EmulatedModem, driver: Driver) -> AsyncIterator[Driver]:
    """The same driver, or a new one on the new port of a modem that restarted."""
    try:
        await driver.sim_slot()
    except PortGone:
        async with open_port(modem.link_path) as port, Channel(port) as channel:
            yield type(driver)(channel)
    else:
        yield driver


@pytest.mark.parametrize("name", [name for name, known in MODELS.items() if known.slots == 1])
async def test_a_modem_with_one_slot_says_so(name: str, tmp_path: Path) -> None:
    async with bench(tmp_path, name) as (_, driver):
        with pytest.raises(Unsupported):
            await driver.sim_slot()


@every_model
async def test_a_reset_makes_the_port_vanish_and_return(name: str, tmp_path: Path) -> None:
    async with bench(tmp_path, name) as (modem, driver):
        await settled(modem, ModemState.REGISTERED)
        await driver.reset()
        await settled(modem, ModemState.GONE)
        await settled(modem, ModemState.REGISTERED)
        async with open_port(modem.link_path) as port, Channel(port) as channel:
            assert (await driver_for(driver.name)(channel).identity()).model == MODELS[name].model


@every_model
async def test_usb_mode_and_addresses(name: str, tmp_path: Path) -> None:
    async with bench(tmp_path, name) as (modem, driver):
        await settled(modem, ModemState.REGISTERED)
        if (mode := MODELS[name].usb_mode) is None:
            with pytest.raises(Unsupported):
                await driver.usb_mode()
        else:
            assert await driver.usb_mode() == mode
        assert set(await driver.addresses()) <= {PdpAddress(1, "10.17.3.4")}


@every_model
async def test_silence_garbage_and_a_storm_of_news_pass(name: str, tmp_path: Path) -> None:
    async with bench(tmp_path, name) as (modem, driver):
        await settled(modem, ModemState.REGISTERED)
        before = dataclasses.replace(await driver.registration())
        modem.muted = True
        with pytest.raises(AtTimeout):
            await driver.channel.run("AT+CSQ", timeout_s=0.02, prefix="+CSQ")
        modem.muted = False
        modem.babble(bytes(range(256)) * 4 + b"\r\n")
        modem.babble(b'\r\n+CREG: 1,"2D0D","1A2B303",7\r\n' * 60)
        assert await driver.registration() == before
        report: dict[str, Value] = await survey(driver)
        assert report["model"] == MODELS[name].model
