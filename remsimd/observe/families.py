"""From one snapshot to metric families: pure, a function for each group of them.

Names and labels are those that dashboards in the field use; where such a name breaks the
conventions a well-named twin stands beside it. A value nobody knows is left out, never 0.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from modems.facts import Signal
from remsimd import __version__
from remsimd import events as ev
from remsimd.config.model import SimSource
from remsimd.observe.measured import Budget, LinkMeasures, Measures
from remsimd.orchestrator import events as ionmesh_events
from remsimd.state import LinkState, ModemState, State

Samples = Sequence[tuple[tuple[str, ...], float | None]]
"""Label values with a value each; None is left out."""

EXCELLENT_RSRP_DBM, DEAD_RSRP_DBM = -80.0, -120.0

COUNTERS: tuple[tuple[str, str, Callable[[ModemState], float]], ...] = (
    ("remsim_reconnect_count_total", "Deprecated, use remsim_reconnects_total.", lambda m: m.reconnects),
    ("remsim_reconnects_total", "Times the modem came back.", lambda m: m.reconnects),
    ("remsim_sim_switch_count_total", "Deprecated, use remsim_sim_switches_total.", lambda m: m.sim_switches),
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
SIGNALS: tuple[tuple[str, str, Callable[[Signal], float | None]], ...] = (
    ("remsim_signal_rssi_dbm", "Received signal strength.", lambda s: s.rssi_dbm),
    ("remsim_signal_rsrp_dbm", "Reference signal received power.", lambda s: s.rsrp_dbm),
    ("remsim_signal_rsrq_db", "Reference signal received quality.", lambda s: s.rsrq_db),
    ("remsim_signal_sinr_db", "Signal to interference and noise.", lambda s: s.sinr_db),
    ("remsim_signal_nr_rsrp_dbm", "Received power of the NR leg.", lambda s: s.nr_rsrp_dbm),
    ("remsim_signal_nr_rsrq_db", "Received quality of the NR leg.", lambda s: s.nr_rsrq_db),
    ("remsim_signal_nr_sinr_db", "Signal to noise of the NR leg.", lambda s: s.nr_sinr_db),
)
MEASURES: tuple[tuple[str, str, Callable[[LinkMeasures], float | None]], ...] = (
    (
        "remsim_connection_latency_ms",
        "Deprecated, use remsim_probe_rtt_seconds. The newest probe, in ms.",
        lambda m: None if m.rtt_s is None else m.rtt_s * 1000,
    ),
    (
        "remsim_connection_packet_loss_percent",
        "Deprecated, use remsim_connection_loss_ratio.",
        lambda m: None if m.loss is None else m.loss * 100,
    ),
    ("remsim_connection_loss_ratio", "Share of the newest 20 probes that was lost.", lambda m: m.loss),
    (
        "remsim_connection_throughput_mbps",
        "Deprecated, use the rates in bytes. Both directions, in Mbit/s.",
        lambda m: None if m.rx_rate is None or m.tx_rate is None else (m.rx_rate + m.tx_rate) * 8 / 1e6,
    ),
)


@dataclass(frozen=True, slots=True)
class Families:
    """Makes families that all carry the router's name."""

    router_id: str

    def gauge(self, name: str, text: str, labels: tuple[str, ...], samples: Samples) -> GaugeMetricFamily:
        """A gauge with a sample for each known value."""
        family = GaugeMetricFamily(name, text, labels=("router_id", *labels))
        self._fill(family, samples)
        return family

    def counter(self, name: str, text: str, labels: tuple[str, ...], samples: Samples) -> CounterMetricFamily:
        """A counter, `name` with its `_total`, with a sample for each known value."""
        family = CounterMetricFamily(name, text, labels=("router_id", *labels))
        self._fill(family, samples)
        return family

    def _fill(self, family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> None:
        for labels, value in samples:
            if value is not None:
                family.add_metric((self.router_id, *labels), float(value))


def daemon(make: Families, state: State, now_s: float) -> Iterator[Metric]:
    """remsimd itself."""
    yield make.gauge("remsim_build_info", "Version of remsimd.", ("version",), [((__version__,), 1)])
    uptime_s = now_s - state.started_s
    yield make.gauge("remsim_uptime_seconds", "Time since remsimd started.", (), [((), uptime_s)])
    yield make.gauge("remsim_start_time_seconds", "When remsimd started.", (), [((), state.started_s)])


def modems(make: Families, state: State, now_s: float) -> Iterator[Metric]:
    """Each modem: registration, counters, card, identity."""
    each = tuple(state.modems.values())
    status = [((m.name, _interface(state, m)), float(_registered(m))) for m in each]
    for name, text in (
        ("remsim_connection_status", "Deprecated, use remsim_connection_up."),
        ("remsim_connection_up", "1 while the modem is registered with a network."),
    ):
        yield make.gauge(name, text, ("modem", "interface"), status)
    ages = [((m.name,), now_s - m.since_s) for m in each if m.port and m.since_s]
    yield make.gauge(
        "remsim_connection_duration_seconds", "Time since the modem was found.", ("modem",), ages
    )
    for name, text, value in COUNTERS:
        yield make.counter(name, text, ("modem",), [((m.name,), value(m)) for m in each])
    results = [((m.name, "success"), float(m.authentications_ok)) for m in each]
    results += [((m.name, "failure"), float(m.authentications_failed)) for m in each]
    text = "Challenges of the network that the remote card answered."
    yield make.counter("remsim_sim_authentications_total", text, ("modem", "result"), results)
    slots = [
        ((m.name, source.value, source.value), float(m.sim_source is source))
        for m in each
        if m.sim_source is not None
        for source in SimSource
    ]
    text = "1 for the card the modem is on."
    yield make.gauge("remsim_sim_slot_active", text, ("modem", "slot", "mode"), slots)
    text = "1 while the modem reads another card than the one assigned."
    yield make.gauge(
        "remsim_sim_mismatch", text, ("modem",), [((m.name,), _mismatch(state, m)) for m in each]
    )
    labels = ("modem", "manufacturer", "model", "firmware")
    infos = [((m.name, *_who(m)), 1.0) for m in each if m.identity is not None]
    yield make.gauge("remsim_modem_info", "What the modem says it is.", labels, infos)


def signals(make: Families, state: State) -> Iterator[Metric]:
    """What the modems' receivers and sensors measure."""
    measured = [(m, m.signal) for m in state.modems.values() if m.signal is not None]
    for name, text, value in SIGNALS:
        samples = [((m.name, _carrier(m)), value(signal)) for m, signal in measured]
        yield make.gauge(name, text, ("modem", "carrier"), samples)
    shares = [((m.name,), quality(signal)) for m, signal in measured]
    percent = [(labels, None if share is None else round(share * 100.0)) for labels, share in shares]
    text = "Deprecated, use remsim_signal_quality_ratio. RSRP as 0 (none) to 100 (excellent)."
    yield make.gauge("remsim_signal_quality", text, ("modem",), percent)
    text = "RSRP as 0 (-120 dBm) to 1 (-80 dBm)."
    yield make.gauge("remsim_signal_quality_ratio", text, ("modem",), shares)
    sensors = [((f"{m.name}:{t.sensor}",), t.celsius) for m in state.modems.values() for t in m.temperatures]
    text = "Temperatures the modems report."
    yield make.gauge("remsim_system_temperature_celsius", text, ("sensor",), sensors)


def links(make: Families, state: State, measures: Measures) -> Iterator[Metric]:
    """Each link: traffic, health, which one carries the data."""
    each = tuple(state.links.values())
    directions: tuple[tuple[str, str, Callable[[LinkState], int | None]], ...] = (
        ("remsim_data_rx_bytes_total", "Bytes received.", lambda link: link.rx_bytes),
        ("remsim_data_tx_bytes_total", "Bytes sent.", lambda link: link.tx_bytes),
    )
    for name, text, value in directions:
        samples = [((link.interface or "", link.name), value(link)) for link in each]
        yield make.counter(name, text, ("interface", "modem"), samples)
    for direction in ("rx", "tx"):
        rates = [
            ((link.interface,), getattr(measures.links[link.name], f"{direction}_rate"))
            for link in each
            if link.interface is not None and link.name in measures.links
        ]
        name = f"remsim_data_{direction}_rate_bytes_per_second"
        yield make.gauge(name, "Deprecated, use rate() of the bytes.", ("interface",), rates)
    for name, text, measure in MEASURES:
        known = [((name_,), measure(of)) for name_, of in measures.links.items() if name_ in state.links]
        yield make.gauge(name, text, ("connection",), known)
    healths = [((n.name, h.value), float(n.health is h)) for n in each for h in ev.LinkHealth]
    yield make.gauge("remsim_link_state", "1 for the health the link has.", ("link", "state"), healths)
    active = [((n.name,), float(n.name == state.active_link)) for n in each]
    yield make.gauge("remsim_link_active", "1 for the link that carries the data.", ("link",), active)
    # A counter that appears with its first move would hide that move from increase().
    ways = [(frm.name, to.name) for frm in each for to in each if frm is not to]
    counts = {**dict.fromkeys(ways, 0), **state.failovers}
    moves = [(way, float(count)) for way, count in counts.items()]
    for name, text in (
        ("remsim_failover_count_total", "Deprecated, use remsim_failovers_total."),
        ("remsim_failovers_total", "Times the data was moved."),
    ):
        yield make.counter(name, text, ("from", "to"), moves)


def budgets(make: Families, measures: Measures) -> Iterator[Metric]:
    """Data plans."""
    figures = [((name, "used"), float(b.used_bytes)) for name, b in measures.budgets.items()]
    figures += [
        ((name, "limit"), float(b.limit_bytes))
        for name, b in measures.budgets.items()
        if b.limit_bytes is not None
    ]
    text = "Bytes of the data plan since its reset day."
    yield make.gauge("remsim_data_budget_bytes", text, ("modem", "kind"), figures)
    shares = [((name,), _share(budget)) for name, budget in measures.budgets.items()]
    text = "Share of the data plan that is used; 1 is all of it."
    yield make.gauge("remsim_data_budget_used_ratio", text, ("modem",), shares)
    own = [((name,), float(spent)) for name, spent in measures.own_bytes.items()]
    text = "Bytes of it that remsimd itself sent and received."
    yield make.gauge("remsim_data_own_bytes", text, ("modem",), own)


def recovery(make: Families, measures: Measures) -> Iterator[Metric]:
    """What was done to bring modems back."""
    results = [
        ((modem, action, "success" if ok else "failure"), float(count))
        for (modem, action, ok), count in measures.recoveries.items()
    ]
    text = "Actions of the recovery ladder."
    labels = ("modem", "action", "result")
    yield make.counter("remsim_recovery_actions_total", text, labels, results)
    actions = {action for _, action, _ in measures.recoveries}
    for name, wanted in (("attempts", (True, False)), ("success", (True,)), ("failure", (False,))):
        counts = [
            (
                (action,),
                float(
                    sum(n for (_, a, ok), n in measures.recoveries.items() if a == action and ok in wanted)
                ),
            )
            for action in sorted(actions)
        ]
        text = "Deprecated, use remsim_recovery_actions_total."
        yield make.counter(f"remsim_healing_{name}_total", text, ("action",), counts)


def remote_sim(make: Families, state: State, now_s: float) -> Iterator[Metric]:
    """The way to the card in the bank."""
    errors = [((m.name, "timeout"), float(m.tpdu_errors)) for m in state.modems.values()]
    for name, text in (
        ("remsim_tpdu_error_total", "Deprecated, use remsim_tpdu_errors_total."),
        ("remsim_tpdu_errors_total", "TPDUs without an answer."),
    ):
        yield make.counter(name, text, ("modem", "error_type"), errors)
    peer = state.rspro.peers.get("bankd")
    bankds = () if peer is None else (peer,)
    card = state.ionmesh.assignment
    bank = "" if card is None or card.bank_id is None else str(card.bank_id)
    up = [((bank, bankd.endpoint.rpartition(":")[0]), float(bankd.up)) for bankd in bankds]
    text = "1 while the bankd is connected."
    yield make.gauge("remsim_bankd_connection_status", text, ("bank_id", "bankd_host"), up)
    latency = [((bank,), state.rspro.last_tpdu_s) for _ in bankds]
    yield make.gauge("remsim_bankd_latency_seconds", "How long the newest TPDU took.", ("bank_id",), latency)
    age = [((bank,), now_s - bankd.since_s) for bankd in bankds if bankd.up]
    text = "How long the bankd has been connected."
    yield make.gauge("remsim_bankd_connection_duration_seconds", text, ("bank_id",), age)
    again = [((bank,), float(max(bankd.connects - 1, 0))) for bankd in bankds]
    text = "Times the bankd was connected again."
    yield make.counter("remsim_bankd_reconnects_total", text, ("bank_id",), again)


def ionmesh(make: Families, state: State, measures: Measures) -> Iterator[Metric]:
    """The orchestrator, seen from here."""
    view = state.ionmesh
    states = [((s.value,), float(view.state is s)) for s in ionmesh_events.IonmeshState]
    yield make.gauge("remsim_ionmesh_state", "1 for the state towards IonMesh.", ("state",), states)
    beats = [((), float(view.heartbeats))]
    yield make.counter("remsim_ionmesh_heartbeats_total", "Heartbeats answered.", (), beats)
    failures = [(key, float(count)) for key, count in measures.ionmesh_failures.items()]
    text = "IonMesh calls that were not answered as they should be."
    yield make.counter("remsim_ionmesh_request_failures_total", text, ("call", "reason"), failures)


def quality(signal: Signal) -> float | None:
    """RSRP as a share of the range in which modems work, 0..1."""
    if signal.rsrp_dbm is None:
        return None
    share = (signal.rsrp_dbm - DEAD_RSRP_DBM) / (EXCELLENT_RSRP_DBM - DEAD_RSRP_DBM)
    return min(max(share, 0.0), 1.0)


def _share(budget: Budget) -> float | None:
    return None if budget.limit_bytes is None else budget.used_bytes / budget.limit_bytes


def _interface(state: State, modem: ModemState) -> str:
    link = state.links.get(modem.name)
    return (link.interface or "") if link is not None else ""


def _registered(modem: ModemState) -> bool:
    return modem.registration is not None and modem.registration.state.registered


def _mismatch(state: State, modem: ModemState) -> float | None:
    """Known only on the remote card, while both numbers are."""
    card = state.ionmesh.assignment
    if modem.sim_source is not SimSource.REMOTE or modem.sim is None or card is None:
        return None
    if modem.sim.iccid is None or card.iccid is None:
        return None
    return float(modem.sim.iccid != card.iccid)


def _carrier(modem: ModemState) -> str:
    registration = modem.registration
    return "" if registration is None else registration.operator or registration.plmn or ""


def _who(modem: ModemState) -> tuple[str, str, str]:
    who = modem.identity
    return ("", "", "") if who is None else (who.manufacturer or "", who.model or "", who.firmware or "")
