"""Which parts a configuration needs, what each is made from, and how they are connected.

A part is rebuilt on reload when its key changed; the key of a part that uses another one
contains that one's key, so that nothing keeps talking to a stopped part.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from prometheus_client import CollectorRegistry

from remsimd import __version__
from remsimd.assignment import Assignment, Endpoint
from remsimd.bus import Bus
from remsimd.config.model import Config, FrontendConfig, FrontendType, ModemConfig, Role, Routing
from remsimd.errors import FrontendError
from remsimd.events import Event, HeartbeatSent
from remsimd.eventscript import EventScript
from remsimd.failover.engine import FailoverEngine, LinkConfig
from remsimd.failover.links import Netlink
from remsimd.failover.probe import NetworkProber
from remsimd.failover.routes import OWN_TABLES, Mwan3Routing, NoRouting, PolicyRouting
from remsimd.failover.routes import Routing as Router
from remsimd.failover.via import ANY
from remsimd.finder import find_ports
from remsimd.http import Http, Tls
from remsimd.net import open_tcp
from remsimd.netifd import redial
from remsimd.observe import heartbeat
from remsimd.observe.exporter import MetricsServer
from remsimd.orchestrator.client import OrchestratorClient
from remsimd.orchestrator.wire import Command
from remsimd.poller import ModemLife
from remsimd.rspro.client import RsproClient
from remsimd.sim.frontend import Frontend
from remsimd.sim.frontends.shell import ShellFrontend
from remsimd.sim.gpio import Lines
from remsimd.sim.journal import Journal
from remsimd.sim.slot import SimSlot
from remsimd.sim.switch import SimSwitch
from remsimd.store import Store
from remsimd.supervisor import Part, Supervisor

RSPRO_CONNECT_S = 10.0
PRIORITIES = {Role.PRIMARY: 200, Role.SECONDARY: 100}
"""Any primary comes before any secondary; within a role the order of the file decides."""
RSPRO, FRONTEND, FAILOVER, IONMESH = "rspro", "frontend", "failover", "ionmesh"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the parts stand in: shared by all of them, never rebuilt."""

    bus: Bus
    store: Store
    lines: Lines
    run_dir: Path
    hostname: str
    registry: CollectorRegistry
    devices: Mapping[str, str]
    """Network device by configured interface, as netifd last told."""
    execute: Callable[[Command], Awaitable[str]]


class Wiring:
    """Makes the parts of one configuration; finds parts that run already in the supervisor."""

    def __init__(self, config: Config, around: Surroundings, supervisor: Supervisor) -> None:
        self._config = config
        self._around = around
        self._supervisor = supervisor
        self._state_dir = Path(config.main.state_dir)
        self._modems = tuple(modem for modem in config.modems if modem.enabled)

    def parts(self) -> tuple[Part, ...]:
        """Every part, those used by others first."""
        parts = [self._life(modem) for modem in self._modems]
        remote = self._remote_modem()
        if remote is not None:
            parts += [self._frontend(*remote), self._slot(*remote), self._rspro(*remote)]
        parts += [
            self._slot(modem, None)
            for modem in self._modems
            if modem.sim_select_line is not None and (remote is None or modem is not remote[0])
        ]
        if self._config.failover.enabled and self._modems:
            parts.append(self._failover())
        if self._config.ionmesh.enabled:
            parts.append(self._ionmesh())
        if self._config.metrics.enabled:
            parts.append(self._metrics())
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
            return ModemLife(modem, find_ports=find_ports, publish=self._around.bus.publish)

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
            )

        return Part(slot_name(modem.name), self._card_key(modem, frontend), build)

    def _rspro(self, modem: ModemConfig, frontend: FrontendConfig) -> Part:
        def build() -> RsproClient:
            client = RsproClient(
                self._config.rspro,
                identity_name=self._around.hostname,
                software_version=__version__,
                host=self._supervisor.part(slot_name(modem.name), SimSlot),
                opener=self,
                publish=self._around.bus.publish,
                modem=modem.name,
                log_apdu=self._config.main.log_apdu,
            )
            client.assign(self._around.store.now.ionmesh.assignment)
            return client

        return Part(RSPRO, self._card_key(modem, frontend), build)

    def _card_key(self, modem: ModemConfig, frontend: FrontendConfig | None) -> Hashable:
        return (modem, frontend, self._config.rspro, self._config.main)

    def _assigned_iccid(self) -> str | None:
        card = self._around.store.now.ionmesh.assignment
        return None if card is None else card.iccid

    # The links

    def _failover(self) -> Part:
        links = tuple(
            LinkConfig(
                name=modem.name,
                interface=None if modem.interface is None else self._device(modem.interface),
                priority=PRIORITIES[modem.role] - index,
                metered=modem.data_limit_mb > 0,
            )
            for index, modem in enumerate(self._modems)
        )

        def build() -> FailoverEngine:
            return FailoverEngine(
                self._config.failover,
                links,
                routing=make_routing(self._config.failover.routing, links),
                prober=NetworkProber(),
                netlink=Netlink(ignored=OWN_TABLES),
                publish=self._around.bus.publish,
            )

        return Part(FAILOVER, (self._config.failover, links), build)

    def _device(self, interface: str) -> str:
        return self._around.devices.get(interface, interface)

    def via_modem(self, via: str) -> str:
        """The modem whose link `via` means: a role, a name, or `any`."""
        for modem in self._modems:
            if via in (modem.name, modem.role.value):
                return modem.name
        return ANY

    def via_device(self, via: str) -> str | None:
        """The network device that management traffic with this `via` leaves through now."""
        name = self.via_modem(via)
        engine = self._supervisor.find(FAILOVER, FailoverEngine)
        if engine is not None:
            return engine.bind_device(name)
        return self._devices_by_modem().get(name)

    def _devices_by_modem(self) -> dict[str, str]:
        return {m.name: self._device(m.interface) for m in self._modems if m.interface is not None}

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TCP connection for RSPRO, bound to the device its `via` means now."""
        return await open_tcp(host, port, self.via_device(self._config.rspro.via), RSPRO_CONNECT_S)

    # The orchestrator and the metrics

    def _ionmesh(self) -> Part:
        config = self._config.ionmesh
        name = config.client_name or f"{self._around.hostname}-slot{self._config.rspro.client_slot}"

        def build() -> OrchestratorClient:
            return OrchestratorClient(
                config,
                client_name=name,
                hardware_info=lambda: heartbeat.hardware_info(self._around.store.now),
                software_version=__version__,
                http=Http(Tls(config.ca_cert, config.client_cert, config.client_key)),
                via=lambda: self.via_device(config.via),
                metered=self._via_is_metered,
                stats=lambda: heartbeat.stats(self._around.store.now),
                modem_info=lambda: heartbeat.modem_info(self._around.store.now),
                execute=self._around.execute,
                state_dir=self._state_dir,
                publish=self._publish_by_link,
            )

        return Part(IONMESH, (config, name, self._config.main.state_dir), build)

    def _publish_by_link(self, event: Event) -> None:
        """The client knows the device a heartbeat left through; everyone else knows links by name."""
        if isinstance(event, HeartbeatSent):
            names = {device: name for name, device in self._devices_by_modem().items()}
            event = replace(event, link=names.get(event.link or ""))
        self._around.bus.publish(event)

    def _via_is_metered(self) -> bool:
        devices = self._devices_by_modem()
        device = self.via_device(self._config.ionmesh.via)
        return any(m.data_limit_mb > 0 and device == devices.get(m.name, "") for m in self._modems)

    def _metrics(self) -> Part:
        def build() -> MetricsServer:
            return MetricsServer(self._config.metrics, self._around.registry)

        return Part("metrics", self._config.metrics, build)

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
            client_id=rspro.client_id, client_slot=rspro.client_slot, server=server, bankd=bankd
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
        case FrontendType.CARDEM | FrontendType.VPCD:
            raise FrontendError(f"frontend {config.name}: type {config.type} is not built in; use shell")


def make_routing(routing: Routing, links: tuple[LinkConfig, ...]) -> Router:
    """What moves the data, as configured; nothing where no link has a network device."""
    interfaces = tuple(link.interface for link in links if link.interface is not None)
    if routing is Routing.NONE or not interfaces:
        return NoRouting()
    return Mwan3Routing(interfaces) if routing is Routing.MWAN3 else PolicyRouting()
