"""The parts that speak with IonMesh, made from the configuration and what surrounds them."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from remsimd import __version__
from remsimd.bus import Bus
from remsimd.config.model import IonmeshConfig
from remsimd.config.readers import is_open
from remsimd.errors import OrchestratorError
from remsimd.http import Http, Tls
from remsimd.observe import heartbeat
from remsimd.observe.eventlog import EventLog
from remsimd.orchestrator import mdns
from remsimd.orchestrator.calls import Calls, Way
from remsimd.orchestrator.client import OrchestratorClient
from remsimd.orchestrator.identity import fingerprint
from remsimd.orchestrator.proxy import LegacyProxy
from remsimd.orchestrator.store import Store as Memory
from remsimd.orchestrator.wire import Command
from remsimd.store import Store
from remsimd.ways import Ways


class Orchestration:
    """Makes the IonMesh client and the older client's proxy, which share way and connections."""

    def __init__(self, config: IonmeshConfig, name: str, *, ways: Ways, bus: Bus, state_dir: Path) -> None:
        self._config = config
        self._name = name
        self._publish = bus.publish
        self._state_dir = state_dir
        self._addresses: dict[str, str] = {}
        self._way = Way(
            partial(ways.device, config.via),
            partial(ways.link, config.via),
            partial(ways.metered, config.via),
        )
        self._charge = ways.charge

    def client(
        self, store: Store, eventlog: EventLog, execute: Callable[[Command], Awaitable[str]]
    ) -> OrchestratorClient:
        """The client under this router's name."""
        return OrchestratorClient(
            self._config,
            client_name=self._name,
            hardware_info=lambda: heartbeat.hardware_info(store.now),
            software_version=__version__,
            http=self._http(),
            way=self._way,
            sources=heartbeat.sources(store, eventlog),
            execute=execute,
            state_dir=self._state_dir,
            publish=self._publish,
            fingerprint=fingerprint(),
            find=self.find,
        )

    def proxy(self, own: Callable[[], OrchestratorClient | None]) -> LegacyProxy:
        """The listener for the deployed C client."""
        calls = Calls(self._config, self._http(), way=self._way, publish=self._publish, find=self.find)
        memory = Memory(self._state_dir, owner=f"{self._config.url} tenant {self._config.tenant_id} guests")
        return LegacyProxy(self._config, calls, memory, way=self._way, own=own, software_version=__version__)

    async def find(self, url: str) -> str:
        """Where an orchestrator answers that is looked for by mDNS; raises `OrchestratorError`."""
        found = await mdns.find(url, self._way.device())
        if is_open(found.url) and not self._config.insecure:
            text = f"IonMesh was found at {found.url}, without TLS; that needs ionmesh.insecure 1"
            raise OrchestratorError(text, code="tls")
        self._addresses[found.host] = found.address
        return found.url

    def _http(self) -> Http:
        config = self._config
        tls = Tls(config.ca_cert, config.client_cert, config.client_key, config.tls_min)
        return Http(tls, proxies_from_environment=True, on_traffic=self._charge, addresses=self._addresses)
