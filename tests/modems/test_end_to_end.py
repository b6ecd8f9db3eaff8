"""From a tty nobody knows to every fact about the modem behind it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from modems.at.channel import Channel
from modems.at.port import SerialPort, open_port
from modems.catalog import driver_for_identity
from modems.driver import Driver
from modems.drivers.generic import GenericDriver
from modems.drivers.quectel import QuectelDriver
from modems.errors import PortGone, Unsupported
from modems.facts import Fact, Registration, RegistrationState, Signal, Sim, SimState, Technology
from simlab.modems.emulator import EmulatedModem, ModemState, Timing, load_script
from simlab.modems.sim import LocalSim

DEADLINE_S = 5.0
TIMING = Timing(card_s=0.001, attach_s=0.001, restart_s=0.005, piece_bytes=5)
SIM = LocalSim("8939010000000000017", "222011234567890")
IOT_SIM = LocalSim("8944500000000000025", "234151234567890")


@dataclass
class Bench:
    """A modem on the table, its driver, and the facts its unsolicited lines told."""

    modem: EmulatedModem
    port: SerialPort
    driver: Driver
    facts: asyncio.Queue[Fact]

    async def told(self, wanted: Fact) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while await self.facts.get() != wanted:
                pass


@asynccontextmanager
async def bench(tmp_path: Path, name: str) -> AsyncIterator[Bench]:
    async with (
        EmulatedModem(load_script(name), tmp_path / "ttyAT", sim=SIM, timing=TIMING) as modem,
        open_port(modem.link_path) as port,
        Channel(port) as channel,
    ):
        stranger = await GenericDriver(channel).identity()
        driver = driver_for_identity(stranger.manufacturer, stranger.model)(channel)
        facts: asyncio.Queue[Fact] = asyncio.Queue()

        def on_urc(line: str) -> None:
            if (fact := driver.on_urc(line)) is not None:
                facts.put_nowait(fact)

        channel.on_urc = on_urc
        await driver.setup()
        await asyncio.wait_for(modem.wait_for(ModemState.REGISTERED), DEADLINE_S)
        yield Bench(modem, port, driver, facts)


async def test_everything_about_an_rm500q(tmp_path: Path) -> None:
    async with bench(tmp_path, "quectel-rm500q") as table:
        modem = table.driver
        assert isinstance(modem, QuectelDriver)
        identity = await modem.identity()
        assert (identity.manufacturer, identity.model) == ("Quectel", "RM500Q-GL")
        assert identity.imei == "867698041234567"
        assert await modem.sim() == Sim(SimState.READY, SIM.iccid, SIM.imsi)
        assert await modem.registration() == Registration(
            RegistrationState.HOME, Technology.NR_NSA, "I TIM", "22201"
        )
        assert [signal.technology for signal in await modem.signals()] == [Technology.LTE, Technology.NR_NSA]
        assert (await modem.signal()).rsrp_dbm == -99
        assert [cell.band for cell in await modem.cells()] == ["B1", "n78"]
        assert max(each.celsius for each in await modem.temperature()) == 42
        assert await modem.sim_slot() == 1


async def test_everything_about_an_ec25(tmp_path: Path) -> None:
    async with bench(tmp_path, "quectel-ec25") as table:
        modem = table.driver
        assert isinstance(modem, QuectelDriver)
        assert await modem.registration() == Registration(
            RegistrationState.HOME, Technology.LTE, "I TIM", "22201"
        )
        assert await modem.signals() == (Signal(Technology.LTE, -67, -93, -12, 15),)
        assert [each.sensor for each in await modem.temperature()] == ["pmic", "xo", "pa"]
        with pytest.raises(Unsupported):
            await modem.sim_slot()


@pytest.mark.parametrize("name", ["quectel-rm500q", "quectel-ec25"])
async def test_losing_and_finding_signal_and_card(tmp_path: Path, name: str) -> None:
    async with bench(tmp_path, name) as table:
        table.modem.set_state(ModemState.NO_SIGNAL)
        await table.told(Registration(RegistrationState.UNREGISTERED))
        assert await table.driver.registration() == Registration(RegistrationState.UNREGISTERED)
        assert await table.driver.signals() == ()
        assert await table.driver.cells() == ()

        table.modem.set_state(ModemState.REGISTERED)
        await table.told(Registration(RegistrationState.HOME, Technology.LTE))

        table.modem.set_state(ModemState.NO_SIM)
        await table.told(Sim(SimState.ABSENT))
        await table.told(Registration(RegistrationState.UNREGISTERED))
        assert await table.driver.sim() == Sim(SimState.ABSENT)
        # The modem camps on a cell it may not use: the signal is there, the registration is not.
        assert (await table.driver.signal()).rsrp_dbm is not None
        assert not (await table.driver.registration()).state.registered


async def test_the_radio_off_and_on(tmp_path: Path) -> None:
    async with bench(tmp_path, "quectel-rm500q") as table:
        await table.driver.set_radio(on=False)
        assert not (await table.driver.registration()).state.registered
        await table.driver.set_radio(on=True)
        await asyncio.wait_for(table.modem.wait_for(ModemState.REGISTERED), DEADLINE_S)
        assert (await table.driver.registration()).state is RegistrationState.HOME


async def test_changing_the_sim_slot(tmp_path: Path) -> None:
    async with bench(tmp_path, "quectel-rm500q") as table:
        table.modem.set_sim(IOT_SIM, slot=2)
        await table.driver.set_sim_slot(2)
        await asyncio.wait_for(table.modem.wait_for(ModemState.REGISTERED), DEADLINE_S)
        assert await table.driver.sim_slot() == 2
        assert await table.driver.sim() == Sim(SimState.READY, IOT_SIM.iccid, IOT_SIM.imsi)
        with pytest.raises(ValueError, match="1 or 2"):
            await table.driver.set_sim_slot(3)


async def test_a_reset_and_the_return(tmp_path: Path) -> None:
    async with bench(tmp_path, "quectel-rm500q") as table:
        await table.driver.reset()
        await asyncio.wait_for(table.port.wait_gone(), DEADLINE_S)
        with pytest.raises(PortGone):
            await table.driver.identity()
        await asyncio.wait_for(table.modem.wait_for(ModemState.REGISTERED), DEADLINE_S)
        async with open_port(table.modem.link_path) as port, Channel(port) as channel:
            assert (await QuectelDriver(channel).identity()).model == "RM500Q-GL"
