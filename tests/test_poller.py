"""A modem's life against the emulated modem on a real pseudo-terminal."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from modems.detect.usb import Candidate
from modems.errors import PortGone
from modems.facts import RegistrationState, SimState
from modems.recording import replay
from remsimd import events as ev
from remsimd.config.model import Match, MatchBy, ModemConfig
from remsimd.finder import Finder, Place
from remsimd.poller import ModemLife
from simlab.modems.emulator import EmulatedModem, load_script
from simlab.modems.sim import LocalSim
from simlab.modems.state import ModemState
from tests import virtual
from tests.modems.fake_port import FakePort, answering

E = TypeVar("E", bound=ev.Event)

SIM = LocalSim("8949020000000000101", "001010000000101")


class Heard:
    """Published events, and waiting for the next one that fits."""

    def __init__(self, within_s: float = 10.0) -> None:
        self.within_s = within_s
        self.events: list[ev.Event] = []
        self._arrived = asyncio.Event()

    def publish(self, event: ev.Event) -> None:
        self.events.append(event)
        self._arrived.set()

    async def next(self, kind: type[E], holds: Callable[[E], bool] = lambda event: True) -> E:
        """The first such event not looked at yet; earlier ones are left behind."""
        async with asyncio.timeout(self.within_s):
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
async def living(config: ModemConfig, finder: Finder | None = None) -> AsyncIterator[tuple[ModemLife, Heard]]:
    heard = Heard()
    life = ModemLife(config, finder=finder or Finder(), publish=heard.publish)
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
    await modem.wait_for(ModemState.REGISTERED)
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


def on_bus(modem: EmulatedModem, path: str = "usb:1-1.2", port: str | None = "") -> Candidate:
    """The emulated modem as the bus would show it; `port` "" is its own, None none yet."""
    at_port = str(modem.link_path) if port == "" else port
    ports = (at_port,) if at_port else ()
    return Candidate(path, "2c7c", "0800", "Quectel RM500Q", "quectel", at_port, ports, None)


async def test_another_modem_on_the_port_is_left_alone(modem: EmulatedModem) -> None:
    match = (Match(MatchBy.IMEI, "490154203237518"),)
    async with living(config(modem, match=match), Finder(scan=lambda: [on_bus(modem)])) as (_, heard):
        gone = await heard.next(ev.ModemGone)
        assert "is not the configured one" in gone.reason
        assert not any(isinstance(event, ev.ModemFound) for event in heard.events)


async def test_of_two_identical_modems_each_life_takes_its_own(tmp_path: Path) -> None:
    script = load_script("quectel-rm500q")
    imeis = {"primary": "867698041234567", "secondary": "867698041234575"}
    async with (
        EmulatedModem(script, tmp_path / "ttyUSB2", sim=SIM, values={"imei": imeis["primary"]}) as one,
        EmulatedModem(script, tmp_path / "ttyUSB6", sim=SIM, values={"imei": imeis["secondary"]}) as two,
    ):
        finder = Finder(scan=lambda: [on_bus(one, "usb:1-1"), on_bus(two, "usb:1-2")])
        first = config(one, match=(Match(MatchBy.IMEI, imeis["secondary"]),), name="secondary")
        second = config(one, match=(Match(MatchBy.IMEI, imeis["primary"]),))
        async with living(first, finder) as (_, heard_first), living(second, finder) as (_, heard_second):
            assert (await heard_first.next(ev.ModemFound)).port == str(two.link_path)
            assert (await heard_second.next(ev.ModemFound)).port == str(one.link_path)


async def test_a_modem_that_returns_under_another_number_is_the_same(tmp_path: Path) -> None:
    script = load_script("quectel-rm500q")
    match = (Match(MatchBy.USB, "1-1.2"),)
    async with (
        EmulatedModem(script, tmp_path / "ttyUSB2", sim=SIM) as before,
        EmulatedModem(script, tmp_path / "ttyUSB7", sim=SIM) as after,
    ):
        there = [on_bus(before)]
        async with living(config(before, match=match), Finder(scan=lambda: there)) as (life, heard):
            assert (await heard.next(ev.ModemFound)).port == str(before.link_path)
            there[0] = on_bus(after)
            before.set_state(ModemState.GONE)
            assert (await heard.next(ev.ModemFound)).port == str(after.link_path)
            assert life.present


async def test_a_modem_without_its_at_port_is_reported_as_seen(modem: EmulatedModem) -> None:
    match = (Match(MatchBy.ID, "2c7c:0800"),)
    finder = Finder(scan=lambda: [on_bus(modem, port=None)])
    async with living(config(modem, match=match), finder) as (_, heard):
        gone = await heard.next(ev.ModemGone)
        assert (
            gone.reason
            == "(Quectel RM500Q 2c7c:0800 at usb:1-1.2): the bus shows it, its AT port is not there"
        )


async def test_a_modem_that_does_not_answer_is_reported_with_its_identity(modem: EmulatedModem) -> None:
    match = (Match(MatchBy.USB, "1-1.2"),)
    modem.muted = True
    async with living(config(modem, match=match), Finder(scan=lambda: [on_bus(modem)])) as (_, heard):
        gone = await heard.next(ev.ModemGone)
        assert "2c7c:0800 at usb:1-1.2) is there and does not answer: AT:" in gone.reason
        modem.muted = False
        await heard.next(ev.ModemIdentified)


async def test_a_modem_that_hangs_delays_no_other(tmp_path: Path) -> None:
    script = load_script("quectel-ec25")
    async with (
        EmulatedModem(script, tmp_path / "ttyUSB2", sim=SIM) as hung,
        EmulatedModem(script, tmp_path / "ttyUSB6", sim=SIM) as well,
        living(config(hung, poll_interval_s=1)) as (_, heard_hung),
        living(config(well, name="secondary")) as (_, heard),
    ):
        await heard_hung.next(ev.ModemFound)
        await heard.next(ev.RegistrationRead, lambda event: event.registration.state.registered)
        hung.muted = True
        well.set_state(ModemState.NO_SIGNAL)
        await heard.next(ev.RegistrationRead, lambda event: not event.registration.state.registered)
        well.set_state(ModemState.REGISTERED)
        await heard.next(ev.RegistrationRead, lambda event: event.registration.state.registered)
        assert not any(isinstance(event, ev.ModemGone) for event in heard_hung.events)


async def test_an_at_line_of_an_engineer_goes_through_the_queue(modem: EmulatedModem) -> None:
    async with living(config(modem)) as (life, heard):
        await heard.next(ev.ModemFound)
        assert await life.at("AT+QUIMSLOT?", 5) == (("+QUIMSLOT: 1",), "OK")
        assert await life.at("AT+NONSENSE", 5) == ((), "ERROR")
        with pytest.raises(ValueError, match="on one line"):
            await life.at("AT\rAT+CFUN=0", 5)
        assert "AT+CFUN=0" not in modem.commands


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        ("+CME ERROR: 10", "+CME ERROR: 10 (SIM not inserted)"),
        ("+CME ERROR: SIM not inserted", "+CME ERROR: SIM not inserted"),
        ("+CME ERROR: 9999", "+CME ERROR: 9999"),
        ("+CMS ERROR: 10", "+CMS ERROR: 10"),
        ("+CMS ERROR: memory full", "+CMS ERROR: memory full"),
        ("ABORTED", "ABORTED"),
    ],
)
async def test_a_refusal_is_told_an_engineer_as_the_modem_put_it(
    answered: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = SilentPort()
    gives(port, monkeypatch)
    async with living(ModemConfig(name="primary"), OnePort()) as (life, heard):
        await heard.next(ev.ModemIdentified)
        port.react = answering({"AT+CMGL": answered})
        assert await life.at("AT+CMGL", 5) == ((), told)


async def test_a_recording_of_a_living_modem_replays_to_its_facts(modem: EmulatedModem) -> None:
    async with living(config(modem)) as (life, heard):
        await heard.next(ev.RegistrationRead, lambda event: event.registration.state.registered)
        report = await replay(await life.record(raw=True))
        assert (report["model"], report["iccid"], report["imsi"]) == ("RM500Q-GL", SIM.iccid, SIM.imsi)
        assert (report["operator"], report["nr_band"], report["sim_slot"]) == ("I TIM", "n78", 1)
        masked = await replay(await life.record(raw=False))
        assert masked == report | {
            "imei": "867698040000000",
            "iccid": "8949000000000000000",
            "imsi": "001010000000000",
        }


def test_a_hung_port_is_given_up_reported_and_reopened_later_each_time() -> None:
    """In virtual time: the modem is asked, falls silent, and stays silent."""

    async def story() -> None:
        heard = Heard(within_s=200)
        opened: list[float] = []
        life = ModemLife(
            ModemConfig(name="primary", match=(Match(MatchBy.TTY, "/dev/null"),)),
            finder=Finder(),
            publish=heard.publish,
        )
        port = SilentPort()

        @asynccontextmanager
        async def open_silent(path: str) -> AsyncIterator[SilentPort]:
            opened.append(asyncio.get_running_loop().time())
            yield port

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("remsimd.poller.open_port", open_silent)
            task = asyncio.create_task(life.run())
            await heard.next(ev.ModemIdentified)
            port.react = None
            gone = await heard.next(ev.ModemGone)
            assert "/dev/null hangs" in gone.reason
            assert not life.present
            await asyncio.sleep(600)
            task.cancel()
            await asyncio.wait((task,))
        waits = [after - before for before, after in itertools.pairwise(opened)]
        # The hang was told above; that it goes on is told once, however often the port is tried.
        (still,) = [event.reason for event in heard.events if isinstance(event, ev.ModemGone)]
        assert "is there and does not answer" in still
        assert waits[1] < waits[2] < waits[3]
        assert waits[1] < 6
        assert all(wait > 25 for wait in waits[-5:])

    virtual.run(story())


async def test_a_modem_that_answers_its_own_boot_messages_first_is_served_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = SilentPort()
    modem = port.react
    assert modem is not None

    def first_an_error(port: FakePort, command: str) -> None:
        port.say("\r\nERROR\r\n")
        port.react = modem

    port.react = first_an_error
    gives(port, monkeypatch)
    async with living(ModemConfig(name="primary"), OnePort()) as (_, heard):
        await heard.next(ev.ModemIdentified)
    assert not [event for event in heard.events if isinstance(event, ev.ModemGone)]


def gives(port: FakePort, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the path, opening it is getting this port."""

    @asynccontextmanager
    async def opened(path: str) -> AsyncIterator[FakePort]:
        yield port

    monkeypatch.setattr("remsimd.poller.open_port", opened)


class OnePort(Finder):
    """The modem is at this path, or nowhere."""

    path: str | None = "/dev/ttyX"

    async def places(self, config: ModemConfig) -> tuple[Place, ...]:
        return () if self.path is None else (Place(self.path),)

    async def changed(self, config: ModemConfig, within_s: float = 10.0) -> None:
        await asyncio.sleep(min(within_s, 0.1))


def test_a_modem_that_was_unplugged_is_not_waited_for_as_one_that_hangs() -> None:
    async def story() -> list[float]:
        tried: list[float] = []
        finder = OnePort()

        @asynccontextmanager
        async def refused(path: str) -> AsyncIterator[FakePort]:
            tried.append(asyncio.get_running_loop().time())
            raise PortGone(path, "refused")
            yield  # type: ignore[unreachable] # makes it a generator

        life = ModemLife(ModemConfig(name="primary"), finder=finder, publish=lambda _: None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("remsimd.poller.open_port", refused)
            task = asyncio.create_task(life.run())
            await asyncio.sleep(300)
            finder.path = None
            await asyncio.sleep(60)
            tried.clear()
            finder.path = "/dev/ttyX"
            await asyncio.sleep(20)
            task.cancel()
            await asyncio.wait((task,))
        return tried

    tried = virtual.run(story())
    assert tried[1] - tried[0] < 2


class SilentPort(FakePort):
    """A generic modem until `react` is taken away."""

    def __init__(self) -> None:
        super().__init__(answering({"AT+CGSN": "490154203237518|OK", "AT+CFUN?": "+CFUN: 1|OK"}))

    async def wait_gone(self) -> PortGone:
        await asyncio.Event().wait()
        return PortGone(self.name)


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
