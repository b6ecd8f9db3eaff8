"""Prometheus metrics: a collector over the snapshots, histograms fed by events."""

from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from remsimd import clock
from remsimd import events as ev
from remsimd.bus import Stamped
from remsimd.observe import families, system
from remsimd.observe.measured import Measures
from remsimd.orchestrator import events as ionmesh_events
from remsimd.rspro import events as remote
from remsimd.state import State

SECONDS = (0.005, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
LONG_SECONDS = (1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class StateCollector(Collector):
    """Turns one snapshot of what is known into metric families at each scrape."""

    def __init__(
        self,
        snapshot: Callable[[], State],
        router_id: str,
        measures: Callable[[], Measures] = Measures,
    ) -> None:
        self._snapshot = snapshot
        self._measures = measures
        self._make = families.Families(router_id)

    def collect(self) -> Iterator[Metric]:
        """Every family once, with the samples known now."""
        make, state, measures, now_s = self._make, self._snapshot(), self._measures(), clock.wall()
        yield from families.daemon(make, state, now_s)
        yield from families.modems(make, state, now_s)
        yield from families.signals(make, state)
        yield from families.links(make, state, measures)
        yield from families.budgets(make, measures)
        yield from families.recovery(make, measures)
        yield from families.remote_sim(make, state, now_s)
        yield from families.ionmesh(make, state, measures)


class SystemCollector(Collector):
    """The router's load; a share of CPU time is that since the scrape before."""

    def __init__(self, router_id: str, proc: Path = system.PROC) -> None:
        self._make = families.Families(router_id)
        self._proc = proc
        self._before = system.cpu_times(proc)

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not count as a scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """CPU and memory, each under its documented name and a well-named one."""
        now = system.cpu_times(self._proc)
        share = None if now is None or self._before is None else system.busy_share(self._before, now)
        self._before = now
        percent = None if share is None else share * 100
        used = system.memory_used_bytes(self._proc)
        gauge = self._make.gauge
        text = "Deprecated, use remsim_system_cpu_ratio."
        yield gauge("remsim_system_cpu_percent", text, (), [((), percent)])
        text = "Share of the router's CPU time that was used since the last scrape."
        yield gauge("remsim_system_cpu_ratio", text, (), [((), share)])
        text = "Deprecated, use remsim_system_memory_used_bytes."
        yield gauge("remsim_system_memory_bytes", text, (), [((), used)])
        text = "Memory of the router that is in use."
        yield gauge("remsim_system_memory_used_bytes", text, (), [((), used)])


class Histograms:
    """Distributions that a snapshot cannot hold; `take` is a bus listener."""

    def __init__(self, registry: CollectorRegistry, router_id: str) -> None:
        # A series with the time of birth beside every other one doubles what is stored, for nothing.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library does not annotate it

        def histogram(name: str, text: str, *labels: str, of: tuple[float, ...] = SECONDS) -> Histogram:
            return Histogram(name, text, ("router_id", *labels), buckets=of, registry=registry)

        self._router = router_id
        self._failover = histogram("remsim_failover_duration_seconds", "From evidence to moved route.")
        self._at = histogram("remsim_at_command_seconds", "AT commands until their final result.", "modem")
        self._tpdu = histogram("remsim_tpdu_roundtrip_seconds", "TPDUs until the card's answer.")
        self._probe = histogram("remsim_probe_rtt_seconds", "Probes until their answer.", "link", "target")
        self._call = histogram("remsim_ionmesh_request_seconds", "IonMesh calls.", "call")
        self._switch = histogram("remsim_sim_switch_seconds", "SIM switches until the card was read.")
        text = "Recovery actions until their result was known."
        self._healing = histogram("remsim_healing_duration_seconds", text, "action", of=LONG_SECONDS)

    def take(self, stamped: Stamped) -> None:
        """Observe the durations that events carry."""
        router = self._router
        match stamped.event:
            case ev.ActiveLinkChanged(previous=str(), active=str(), took_s=took_s):
                self._failover.labels(router).observe(took_s)
            case ev.AtTimings(modem=modem, durations_s=durations_s):
                for duration_s in durations_s:
                    self._at.labels(router, modem).observe(duration_s)
            case remote.TpduRelayed(took_s=took_s):
                self._tpdu.labels(router).observe(took_s)
            case ev.ProbeDone(link=link, target=target, rtt_s=float(rtt_s)):
                self._probe.labels(router, link, target).observe(rtt_s)
            case ionmesh_events.IonmeshCallDone(call=call, took_s=took_s):
                self._call.labels(router, call).observe(took_s)
            case ev.SimSwitched(ok=True, took_s=took_s):
                self._switch.labels(router).observe(took_s)
            case ev.RecoveryEnded(action=action, took_s=took_s):
                self._healing.labels(router, action).observe(took_s)
