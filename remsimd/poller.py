"""A modem's life: found, opened, identified, polled, gone, back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from modems.at.channel import Channel
from modems.at.port import SerialPort, open_port
from modems.catalog import driver_for, driver_for_identity
from modems.driver import Driver
from modems.drivers.generic import GenericDriver
from modems.errors import AtError, AtTimeout, ModemError, ParseError, PortGone, Unsupported
from modems.facts import Registration, Sim, SimState
from remsimd import clock
from remsimd import events as ev
from remsimd.config.model import MatchBy, ModemConfig
from remsimd.log import mask

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_AGAIN_S = 0.5
"""How often a port that is not there is looked for; a file test, no bus scan."""
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

    `find_ports` gives the AT ports that may belong to the modem, best first. The calls for
    the SIM switch (`set_radio`, `reset`, `fresh_sim`) raise `PortGone` while it is not there.
    """

    def __init__(
        self,
        config: ModemConfig,
        *,
        find_ports: Callable[[ModemConfig], Awaitable[tuple[str, ...]]],
        publish: Callable[[ev.Event], None],
    ) -> None:
        self._config = config
        self._find_ports = find_ports
        self._publish = publish
        self._driver: Driver | None = None
        self._there = asyncio.Event()
        self._lost: asyncio.Queue[Registration] = asyncio.Queue()
        self._poll_now = asyncio.Event()
        self._sim_hint = asyncio.Event()
        self._timeouts = 0
        self._complaint = ""

    @property
    def name(self) -> str:
        """The modem's name in the configuration."""
        return self._config.name

    async def run(self) -> None:
        """Serve the modem whenever it is there; returns only by being cancelled."""
        while True:
            for port in await self._find_ports(self._config):
                try:
                    async with open_port(port) as opened, self._identified(opened) as driver:
                        self._complaint = ""
                        await self._serve(opened, driver)
                except ModemError as error:
                    self._complain(port, error)
            await asyncio.sleep(LOOK_AGAIN_S)

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

    async def fresh_sim(self, timeout_s: float) -> Sim:
        """The SIM's identity, read as soon as the modem has a usable card.

        Survives the modem's re-enumeration. Raises `TimeoutError` after `timeout_s`.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                self._sim_hint.clear()
                try:
                    sim = await self._present().sim()
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
            self._publish(ev.ModemFound(self.name, port.name))
            self._publish(ev.ModemIdentified(self.name, driver.name, identity))
            self._driver = driver
            self._there.set()
            self._timeouts = 0
            try:
                yield driver
            finally:
                self._driver = None
                self._there.clear()

    def _check_imei(self, path: str, imei: str | None) -> None:
        wanted = [match.value for match in self._config.match if match.by is MatchBy.IMEI]
        if wanted and len(wanted) == len(self._config.match) and imei not in wanted:
            raise Unsupported(path, f"IMEI {mask(imei)} is not the configured one")

    def _complain(self, path: str, error: ModemError) -> None:
        reason = str(error)
        if reason != self._complaint:
            self._complaint = reason
            log.warning("%s: %s: %s", self.name, path, reason)
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
            await self._ask(driver.registration, lambda fact: ev.RegistrationRead(self.name, fact))
            await self._ask(driver.signal, lambda fact: ev.SignalRead(self.name, fact))
            await self._ask(driver.cell, lambda fact: ev.CellRead(self.name, fact))
            if clock.monotonic() >= slow_due_s or self._sim_hint.is_set():
                slow_due_s = clock.monotonic() + SLOW_EVERY_S
                self._sim_hint.clear()
                await self._ask(driver.sim, lambda fact: ev.SimRead(self.name, fact))
                await self._ask(driver.temperature, lambda fact: ev.TemperatureRead(self.name, fact))
            try:
                async with asyncio.timeout(self._config.poll_interval_s):
                    await self._poll_now.wait()
                    await asyncio.sleep(SETTLE_S)
            except TimeoutError:
                continue

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

    async def _ask(self, question: Callable[[], Awaitable[T]], event: Callable[[T], ev.Event]) -> None:
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
            self._publish(event(fact))

    def _urc(self, line: str) -> None:
        if self._driver is None:
            return
        fact = self._driver.on_urc(line)
        if isinstance(fact, Registration):
            if not fact.state.registered:
                self._lost.put_nowait(fact)
                return
            # A gain is not urgent, and the URC lacks the operator: the poll tells it whole.
        elif isinstance(fact, Sim):
            self._sim_hint.set()
        else:
            return
        self._poll_now.set()
