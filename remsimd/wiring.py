"""Which parts a configuration needs, what each is made from, and how they are connected.

A part is rebuilt on reload when its key changed; the key of a part that uses another one
contains that one's key, so that nothing keeps talking to a stopped part.
"""

from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from remsimd import __version__
from remsimd.assignment import Assignment, Endpoint
from remsimd.bus import Bus
from remsimd.config.model import Config, FrontendConfig, FrontendType, ModemConfig, Role
from remsimd.eventscript import EventScript
from remsimd.failover.accounts import Accounts, limits_of
from remsimd.failover.engine import FailoverEngine, LinkConfig
from remsimd.failover.links import Netlink
from remsimd.failover.probe import NetworkProber
from remsimd.failover.recoverer import Recoverer
from remsimd.failover.remedies import Remedies
from remsimd.failover.routes import OWN_TABLES, routing_for
from remsimd.finder import Finder
from remsimd.netifd import redial
from remsimd.observe.eventlog import EventLog
from remsimd.orchestration import Orchestration
from remsimd.orchestrator.client import OrchestratorClient
from remsimd.orchestrator.proxy import LegacyProxy
from remsimd.orchestrator.wire import Command
from remsimd.poller import ModemLife
from remsimd.rspro.client import RsproClient
from remsimd.sim.frontend import Frontend
from remsimd.sim.frontends.cardem import CardemFrontend
from remsimd.sim.frontends.cardem_usb import open_board
from remsimd.sim.frontends.shell import ShellFrontend
from remsimd.sim.frontends.vpcd import VpcdFrontend
from remsimd.sim.gpio import Lines
from remsimd.sim.journal import Journal
from remsimd.sim.slot import SimSlot
from remsimd.sim.switch import SimSwitch
from remsimd.store import Store
from remsimd.supervisor import Part, Supervisor
from remsimd.ways import RsproWay, Ways

PRIORITIES = {Role.PRIMARY: 200, Role.SECONDARY: 100}
"""Any primary comes before any secondary; within a role the order of the file decides."""
RSPRO, FRONTEND, FAILOVER, IONMESH = "rspro", "frontend", "failover", "ionmesh"
RSPRO_WAY, BUDGET, RECOVERY = "rspro-way", "budget", "recovery"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the parts stand in: shared by all of them, never rebuilt."""

    bus: Bus
    store: Store
    lines: Lines
    run_dir: Path
    hostname: str
    eventlog: EventLog
    execute: Callable[[Command], Awaitable[str]]
    finder: Finder


class Wiring:
    """Makes the parts of one configuration; finds parts that run already in the supervisor."""

    def __init__(self, config: Config, around: Surroundings, supervisor: Supervisor) -> None:
        self._config = config
        self._around = around
        self._supervisor = supervisor
        self._state_dir = Path(config.main.state_dir)
        self._modems = tuple(modem for modem in config.modems if modem.enabled)
        self._ways = Ways(
            self._modems,
            engine=lambda: supervisor.find(FAILOVER, FailoverEngine),
            accounts=lambda: supervisor.find(BUDGET, Accounts),
        )

    def parts(self) -> tuple[Part, ...]:
        """Every part, those used by others first."""
        parts = [self._life(modem) for modem in self._modems]
        remote = self._remote_modem()
        if remote is not None:
            parts.append(self._rspro_way())
            parts += [self._frontend(*remote), self._slot(*remote), self._rspro(*remote)]
        parts += [
            self._slot(modem, None)
            for modem in self._modems
            if modem.sim_select_line is not None and (remote is None or modem is not remote[0])
        ]
        if self._config.failover.enabled and self._modems:
            parts += [self._budget(), self._failover()]
        if self._config.ionmesh.enabled:
            parts += self._ionmesh()
        if self._config.failover.enabled and self._config.recovery.enabled and self._modems:
            parts.append(self._recovery())
        if self._config.main.event_script is not None:
            parts.append(self._event_script(self._config.main.event_script, remote))
        return tuple(parts)

    # The modems and their cards

    def _remote_modem(self) -> tuple[ModemConfig, FrontendConfig] | None:
        for frontend in self._config.frontends:
            for modem in self._modems:
                if modem.name == frontend.modem:
                    return modem, frontend
        return None

    def _life(self, modem: ModemConfig) -> Part:
        def build() -> ModemLife:
            return ModemLife(modem, finder=self._around.finder, publish=self._around.bus.publish)

        return Part(life_name(modem.name), modem, build)

    def _frontend(self, modem: ModemConfig, config: FrontendConfig) -> Part:
        def build() -> FrontendPart:
            path = self._around.run_dir / f"shell-{modem.name}.sock"
            return FrontendPart(make_frontend(config, path), self._supervisor)

        return Part(FRONTEND, self._card_key(modem, config), build)

    def _slot(self, modem: ModemConfig, frontend: FrontendConfig | None) -> Part:
        def build() -> SimSlot:
            journal = Journal(self._state_dir, modem.name)
            switch = SimSwitch(
                modem,
                modem=self._supervisor.part(life_name(modem.name), ModemLife),
                frontend=None if frontend is None else self._supervisor.part(FRONTEND, FrontendPart).frontend,
                lines=self._around.lines,
                journal=journal,
                redial=redial,
            )
            return SimSlot(
                modem.name,
                switch=switch,
                journal=journal,
                expected_iccid=self._assigned_iccid,
                publish=self._around.bus.publish,
                in_turn=partial(self._in_turn, modem.name),
            )

        return Part(slot_name(modem.name), self._card_key(modem, frontend), build)

    def _rspro(self, modem: ModemConfig, frontend: FrontendConfig) -> Part:
        def build() -> RsproClient:
            client = RsproClient(
                self._config.rspro,
                identity_name=self._around.hostname,
                software_version=__version__,
                host=self._supervisor.part(slot_name(modem.name), SimSlot),
                opener=self._supervisor.part(RSPRO_WAY, RsproWay),
                publish=self._around.bus.publish,
                modem=modem.name,
                log_apdu=self._config.main.log_apdu,
            )
            client.assign(self._around.store.now.ionmesh.assignment)
            return client

        return Part(RSPRO, self._card_key(modem, frontend), build)

    def _card_key(self, modem: ModemConfig, frontend: FrontendConfig | None) -> Hashable:
        return (modem, frontend, self._config.rspro, self._config.main, self._rspro_way().key)

    def _assigned_iccid(self) -> str | None:
        card = self._around.store.now.ionmesh.assignment
        return None if card is None else card.iccid

    # The links

    def _budget(self) -> Part:
        limits = limits_of(self._modems)

        def build() -> Accounts:
            return Accounts(limits, self._state_dir, publish=self._around.bus.publish)

        return Part(BUDGET, (tuple(limits.items()), self._state_dir), build)

    def _failover(self) -> Part:
        budget = self._budget()
        links = tuple(
            LinkConfig(
                name=modem.name,
                interface=modem.interface,
                priority=PRIORITIES[modem.role] - index,
                metered=modem.data_limit_mb > 0,
            )
            for index, modem in enumerate(self._modems)
        )

        def build() -> FailoverEngine:
            return FailoverEngine(
                self._config.failover,
                links,
                routing=routing_for(
                    self._config.failover.routing, [link.interface for link in links if link.interface]
                ),
                prober=NetworkProber(),
                netlink=Netlink(ignored=OWN_TABLES),
                publish=self._around.bus.publish,
                purse=self._supervisor.part(BUDGET, Accounts),
            )

        return Part(FAILOVER, (self._config.failover, links, budget.key), build)

    def _recovery(self) -> Part:
        def build() -> Recoverer:
            engine = self._supervisor.part(FAILOVER, FailoverEngine)
            return Recoverer(
                self._config.recovery,
                {modem.name: self._remedies(modem) for modem in self._modems},
                {m.name: PRIORITIES[m.role] - index for index, m in enumerate(self._modems)},
                bus=self._around.bus,
                health=engine.health,
            )

        keys = (self._failover().key, self._config.ionmesh, self._config.rspro, self._config.frontends)
        return Part(RECOVERY, (self._config.recovery, self._modems, *keys), build)

    def _in_turn(self, modem: str) -> AbstractAsyncContextManager[None]:
        """See `Recoverer.in_turn`; without a recovery there is nothing to wait for."""
        recoverer = self._supervisor.find(RECOVERY, Recoverer)
        return nullcontext() if recoverer is None else recoverer.in_turn(modem)

    def _remedies(self, modem: ModemConfig) -> Remedies:
        slot = self._supervisor.find(slot_name(modem.name), SimSlot)
        fallback = slot is not None and self._config.recovery.sim_fallback_local
        return Remedies(
            modem,
            radio=self._supervisor.part(life_name(modem.name), ModemLife),
            lines=self._around.lines,
            redial=redial,
            local_card=slot.fall_back if slot is not None and fallback else None,
            remote_card=slot.end_fallback if slot is not None else None,
            other_slot=self._ask_for_another if self._config.ionmesh.enabled else None,
        )

    async def _ask_for_another(self) -> None:
        await self._supervisor.part(IONMESH, OrchestratorClient).reregister()

    @property
    def _way_key(self) -> Hashable:
        """What management traffic's way is made of; a metered link's heartbeats are rarer."""
        links = tuple((m.name, m.role, m.interface, m.data_limit_mb > 0) for m in self._modems)
        return (self._config.rspro.via, links)

    def _rspro_way(self) -> Part:
        def build() -> RsproWay:
            return RsproWay(
                self._config.rspro.via,
                self._ways,
                bus=self._around.bus,
                client=lambda: self._supervisor.find(RSPRO, RsproClient),
                other_slot=self._ask_for_another if self._config.ionmesh.enabled else None,
            )

        return Part(RSPRO_WAY, (self._way_key, self._config.ionmesh.enabled), build)

    # The orchestrator

    def _ionmesh(self) -> tuple[Part, ...]:
        config = self._config.ionmesh
        name = config.client_name or f"{self._around.hostname}-slot{self._config.rspro.client_slot}"

        orchestration = Orchestration(
            config, name, ways=self._ways, bus=self._around.bus, state_dir=self._state_dir
        )
        key = (config, name, self._config.main.state_dir, self._way_key)

        def build() -> OrchestratorClient:
            return orchestration.client(self._around.store, self._around.eventlog, self._around.execute)

        def build_proxy() -> LegacyProxy:
            return orchestration.proxy(lambda: self._supervisor.find(IONMESH, OrchestratorClient))

        parts = (Part(IONMESH, key, build),)
        return (*parts, Part("ionmesh-proxy", key, build_proxy)) if config.legacy_proxy else parts

    def _event_script(self, path: str, remote: tuple[ModemConfig, FrontendConfig] | None) -> Part:
        frontend = None if remote is None else remote[1]

        def build() -> EventScript:
            return EventScript(path, bus=self._around.bus, store=self._around.store, frontend=frontend)

        return Part("event_script", (path, frontend), build)

    def configured_card(self) -> Assignment | None:
        """The card that the configuration itself names, None where the orchestrator decides."""
        rspro = self._config.rspro
        if self._config.ionmesh.enabled or rspro.client_id is None:
            return None
        server = None if rspro.server_host is None else Endpoint(rspro.server_host, rspro.server_port)
        bankd = None if rspro.bankd_host is None else Endpoint(rspro.bankd_host, rspro.bankd_port)
        if server is None and bankd is None:
            return None
        return Assignment(
            client_id=rspro.client_id,
            client_slot=rspro.client_slot,
            bank_id=rspro.bank_id,
            slot_id=rspro.bank_slot,
            server=server,
            bankd=bankd,
        )


class FrontendPart:
    """Runs a frontend with the RSPRO client as its card."""

    def __init__(self, frontend: Frontend, supervisor: Supervisor) -> None:
        self.frontend = frontend
        self._supervisor = supervisor

    async def run(self) -> None:
        """Serve the modem until cancelled."""
        await self.frontend.run(self._supervisor.part(RSPRO, RsproClient))


def life_name(modem: str) -> str:
    """The name of the part that is a modem's life."""
    return f"modem:{modem}"


def slot_name(modem: str) -> str:
    """The name of the part that keeps a modem on its card."""
    return f"sim:{modem}"


def make_frontend(config: FrontendConfig, shell_path: Path) -> Frontend:
    """The frontend that a section asks for."""
    match config.type:
        case FrontendType.SHELL:
            return ShellFrontend(shell_path, name=config.name)
        case FrontendType.CARDEM:
            return CardemFrontend(
                partial(open_board, config.usb_path, config.usb_interface), name=config.name
            )
        case FrontendType.VPCD:
            return VpcdFrontend(config.host, config.port, name=config.name)
