"""Prometheus metrics: a collector over the state, histograms fed by events.

Names and labels are those that dashboards in the field use; where such a name breaks the
conventions a well-named twin stands beside it. A value nobody knows is left out, never 0.
"""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from modems.facts import Signal
from remsimd import __version__, clock
from remsimd import events as ev
from remsimd.bus import Stamped
from remsimd.config.model import SimSource
from remsimd.state import LinkState, ModemState, State

Samples = Sequence[tuple[tuple[str, ...], float | None]]
"""Label values with a value each; None is left out."""

SECONDS = (0.005, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
EXCELLENT_RSRP_DBM, DEAD_RSRP_DBM = -80.0, -120.0


MODEM_COUNTERS: tuple[tuple[str, str, Callable[[ModemState], float]], ...] = (
    ("remsim_reconnect_count_total", "Times the modem came back.", lambda m: m.reconnects),
    ("remsim_reconnects_total", "Times the modem came back.", lambda m: m.reconnects),
    ("remsim_sim_switch_count_total", "Completed SIM switches.", lambda m: m.sim_switches),
    ("remsim_sim_switches_total", "Completed SIM switches.", lambda m: m.sim_switches),
    ("remsim_tpdu_rx_total", "TPDUs received from the modem.", lambda m: m.tpdus + m.tpdu_errors),
    ("remsim_tpdu_tx_total", "TPDU answers sent to the modem.", lambda m: m.tpdus),
    (
        "remsim_sim_authentication_success_total",
        "Challenges the remote card accepted.",
        lambda m: m.authentications_ok,
    ),
    (
        "remsim_sim_authentication_failure_total",
        "Challenges the remote card refused.",
        lambda m: m.authentications_failed,
    ),
    ("remsim_at_timeouts_total", "AT commands without an answer.", lambda m: m.at_timeouts),
)


class StateCollector(Collector):
    """Turns one snapshot of the state into metric families at each scrape."""

    def __init__(self, snapshot: Callable[[], State], router_id: str) -> None:
        self._snapshot = snapshot
        self._router = router_id

    def collect(self) -> Iterator[Metric]:
        """Every family once, with the samples known now."""
        state = self._snapshot()
        yield self._gauge("remsim_build_info", "Version of remsimd.", ("version",), [((__version__,), 1)])
        uptime_s = clock.wall() - state.started_s
        yield self._gauge("remsim_uptime_seconds", "Time since remsimd started.", (), [((), uptime_s)])
        yield self._gauge("remsim_start_time_seconds", "When remsimd started.", (), [((), state.started_s)])
        yield from self._modems(state)
        yield from self._signals(state)
        yield from self._links(state)
        yield from self._remote_sim(state)
        yield from self._ionmesh(state)

    def _gauge(
        self,
        name: str,
        text: str,
        labels: tuple[str, ...],
        samples: Samples,
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=("router_id", *labels))
        self._fill(family, samples)
        return family

    def _counter(
        self,
        name: str,
        text: str,
        labels: tuple[str, ...],
        samples: Samples,
    ) -> CounterMetricFamily:
        family = CounterMetricFamily(name, text, labels=("router_id", *labels))
        self._fill(family, samples)
        return family

    def _fill(
        self,
        family: GaugeMetricFamily | CounterMetricFamily,
        samples: Samples,
    ) -> None:
        for labels, value in samples:
            if value is not None:
                family.add_metric((self._router, *labels), float(value))

    def _modems(self, state: State) -> Iterator[Metric]:
        modems = tuple(state.modems.values())
        for name in ("remsim_connection_status", "remsim_connection_up"):
            yield self._gauge(
                name,
                "1 while the modem is registered with a network.",
                ("modem", "interface"),
                [((m.name, _interface(state, m)), float(_registered(m))) for m in modems],
            )
        yield self._gauge(
            "remsim_connection_duration_seconds",
            "Time since the modem was found.",
            ("modem",),
            [((m.name,), clock.wall() - m.since_s) for m in modems if m.port and m.since_s],
        )
        for name, text, value in MODEM_COUNTERS:
            yield self._counter(name, text, ("modem",), [((m.name,), value(m)) for m in modems])
        yield self._gauge(
            "remsim_sim_slot_active",
            "1 for the card the modem is on.",
            ("modem", "slot", "mode"),
            [
                ((m.name, source.value, source.value), float(m.sim_source is source))
                for m in modems
                if m.sim_source is not None
                for source in SimSource
            ],
        )
        yield self._gauge(
            "remsim_modem_info",
            "What the modem says it is.",
            ("modem", "manufacturer", "model", "firmware"),
            [((m.name, *_who(m)), 1.0) for m in modems if m.identity is not None],
        )

    def _signals(self, state: State) -> Iterator[Metric]:
        measured = [(m, m.signal) for m in state.modems.values() if m.signal is not None]
        readings: tuple[tuple[str, str, Callable[[Signal], float | None]], ...] = (
            ("remsim_signal_rssi_dbm", "Received signal strength.", lambda s: s.rssi_dbm),
            ("remsim_signal_rsrp_dbm", "Reference signal received power.", lambda s: s.rsrp_dbm),
            ("remsim_signal_rsrq_db", "Reference signal received quality.", lambda s: s.rsrq_db),
            ("remsim_signal_sinr_db", "Signal to interference and noise.", lambda s: s.sinr_db),
        )
        for name, text, value in readings:
            samples = [((m.name, _carrier(m)), value(signal)) for m, signal in measured]
            yield self._gauge(name, text, ("modem", "carrier"), samples)
        yield self._gauge(
            "remsim_signal_quality",
            "RSRP as 0 (none) to 100 (excellent).",
            ("modem",),
            [((m.name,), _quality(signal)) for m, signal in measured],
        )
        yield self._gauge(
            "remsim_system_temperature_celsius",
            "Temperatures the modems report.",
            ("sensor",),
            [((f"{m.name}:{t.sensor}",), t.celsius) for m in state.modems.values() for t in m.temperatures],
        )

    def _links(self, state: State) -> Iterator[Metric]:
        links = tuple(state.links.values())
        directions: tuple[tuple[str, str, Callable[[LinkState], int | None]], ...] = (
            ("remsim_data_rx_bytes_total", "Bytes received.", lambda link: link.rx_bytes),
            ("remsim_data_tx_bytes_total", "Bytes sent.", lambda link: link.tx_bytes),
        )
        for name, text, value in directions:
            samples = [((link.interface or "", link.name), value(link)) for link in links]
            yield self._counter(name, text, ("interface", "modem"), samples)
        yield self._gauge(
            "remsim_link_state",
            "1 for the health the link has.",
            ("link", "state"),
            [((n.name, h.value), float(n.health is h)) for n in links for h in ev.LinkHealth],
        )
        yield self._gauge(
            "remsim_link_active",
            "1 for the link that carries the data.",
            ("link",),
            [((n.name,), float(n.name == state.active_link)) for n in links],
        )
        moves = [((frm, to), float(count)) for (frm, to), count in state.failovers.items()]
        for name in ("remsim_failover_count_total", "remsim_failovers_total"):
            yield self._counter(name, "Times the data was moved.", ("from", "to"), list(moves))

    def _remote_sim(self, state: State) -> Iterator[Metric]:
        errors = [((m.name, "timeout"), float(m.tpdu_errors)) for m in state.modems.values()]
        yield self._counter(
            "remsim_tpdu_error_total", "TPDUs without an answer.", ("modem", "error_type"), errors
        )
        bankd = state.rspro.peers.get("bankd")
        if bankd is None:
            return
        card = state.ionmesh.assignment
        bank_id = "" if card is None or card.bank_id is None else str(card.bank_id)
        host = bankd.endpoint.rpartition(":")[0]
        yield self._gauge(
            "remsim_bankd_connection_status",
            "1 while the bankd is connected.",
            ("bank_id", "bankd_host"),
            [((bank_id, host), float(bankd.up))],
        )
        yield self._gauge(
            "remsim_bankd_latency_seconds",
            "How long the newest TPDU took.",
            ("bank_id",),
            [((bank_id,), state.rspro.last_tpdu_s)],
        )
        if bankd.up:
            yield self._gauge(
                "remsim_bankd_connection_duration_seconds",
                "How long the bankd has been connected.",
                ("bank_id",),
                [((bank_id,), clock.wall() - bankd.since_s)],
            )
        yield self._counter(
            "remsim_bankd_reconnects_total",
            "Times the bankd was connected again.",
            ("bank_id",),
            [((bank_id,), max(bankd.connects - 1, 0))],
        )

    def _ionmesh(self, state: State) -> Iterator[Metric]:
        view = state.ionmesh
        yield self._gauge(
            "remsim_ionmesh_state",
            "1 for the state towards IonMesh.",
            ("state",),
            [((s.value,), float(view.state is s)) for s in ev.IonmeshState],
        )
        yield self._counter(
            "remsim_ionmesh_heartbeats_total", "Heartbeats answered.", (), [((), view.heartbeats)]
        )


class Histograms:
    """Distributions that a snapshot cannot hold; `take` is a bus listener."""

    def __init__(self, registry: CollectorRegistry, router_id: str) -> None:
        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(name, text, ("router_id", *labels), buckets=SECONDS, registry=registry)

        self._router = router_id
        self._failover = histogram("remsim_failover_duration_seconds", "From evidence to moved route.")
        self._at = histogram("remsim_at_command_seconds", "AT commands until their final result.", "modem")
        self._tpdu = histogram("remsim_tpdu_roundtrip_seconds", "TPDUs until the card's answer.")
        self._probe = histogram("remsim_probe_rtt_seconds", "Probes until their answer.", "link", "target")
        self._call = histogram("remsim_ionmesh_request_seconds", "IonMesh calls.", "call")
        self._switch = histogram("remsim_sim_switch_seconds", "SIM switches until the card was read.")

    def take(self, stamped: Stamped) -> None:
        """Observe the durations that events carry."""
        router = self._router
        match stamped.event:
            case ev.ActiveLinkChanged(previous=str(), active=str(), took_s=took_s):
                self._failover.labels(router).observe(took_s)
            case ev.AtTimings(modem=modem, durations_s=durations_s):
                for duration_s in durations_s:
                    self._at.labels(router, modem).observe(duration_s)
            case ev.TpduRelayed(took_s=took_s):
                self._tpdu.labels(router).observe(took_s)
            case ev.ProbeDone(link=link, target=target, rtt_s=float(rtt_s)):
                self._probe.labels(router, link, target).observe(rtt_s)
            case ev.IonmeshCallDone(call=call, took_s=took_s):
                self._call.labels(router, call).observe(took_s)
            case ev.SimSwitched(ok=True, took_s=took_s):
                self._switch.labels(router).observe(took_s)


def _interface(state: State, modem: ModemState) -> str:
    link = state.links.get(modem.name)
    return (link.interface or "") if link is not None else ""


def _registered(modem: ModemState) -> bool:
    return modem.registration is not None and modem.registration.state.registered


def _carrier(modem: ModemState) -> str:
    registration = modem.registration
    return "" if registration is None else registration.operator or registration.plmn or ""


def _who(modem: ModemState) -> tuple[str, str, str]:
    who = modem.identity
    return ("", "", "") if who is None else (who.manufacturer or "", who.model or "", who.firmware or "")


def _quality(signal: Signal) -> float | None:
    if signal.rsrp_dbm is None:
        return None
    share = (signal.rsrp_dbm - DEAD_RSRP_DBM) / (EXCELLENT_RSRP_DBM - DEAD_RSRP_DBM)
    return round(100.0 * min(max(share, 0.0), 1.0))
