"""The daemon's life: start the parts of the configuration, reload, stop with the hardware at rest."""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from modems.errors import ModemError
from remsimd import __version__, clock
from remsimd import events as ev
from remsimd.bus import Bus, Stamped
from remsimd.commands import CommandRunner
from remsimd.config.load import load
from remsimd.config.model import Config
from remsimd.control.methods import table
from remsimd.control.socket import ControlSocket
from remsimd.errors import ConfigError, ControlError, RemsimError
from remsimd.failover.engine import FailoverEngine
from remsimd.netifd import device_of
from remsimd.observe.eventlog import EventLog
from remsimd.observe.metrics import Histograms, StateCollector
from remsimd.orchestrator.client import OrchestratorClient
from remsimd.orchestrator.wire import Command
from remsimd.poller import ModemLife
from remsimd.rspro.client import RsproClient
from remsimd.sim.gpio import Lines
from remsimd.sim.slot import SimMode, SimSlot
from remsimd.state import start
from remsimd.store import Store
from remsimd.supervisor import Part, Supervisor
from remsimd.wiring import FAILOVER, IONMESH, RSPRO, Surroundings, Wiring, life_name, slot_name

log = logging.getLogger(__name__)

SOCKET_NAME = "control.sock"
STOP_WITHIN_S = 2.5
"""Less than the 3 s after which an impatient init script would kill."""
DEVICES_EVERY_S = 5.0


def run(path: Path, config: Config, *, run_dir: Path, lines: Lines) -> int:
    """Run until SIGTERM or SIGINT; the exit status for the shell."""
    return asyncio.run(Daemon(path, config, run_dir=run_dir, lines=lines).run())


class Daemon:
    """Wires the parts together and carries out what people and the orchestrator ask."""

    def __init__(self, path: Path, config: Config, *, run_dir: Path, lines: Lines) -> None:
        self._path = path
        self._config = config
        self._lines = lines
        self._bus = Bus()
        self._store = Store(start(config, clock.wall()))
        self._eventlog = EventLog()
        self._supervisor = Supervisor(self._bus.publish)
        self._devices: dict[str, str] = {}
        hostname = socket.gethostname()
        registry = CollectorRegistry()
        registry.register(StateCollector(lambda: self._store.now, hostname))
        self._histograms = Histograms(registry, hostname)
        self._around = Surroundings(
            bus=self._bus,
            store=self._store,
            lines=lines,
            run_dir=run_dir,
            hostname=hostname,
            registry=registry,
            devices=self._devices,
            execute=self._execute,
        )
        self._wiring = Wiring(config, self._around, self._supervisor)
        self._stop = asyncio.Event()
        self._exit_status = 0
        self._reloading = asyncio.Lock()
        self._asked: set[asyncio.Task[Any]] = set()

    async def run(self) -> int:
        """Everything from start to stop; returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload_quietly()))
        listeners = (self._store.take, self._eventlog.take, self._histograms.take, self._route)
        with (
            self._bus.listen(listeners[0]),
            self._bus.listen(listeners[1]),
            self._bus.listen(listeners[2]),
            self._bus.listen(listeners[3]),
        ):
            log.info("remsimd %s starts with %s", __version__, self._path)
            await self._resolve_devices()
            await self._apply(self._config)
            await self._stop.wait()
            log.info("remsimd stops")
            await self._wind_down()
        return self._exit_status

    # Parts

    async def _apply(self, config: Config) -> tuple[str, ...]:
        self._config = config
        self._wiring = Wiring(config, self._around, self._supervisor)
        self._store.configure(config)
        control = ControlSocket(
            self._around.run_dir / SOCKET_NAME, table(self._store, self._eventlog, self), self._eventlog
        )
        fixed = (
            Part("control", "control", lambda: control),
            Part("devices", "devices", lambda: _Every(DEVICES_EVERY_S, self._follow_devices)),
        )
        changed = await self._supervisor.apply((*fixed, *self._wiring.parts()))
        card = self._wiring.configured_card()
        if not config.ionmesh.enabled and card != self._store.now.ionmesh.assignment:
            self._bus.publish(ev.Assigned(card, "configuration"))
        return changed

    def _route(self, stamped: Stamped) -> None:
        """Events that are somebody's input: the card's place, and all evidence for the failover."""
        if isinstance(stamped.event, ev.Assigned):
            client = self._supervisor.find(RSPRO, RsproClient)
            if client is not None:
                client.assign(stamped.event.assignment)
        engine = self._supervisor.find(FAILOVER, FailoverEngine)
        if engine is not None:
            engine.on_event(stamped)

    async def _resolve_devices(self) -> None:
        interfaces = {modem.interface for modem in self._config.modems if modem.interface is not None}
        for interface in interfaces:
            device = await device_of(interface)
            if device is not None:
                self._devices[interface] = device

    async def _follow_devices(self) -> None:
        """netifd gives an interface its device when it dials, and another one when the modem moved."""
        before = dict(self._devices)
        await self._resolve_devices()
        if self._devices != before:
            async with self._reloading:
                await self._apply(self._config)

    async def _wind_down(self) -> None:
        """The SIM back on the local card and the bank's card given back, then everything stopped."""
        slots = [
            (slot_name(modem.name), self._supervisor.find(slot_name(modem.name), SimSlot))
            for modem in self._config.modems
        ]
        await self._supervisor.stop(*(name for name, slot in slots if slot is not None))
        last_acts: list[Awaitable[object]] = [slot.release() for _, slot in slots if slot is not None]
        ionmesh = self._supervisor.find(IONMESH, OrchestratorClient)
        if ionmesh is not None:
            last_acts.append(ionmesh.unregister(STOP_WITHIN_S - 0.5))
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                results = await asyncio.gather(*last_acts, return_exceptions=True)
        except TimeoutError:
            log.warning("not everything could be put back within %.1f s", STOP_WITHIN_S)
            results = []
        for result in results:
            if isinstance(result, BaseException):
                log.warning("while stopping: %s", result)
        await self._supervisor.stop()
        await self._lines.close()

    # Requests (the control socket's Actions, and the orchestrator's commands)

    async def reload(self) -> str:
        """Read the configuration again; a broken one changes nothing."""
        async with self._reloading:
            try:
                config = load(str(self._path))
            except ConfigError as error:
                mistakes = tuple(str(mistake) for mistake in error.mistakes)
                self._bus.publish(ev.ConfigRejected(mistakes))
                raise ControlError(
                    "refused, the running configuration stays: " + "; ".join(mistakes)
                ) from error
            logging.getLogger().setLevel(config.main.log_level.upper())
            self._bus.publish(ev.ConfigApplied(await self._apply(config)))
        return "configuration applied"

    async def failover_to(self, link: str) -> str:
        """Pin the data to one link."""
        if link not in self._store.now.links:
            raise ControlError(f"no link {link!r}; links: {', '.join(self._store.now.links) or 'none'}")
        await self._engine().to(link)
        return f"data uses {link} until `remsimctl failover auto`"

    async def failover_auto(self) -> str:
        """Choose by health again."""
        await self._engine().auto()
        return "the link is chosen by health again"

    def failover_explain(self) -> dict[str, Any]:
        """See `FailoverEngine.explain`."""
        return self._engine().explain()

    def _engine(self) -> FailoverEngine:
        engine = self._supervisor.find(FAILOVER, FailoverEngine)
        if engine is None:
            raise ControlError("failover is off (failover.enabled 0, or no modem is configured)")
        return engine

    def sim_use(self, modem: str | None, mode: str) -> str:
        """Local card, or the remote one while there is one."""
        slots = {
            name: slot
            for name in self._store.now.modems
            if (slot := self._supervisor.find(slot_name(name), SimSlot)) is not None
        }
        chosen = modem or (next(iter(slots)) if len(slots) == 1 else None)
        if chosen is None or chosen not in slots:
            raise ControlError(f"which modem? SIMs can be switched on: {', '.join(slots) or 'none'}")
        if mode not in tuple(SimMode):
            raise ControlError(f"mode {mode!r} must be one of: {', '.join(SimMode)}")
        slots[chosen].use(SimMode(mode))
        return f"{chosen}: SIM {mode}; follow with `remsimctl events -f`"

    async def ionmesh_register(self) -> str:
        """Register anew at once."""
        await self._orchestrator().reregister()
        return "registering with IonMesh again"

    async def ionmesh_unregister(self) -> str:
        """Give the card back until asked to register again."""
        try:
            await self._orchestrator().unregister(self._config.ionmesh.timeout_s)
        except RemsimError as error:
            raise ControlError(str(error)) from error
        return "unregistered; the card is given back"

    def _orchestrator(self) -> OrchestratorClient:
        client = self._supervisor.find(IONMESH, OrchestratorClient)
        if client is None:
            raise ControlError("IonMesh is off (ionmesh.enabled 0)")
        return client

    async def modem_reset(self, modem: str | None) -> str:
        """Restart a modem, the only one where none is named."""
        names = tuple(self._store.now.modems)
        chosen = modem or (names[0] if len(names) == 1 else None)
        life = None if chosen is None else self._supervisor.find(life_name(chosen), ModemLife)
        if life is None:
            raise ControlError(f"which modem? modems: {', '.join(names) or 'none'}")
        try:
            await life.reset()
        except ModemError as error:
            raise ControlError(f"{chosen}: {error}") from error
        return f"{chosen} is restarting"

    def restart(self) -> str:
        """End, so that procd starts the daemon anew."""
        self._stop.set()
        return "restarting"

    async def _execute(self, command: Command) -> str:
        return await CommandRunner(self).execute(command.type, command.params)

    async def _reload_quietly(self) -> None:
        try:
            await self.reload()
        except ControlError as error:
            log.error("%s: %s", self._path, error)

    def _spawn(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)


class _Every:
    """A part that does one thing again and again."""

    def __init__(self, seconds: float, act: Any) -> None:
        self._seconds = seconds
        self._act = act

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self._act()
