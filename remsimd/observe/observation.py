"""The parts that watch: what they listen to, and which of them a configuration asks for."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from remsimd.bus import Bus
from remsimd.config.model import Config
from remsimd.http import Http
from remsimd.observe.alerting import Alerting, Outside
from remsimd.observe.alertmemory import AlertMemory
from remsimd.observe.eventlog import EventLog
from remsimd.observe.exporter import MetricsServer, Textfile
from remsimd.observe.history import History, Plan, Sources
from remsimd.observe.measured import Measured
from remsimd.observe.metrics import Histograms, StateCollector, SystemCollector
from remsimd.observe.webhook import Webhooks
from remsimd.store import Store
from remsimd.supervisor import Part

HISTORY, ALERTS = "history", "alerts"
MEGABYTE = 1_000_000


class Observation:
    """Metrics, history and alerts over one store; `router_id` is the router's name in all of them."""

    def __init__(self, bus: Bus, store: Store, eventlog: EventLog, router_id: str) -> None:
        self._bus = bus
        self._store = store
        self._eventlog = eventlog
        self._router_id = router_id
        self._measured = Measured()
        self._collector = StateCollector(lambda: store.now, router_id, lambda: self._measured.now)
        self._registry = CollectorRegistry()
        self._registry.register(self._collector)
        self._registry.register(SystemCollector(router_id))
        self._histograms = Histograms(self._registry, router_id)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear every event while the context lasts."""
        with ExitStack() as stack:
            stack.enter_context(self._bus.listen(self._measured.take))
            stack.enter_context(self._bus.listen(self._histograms.take))
            yield

    def parts(self, config: Config) -> tuple[Part, ...]:
        """The parts that this configuration asks for."""
        parts = []
        if config.metrics.enabled:
            parts.append(self._metrics(config))
        if config.metrics.textfile is not None:
            parts.append(self._textfile(config.metrics.textfile))
        if config.history.enabled:
            parts.append(self._history(config))
        if config.alerts:
            parts.append(self._alerts(config))
        return tuple(parts)

    def _metrics(self, config: Config) -> Part:
        def build() -> MetricsServer:
            return MetricsServer(config.metrics, self._served(process=config.metrics.process))

        return Part("metrics", config.metrics, build)

    def _served(self, *, process: bool) -> CollectorRegistry:
        if not process:
            return self._registry
        from prometheus_client import PlatformCollector, ProcessCollector

        registry = CollectorRegistry()
        registry.register(self._registry)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        return registry

    def _textfile(self, path: str) -> Part:
        return Part("textfile", path, lambda: Textfile(Path(path), self._registry))

    def _history(self, config: Config) -> Part:
        plans = {
            modem.name: Plan(modem.data_reset_day, (modem.data_limit_mb * MEGABYTE) or None)
            for modem in config.modems
        }

        def build() -> History:
            return History(
                config.history,
                Sources(lambda: self._store.now, lambda: self._measured.now, self._bus, self._eventlog),
                state_dir=Path(config.main.state_dir),
                plans=plans,
            )

        key = (config.history, config.main.state_dir, tuple(plans.items()))
        return Part(HISTORY, key, build)

    def _alerts(self, config: Config) -> Part:
        def build() -> Alerting:
            outside = Outside(self._bus.publish, Webhooks(Http()), self._router_id)
            # A share of CPU time counts from its reader's last look: each reader has its own.
            collectors = (self._collector, SystemCollector(self._router_id))
            memory = AlertMemory(Path(config.main.state_dir))
            return Alerting(config.alerts, collectors, outside, memory)

        return Part(ALERTS, (config.alerts, config.main.state_dir), build)
