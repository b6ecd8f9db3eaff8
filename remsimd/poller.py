"""A modem's life: found, opened, identified, polled, gone, back."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from modems.at.channel import Channel, Exchanged
from modems.at.cme import CME_NAMES
from modems.at.command import redact
from modems.at.port import SerialPort, open_port
from modems.catalog import driver_for, driver_for_identity
from modems.driver import Driver
from modems.drivers.generic import GenericDriver
from modems.errors import AtError, AtTimeout, ModemError, ParseError, PortGone, Unsupported
from modems.facts import Registration, Serving, Sim, SimState, mask
from modems.recording import Recording
from modems.survey import survey
from remsimd import clock
from remsimd import events as ev
from remsimd.backoff import Backoff
from remsimd.config.model import MatchBy, ModemConfig
from remsimd.finder import Finder, Place

log = logging.getLogger(__name__)

T = TypeVar("T")

REOPEN = Backoff(first_s=1.0, cap_s=30.0)
"""When a port that is there and fails is opened again: a booting modem soon, a hung one rarely."""
PROBE_TIMEOUT_S = 1.5
SLOW_EVERY_S = 60.0
"""Temperature and SIM identity change slowly: read once a minute and after their URCs."""
TIMEOUTS_UNTIL_HUNG = 3
SIM_RETRY_S = 1.0
SETTLE_S = 0.3
"""URCs come in bursts: wait this long before reading again what they announced."""
CONFIRM_WITHIN_S = 1.0
"""A lost registration that the modem does not explain within this time is believed."""


class ModemLife:
    """One modem, kept open and its facts published as events, for as long as `run` runs.

    `finder` knows the places where the modem may be. A port that hangs or does not answer is
    closed, reported and tried again later each time. The calls for the SIM switch (`set_radio`,
    `reset`, `fresh_sim`) raise `PortGone` while it is not there.
    """

    def __init__(
        self,
        config: ModemConfig,
        *,
        finder: Finder,
        publish: Callable[[ev.Event], None],
    ) -> None:
        self._config = config
        self._finder = finder
        self._publish = publish
        self._driver: Driver | None = None
        self._there = asyncio.Event()
        self._lost: asyncio.Queue[Registration] = asyncio.Queue()
        self._poll_now = asyncio.Event()
        self._sim_hint = asyncio.Event()
        self._timeouts = 0
        self._complaint = ""
        self._was_present = False
        self._backoff = REOPEN
        self._round = asyncio.Lock()

    @property
    def name(self) -> str:
        """The modem's name in the configuration."""
        return self._config.name

    async def run(self) -> None:
        """Serve the modem whenever it is there; returns only by being cancelled."""
        while True:
            places = await self._finder.places(self._config)
            if not await self._served(places):
                await self._wait_after(places)

    async def _served(self, places: tuple[Place, ...]) -> bool:
        """Serve the modem at the first place where it is; False when it is nowhere, or is there and fails."""
        refusals: dict[str, None] = {}
        for place in places:
            if place.port is None:
                refusals[f"{place}: the bus shows it, its AT port is not there"] = None
                continue
            self._was_present = False
            try:
                async with open_port(place.port) as opened, self._identified(opened) as driver:
                    await self._serve(opened, driver)
            except ModemError as error:
                reason = _reason(place, error, present=self._was_present)
                if self._was_present:
                    self._complain(reason)
                    return isinstance(error, PortGone)
                refusals[reason] = None
        if refusals:
            self._complain("; ".join(refusals))
        return False

    async def _wait_after(self, places: tuple[Place, ...]) -> None:
        """Wait longer after each failure at the same places, and not at all once they change."""
        if not any(place.port for place in places):
            self._backoff = REOPEN  # what comes is plugged in anew
            await self._finder.changed(self._config)
            return
        self._backoff = self._backoff.failed()
        until_s = clock.monotonic() + self._backoff.delay_s(random.random())  # noqa: S311 - spreads attempts
        while (left_s := until_s - clock.monotonic()) > 0:
            await self._finder.changed(self._config, left_s)
            if await self._finder.places(self._config) != places:
                return

    # What the SIM switch needs

    @property
    def present(self) -> bool:
        """Whether the modem is open and identified."""
        return self._driver is not None

    async def wait_present(self) -> None:
        """Wait until the modem is open and identified."""
        await self._there.wait()

    async def set_radio(self, on: bool) -> None:
        """Park (CFUN=4) or wake (CFUN=1) the radio."""
        await self._present().set_radio(on)

    async def reset(self) -> None:
        """Make the modem start anew; its port usually vanishes for a while."""
        await self._present().reset()

    async def select_slot(self, slot: int) -> None:
        """Use SIM slot `slot`, 1 or 2; a modem that is on it already is left alone."""
        driver = self._present()
        if await driver.sim_slot() != slot:
            await driver.set_sim_slot(slot)

    async def at(self, command: str, timeout_s: float) -> tuple[tuple[str, ...], str]:
        """Send an engineer's AT line through the same queue; the information lines and the final result.

        The result is as the modem sent it; a +CME ERROR number is followed by its name (TS 27.007 9.2).
        Raises ValueError for more than one line, `AtTimeout`, `PortGone`.
        """
        log.info("%s: sent by hand: %r", self.name, redact(command))
        try:
            return await self._present().channel.run(command, timeout_s=timeout_s), "OK"
        except AtError as error:
            is_number = error.code in CME_NAMES and error.line == f"+CME ERROR: {error.code}"
            return (), f"{error.line} ({error.text})" if is_number else error.line

    async def record(self, *, raw: bool) -> Recording:
        """Ask the modem everything and return what was said, identifiers masked unless `raw`."""
        driver = self._present()
        heard: list[Exchanged] = []
        async with self._round:
            driver.channel.on_exchange = heard.append
            try:
                await survey(driver)
            finally:
                driver.channel.on_exchange = None
        recording = Recording.of(heard)
        return recording if raw else recording.masked()

    async def fresh_sim(self, timeout_s: float) -> Sim:
        """The SIM's identity, read as soon as the modem has a usable card.

        Survives the modem's re-enumeration. Raises `TimeoutError` after `timeout_s`.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                self._sim_hint.clear()
                try:
                    sim = await self._sim(self._present())
                except (PortGone, AtError, AtTimeout, ParseError) as error:
                    log.debug("%s: SIM not readable yet: %s", self.name, error)
                else:
                    self._publish(ev.SimRead(self.name, sim))
                    if sim.state is SimState.READY and sim.iccid is not None:
                        return sim
                try:
                    async with asyncio.timeout(SIM_RETRY_S):
                        await self._sim_hint.wait()
                except TimeoutError:
                    continue

    def _present(self) -> Driver:
        if self._driver is None:
            raise PortGone(self.name)
        return self._driver

    # Opening

    @asynccontextmanager
    async def _identified(self, port: SerialPort) -> AsyncIterator[Driver]:
        async with Channel(port) as channel:
            await channel.greet(timeout_s=PROBE_TIMEOUT_S)
            probe = GenericDriver(channel)
            await probe.setup()
            identity = await probe.identity()
            self._check_imei(port.name, identity.imei)
            if self._config.driver == "auto":
                driver_type = driver_for_identity(identity.manufacturer, identity.model)
            else:
                driver_type = driver_for(self._config.driver)
            driver = driver_type(channel)
            channel.on_urc = self._urc
            await driver.setup()
            log.info("%s is %s %s on %s", self.name, identity.manufacturer, identity.model, port.name)
            self._complaint = ""
            self._publish(ev.ModemFound(self.name, port.name))
            self._publish(ev.ModemIdentified(self.name, driver.name, identity))
            self._driver = driver
            self._was_present = True
            self._there.set()
            self._timeouts = 0
            try:
                with self._finder.claimed(port.name, self.name):
                    yield driver
            finally:
                self._driver = None
                self._there.clear()

    def _check_imei(self, path: str, imei: str | None) -> None:
        wanted = [match.value for match in self._config.match if match.by is MatchBy.IMEI]
        if wanted and len(wanted) == len(self._config.match) and imei not in wanted:
            raise Unsupported(path, f"IMEI {mask(imei)} is not the configured one")

    def _complain(self, reason: str) -> None:
        if reason != self._complaint:
            self._complaint = reason
            log.warning("%s: %s", self.name, reason)
            self._publish(ev.ModemGone(self.name, reason))

    # Polling

    async def _serve(self, port: SerialPort, driver: Driver) -> None:
        """Poll and listen until the modem is gone or hung; always raises."""
        tasks = [
            asyncio.create_task(self._raise_when_gone(port)),
            asyncio.create_task(self._poll(driver)),
            asyncio.create_task(self._confirm_losses(driver)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _raise_when_gone(self, port: SerialPort) -> None:
        raise await port.wait_gone()

    async def _poll(self, driver: Driver) -> None:
        slow_due_s = 0.0
        while True:
            self._poll_now.clear()
            async with self._round:
                await self._ask(driver.registration, lambda fact: (ev.RegistrationRead(self.name, fact),))
                await self._ask(driver.serving, self._serving_events)
                if clock.monotonic() >= slow_due_s or self._sim_hint.is_set():
                    slow_due_s = clock.monotonic() + SLOW_EVERY_S
                    self._sim_hint.clear()
                    await self._ask(lambda: self._sim(driver), lambda fact: (ev.SimRead(self.name, fact),))
                    await self._ask(driver.temperature, lambda fact: (ev.TemperatureRead(self.name, fact),))
            if self._timeouts == 0:
                self._backoff = self._backoff.succeeded()
            try:
                async with asyncio.timeout(self._config.poll_interval_s):
                    await self._poll_now.wait()
                    await asyncio.sleep(SETTLE_S)
            except TimeoutError:
                continue

    def _serving_events(self, serving: Serving) -> tuple[ev.Event, ...]:
        return ev.SignalRead(self.name, serving.signal), ev.CellRead(self.name, serving.cell)

    async def _sim(self, driver: Driver) -> Sim:
        """The card, with the slot it is in where the modem tells it."""
        sim = await driver.sim()
        try:
            return replace(sim, slot=await driver.sim_slot())
        except (AtError, ParseError, Unsupported) as error:
            log.debug("%s: %s", self.name, error)
            return sim

    async def _confirm_losses(self, driver: Driver) -> None:
        """Ask at once what a lost registration means: LTE also 'loses' it by moving to 5G."""
        while True:
            heard = await self._lost.get()
            try:
                async with asyncio.timeout(CONFIRM_WITHIN_S):
                    heard = await driver.registration()
            except (TimeoutError, AtError, AtTimeout, ParseError) as error:
                log.debug("%s: the loss of registration is not explained: %s", self.name, error)
            self._publish(ev.RegistrationRead(self.name, heard))
            self._poll_now.set()

    async def _ask(
        self, question: Callable[[], Awaitable[T]], events: Callable[[T], Iterable[ev.Event]]
    ) -> None:
        started = clock.monotonic()
        try:
            fact = await question()
        except AtTimeout:
            self._timeouts += 1
            self._publish(ev.AtTimings(self.name, (), 1))
            if self._timeouts >= TIMEOUTS_UNTIL_HUNG:
                raise
        except (AtError, ParseError, Unsupported) as error:
            self._timeouts = 0
            log.debug("%s: %s", self.name, error)
        else:
            self._timeouts = 0
            self._publish(ev.AtTimings(self.name, (clock.monotonic() - started,), 0))
            for event in events(fact):
                self._publish(event)

    def _urc(self, line: str) -> None:
        if self._driver is None:
            return
        fact = self._driver.on_urc(line)
        if isinstance(fact, Registration):
            if not fact.state.registered:
                # One is enough: what it means is asked anew, and a storm of them must not pile up.
                if self._lost.empty():
                    self._lost.put_nowait(fact)
                return
            # A gain is not urgent, and the URC lacks the operator: the poll tells it whole.
        elif isinstance(fact, Sim):
            self._sim_hint.set()
        else:
            return
        self._poll_now.set()


def _reason(place: Place, error: ModemError, *, present: bool) -> str:
    """What went wrong at `place`, for people."""
    if not isinstance(error, AtTimeout):
        return f"{place}: {error}"
    return f"{place} {'hangs' if present else 'is there and does not answer'}: {error}"
