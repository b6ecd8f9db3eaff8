"""A modem's life against the emulated modem on a real pseudo-terminal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from modems.errors import PortGone
from modems.facts import RegistrationState, SimState
from remsimd import events as ev
from remsimd.config.model import Match, MatchBy, ModemConfig
from remsimd.finder import find_ports
from remsimd.poller import ModemLife
from simlab.modems.emulator import EmulatedModem, load_script
from simlab.modems.sim import LocalSim
from simlab.modems.state import ModemState

E = TypeVar("E", bound=ev.Event)

SIM = LocalSim("8949020000000000101", "001010000000101")


class Heard:
    """Published events, and waiting for the next one that fits."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []
        self._arrived = asyncio.Event()

    def publish(self, event: ev.Event) -> None:
        self.events.append(event)
        self._arrived.set()

    async def next(self, kind: type[E], holds: Callable[[E], bool] = lambda event: True) -> E:
        """The first such event not looked at yet; earlier ones are left behind."""
        async with asyncio.timeout(10):
            while True:
                self._arrived.clear()
                for index, event in enumerate(self.events):
                    if isinstance(event, kind) and holds(event):
                        del self.events[: index + 1]
                        return event
                await self._arrived.wait()


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[EmulatedModem]:
    async with EmulatedModem(load_script("quectel-rm500q"), tmp_path / "ttyRM500Q", sim=SIM) as modem:
        yield modem


def config(modem: EmulatedModem, **changes: object) -> ModemConfig:
    match = (Match(MatchBy.TTY, str(modem.link_path)),)
    return ModemConfig(**{"name": "primary", "match": match, "poll_interval_s": 3600, **changes})  # type: ignore[arg-type] # options by name


@asynccontextmanager
async def living(config: ModemConfig) -> AsyncIterator[tuple[ModemLife, Heard]]:
    heard = Heard()
    life = ModemLife(config, find_ports=find_ports, publish=heard.publish)
    task = asyncio.create_task(life.run())
    try:
        yield life, heard
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_a_modem_is_found_identified_and_read(modem: EmulatedModem) -> None:
    async with living(config(modem)) as (life, heard):
        found = await heard.next(ev.ModemIdentified)
        assert (found.driver, found.identity.model) == ("quectel", "RM500Q-GL")
        sim = await heard.next(ev.SimRead, lambda event: event.sim.state is SimState.READY)
        assert (sim.sim.iccid, sim.sim.imsi) == (SIM.iccid, SIM.imsi)
        assert life.present


async def test_a_lost_network_is_told_at_once_not_at_the_next_poll(modem: EmulatedModem) -> None:
    async with living(config(modem)) as (_, heard):
        await heard.next(ev.RegistrationRead, lambda event: event.registration.state.registered)
        await heard.next(ev.TemperatureRead)
        modem.set_state(ModemState.NO_SIGNAL)
        lost = await heard.next(ev.RegistrationRead, lambda event: not event.registration.state.registered)
        assert lost.registration.state in (RegistrationState.UNREGISTERED, RegistrationState.SEARCHING)
        modem.set_state(ModemState.REGISTERED)
        await heard.next(ev.RegistrationRead, lambda event: event.registration.state.registered)


async def test_a_modem_that_vanishes_is_gone_at_once_and_served_again_when_it_returns(
    modem: EmulatedModem,
) -> None:
    async with living(config(modem)) as (life, heard):
        await heard.next(ev.TemperatureRead)
        modem.set_state(ModemState.GONE)
        await heard.next(ev.ModemGone)
        assert not life.present
        with pytest.raises(PortGone):
            await life.set_radio(False)
        modem.set_state(ModemState.REGISTERED)
        await heard.next(ev.ModemFound)
        await life.wait_present()


async def test_a_pulled_card_is_told(modem: EmulatedModem) -> None:
    async with living(config(modem)) as (_, heard):
        await heard.next(ev.SimRead, lambda event: event.sim.state is SimState.READY)
        modem.set_state(ModemState.NO_SIM)
        await heard.next(ev.SimRead, lambda event: event.sim.state is SimState.ABSENT)


async def test_another_modem_on_the_port_is_left_alone(modem: EmulatedModem) -> None:
    match = (Match(MatchBy.IMEI, "490154203237518"),)
    heard = Heard()

    async def ports(_: ModemConfig) -> tuple[str, ...]:
        return (str(modem.link_path),)

    life = ModemLife(config(modem, match=match), find_ports=ports, publish=heard.publish)
    task = asyncio.create_task(life.run())
    try:
        gone = await heard.next(ev.ModemGone)
        assert "is not the configured one" in gone.reason
        assert not any(isinstance(event, ev.ModemFound) for event in heard.events)
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_a_port_that_another_program_holds_is_said_and_taken_when_it_is_free(
    modem: EmulatedModem,
) -> None:
    async with living(config(modem)) as (_, first_heard):
        await first_heard.next(ev.ModemFound)
        async with living(config(modem, name="rival")) as (_, heard):
            gone = await heard.next(ev.ModemGone)
            assert "held by another program" in gone.reason


async def test_the_card_is_read_fresh_after_a_reset(modem: EmulatedModem) -> None:
    async with living(config(modem)) as (life, heard):
        await heard.next(ev.TemperatureRead)
        modem.set_sim(None)
        reading = asyncio.create_task(life.fresh_sim(10))
        await life.reset()
        await heard.next(ev.ModemGone)
        modem.set_sim(LocalSim("8949020000000000999", "001010000000999"))
        sim = await reading
        assert (sim.state, sim.iccid) == (SimState.READY, "8949020000000000999")
