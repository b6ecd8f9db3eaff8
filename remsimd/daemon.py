"""The daemon's life: start the parts of the configuration, reload, stop with the hardware at rest."""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

from modems.errors import ModemError
from remsimd import __version__, clock
from remsimd import events as ev
from remsimd.bus import Bus, Stamped
from remsimd.cards import Cards
from remsimd.commands import CommandRunner
from remsimd.config import edit
from remsimd.config.load import load
from remsimd.config.model import Config
from remsimd.config.uci import UciError
from remsimd.control import cards, overview, recorded
from remsimd.control.methods import table
from remsimd.control.socket import ControlSocket
from remsimd.control.ubus import UbusObject
from remsimd.errors import ConfigError, ControlError
from remsimd.failover.engine import FailoverEngine
from remsimd.finder import Finder
from remsimd.observe.alerting import Alerting
from remsimd.observe.eventlog import EventLog
from remsimd.observe.history import History
from remsimd.observe.observation import ALERTS, HISTORY, Observation
from remsimd.orchestrator import events as ionmesh_events
from remsimd.orchestrator.client import OrchestratorClient
from remsimd.orchestrator.logtail import LogTail
from remsimd.orchestrator.wire import Command
from remsimd.poller import ModemLife
from remsimd.sim import boards
from remsimd.sim.gpio import Lines
from remsimd.sim.slot import SimSlot
from remsimd.state import start
from remsimd.store import Store
from remsimd.supervisor import Part, Supervisor
from remsimd.wiring import FAILOVER, IONMESH, Surroundings, Wiring, life_name, slot_name

log = logging.getLogger(__name__)

SOCKET_NAME = "control.sock"
STOP_WITHIN_S = 2.5
"""Less than the 3 s after which an impatient init script would kill."""
TOLD_WITHIN_S = 2.0
"""How long the orchestrator has to be told of a command that stops or rebuilds the one who tells."""
LOG_TAIL_CHARS = 4000


def run(path: Path, config: Config, *, run_dir: Path, lines: Lines) -> None:
    """Run until SIGTERM or SIGINT."""
    # asyncio has a handler of its own for a default one; replacing that would write it out for an error
    # that nobody sees, and load inspect for it, which takes a megabyte.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(Daemon(path, config, run_dir=run_dir, lines=lines).run())


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
        hostname = socket.gethostname()
        self._observation = Observation(self._bus, self._store, self._eventlog, hostname)
        self._around = Surroundings(
            bus=self._bus,
            store=self._store,
            lines=lines,
            run_dir=run_dir,
            hostname=hostname,
            eventlog=self._eventlog,
            execute=self._execute,
            finder=Finder(),
        )
        self._wiring = Wiring(config, self._around, self._supervisor)
        self._cards = Cards(self._store, self._supervisor)
        self._stop = asyncio.Event()
        self._keep_card = False
        self._logtail = LogTail()
        self._reloading = asyncio.Lock()
        self._asked: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Everything from start to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload_quietly()))
        # The hotplug scripts' poke; unhandled it would end the daemon.
        loop.add_signal_handler(signal.SIGUSR1, self._around.finder.look_again)
        with (
            self._bus.listen(self._store.take),
            self._bus.listen(self._eventlog.take),
            self._observation.listening(),
            self._bus.listen(self._route),
            self._logtail.attached(),
        ):
            log.info("remsimd %s starts with %s", __version__, self._path)
            await self._apply(self._config)
            await self._stop.wait()
            log.info("remsimd stops")
            await self._wind_down()

    # Parts

    async def _apply(self, config: Config) -> tuple[str, ...]:
        config = boards.filled(config, boards.model())
        self._config = config
        self._wiring = Wiring(config, self._around, self._supervisor)
        self._store.configure(config)
        methods = {
            **table(self._store, self._eventlog, self),
            **overview.table(self._store, self._path),
            **recorded.table(self),
            **cards.table(self._cards),
        }
        control = ControlSocket(self._around.run_dir / SOCKET_NAME, methods, self._eventlog)
        fixed = (
            Part("control", "control", lambda: control),
            Part("ubus", "ubus", lambda: UbusObject(methods, self._eventlog)),
            Part("finder", "finder", lambda: self._around.finder),
        )
        parts = (*fixed, *self._wiring.parts(), *self._observation.parts(config))
        changed = await self._supervisor.apply(parts)
        card = self._wiring.configured_card()
        if not config.ionmesh.enabled and card != self._store.now.ionmesh.assignment:
            self._bus.publish(ionmesh_events.Assigned(card, "configuration"))
        return changed

    def _route(self, stamped: Stamped) -> None:
        """Events that are somebody's input: the card's place, evidence for the failover, news for IonMesh."""
        if isinstance(stamped.event, ionmesh_events.Assigned):
            self._cards.assign(stamped.event.assignment)
        self._cards.on_event(stamped.event)
        engine = self._supervisor.find(FAILOVER, FailoverEngine)
        if engine is not None:
            engine.on_event(stamped)
        ionmesh = self._supervisor.find(IONMESH, OrchestratorClient)
        if ionmesh is not None:
            ionmesh.take(stamped.event)

    async def _wind_down(self) -> None:
        """The SIM back on the local card and the bank's card given back, then everything stopped."""
        slots = [
            (slot_name(modem.name), self._supervisor.find(slot_name(modem.name), SimSlot))
            for modem in self._config.modems
        ]
        await self._supervisor.stop(*(name for name, slot in slots if slot is not None))
        last_acts: list[Awaitable[object]] = [slot.release() for _, slot in slots if slot is not None]
        ionmesh = self._supervisor.find(IONMESH, OrchestratorClient)
        if ionmesh is not None and not self._keep_card:
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
        return self._cards.use(modem, mode)

    async def ionmesh_register(self) -> str:
        """Register anew at once."""
        await self._orchestrator().reregister()
        return "registering with IonMesh again"

    async def ionmesh_unregister(self) -> str:
        """Give the card back until asked to register again."""
        await self._orchestrator().unregister(self._config.ionmesh.timeout_s)
        return "unregistered; the card is given back"

    def _orchestrator(self) -> OrchestratorClient:
        client = self._supervisor.find(IONMESH, OrchestratorClient)
        if client is None:
            raise ControlError("IonMesh is off (ionmesh.enabled 0)")
        return client

    def history(self) -> History:
        """What was recorded."""
        history = self._supervisor.find(HISTORY, History)
        if history is None:
            raise ControlError("nothing is recorded (history.enabled 0)")
        return history

    def alerts(self) -> Alerting:
        """The configured alerts."""
        alerting = self._supervisor.find(ALERTS, Alerting)
        if alerting is None:
            raise ControlError("no alert is configured")
        return alerting

    async def modem_reset(self, modem: str | None) -> str:
        """Restart a modem, the only one where none is named."""
        names = tuple(self._store.now.modems)
        chosen = modem or (names[0] if len(names) == 1 else None)
        life = None if chosen is None else self._supervisor.find(life_name(chosen), ModemLife)
        if chosen is None or life is None:
            raise ControlError(f"which modem? modems: {', '.join(names) or 'none'}")
        self._bus.publish(ev.ModemResetting(chosen, "asked for"))
        try:
            await life.reset()
        except ModemError as error:
            self._bus.publish(ev.ModemResetRefused(chosen, str(error)))
            raise ControlError(f"{chosen}: {error}") from error
        return f"{chosen} is restarting"

    async def modem_at(self, modem: str, command: str, timeout_s: int) -> dict[str, Any]:
        """Send an engineer's AT line through the modem's queue."""
        try:
            lines, result = await self._life(modem).at(command, timeout_s)
        except (ModemError, ValueError) as error:
            raise ControlError(f"{modem}: {error}") from error
        return {"lines": list(lines), "result": result}

    async def modem_record(self, modem: str, *, raw: bool) -> list[dict[str, str]]:
        """Ask a modem everything and return what was said."""
        try:
            recording = await self._life(modem).record(raw=raw)
        except ModemError as error:
            raise ControlError(f"{modem}: {error}") from error
        return recording.entries()

    def _life(self, modem: str) -> ModemLife:
        life = self._supervisor.find(life_name(modem), ModemLife)
        if life is None:
            raise ControlError(f"no modem {modem!r}; modems: {', '.join(self._store.now.modems) or 'none'}")
        return life

    def restart(self) -> str:
        """End soon, so that procd starts the daemon anew; the card is kept, the answer told before."""
        self._keep_card = True
        asyncio.get_running_loop().call_later(TOLD_WITHIN_S, self._stop.set)
        return "restarting"

    async def config_set(self, wanted: Mapping[str, object]) -> str:
        """Change options of the configuration and apply them soon, once the answer is told."""
        try:
            changes = edit.changes(wanted)
            await edit.save(self._path, changes)
        except (ConfigError, UciError, OSError) as error:
            raise ControlError(f"nothing was changed: {error}") from error
        asyncio.get_running_loop().call_later(TOLD_WITHIN_S, lambda: self._spawn(self._reload_quietly()))
        return f"saved, applied in {TOLD_WITHIN_S:g} s: {', '.join(str(change) for change in changes)}"

    def log_tail(self, lines: int) -> str:
        """The newest log lines, masked."""
        return self._logtail.newest(lines, LOG_TAIL_CHARS)

    def ionmesh_commands(self) -> list[dict[str, Any]]:
        """The orchestrator's commands and what became of them, oldest first."""
        return [dict(command) for command in self._orchestrator().commands()]

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
