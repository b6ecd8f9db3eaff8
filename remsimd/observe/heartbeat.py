"""What the orchestrator is told about this router, taken from the state; nothing unknown is sent."""

from typing import Any

from remsimd import clock
from remsimd.config.model import Role
from remsimd.observe.eventlog import Entry, EventLog, Severity
from remsimd.orchestrator.heartbeat import Happened, Sources
from remsimd.state import LinkState, ModemState, State
from remsimd.store import Store

TOLD_KINDS = frozenset(("failover", "sim_switch"))
"""Kinds of entries that are told whatever their severity."""
UNTOLD = frozenset(("ionmesh", "command"))
"""What IonMesh knows best itself."""
MAX_EVENTS = 8
EVENT_CHARS = 120
"""Bounds of what a heartbeat tells: about 2 kB after a bad night."""


def stats(state: State) -> dict[str, Any]:
    """The heartbeat's `stats`: totals since the start, the primary's signal, the others' RSRP.

    `data_*_bytes` are all links', `card_*_bytes` what went over the bank's card, for its allowance.
    """
    modems = tuple(state.modems.values())
    figures: dict[str, Any] = {
        "uptime_seconds": int(clock.wall() - state.started_s),
        "tpdus_sent": sum(modem.tpdus for modem in modems),
        "tpdus_received": sum(modem.tpdus + modem.tpdu_errors for modem in modems),
        "errors": sum(modem.tpdu_errors + modem.authentications_failed for modem in modems),
        "reconnections": sum(modem.reconnects for modem in modems),
        "sim_switches": sum(modem.sim_switches for modem in modems),
        "data_rx_bytes": _total([link.rx_bytes for link in state.links.values()]),
        "data_tx_bytes": _total([link.tx_bytes for link in state.links.values()]),
        "card_rx_bytes": sum(link.remote_rx_bytes for link in state.links.values()),
        "card_tx_bytes": sum(link.remote_tx_bytes for link in state.links.values()),
        "modems": [
            {"name": modem.name, "rsrp": round(modem.signal.rsrp_dbm)}
            for modem in modems
            if modem.role is not Role.PRIMARY
            and modem.signal is not None
            and modem.signal.rsrp_dbm is not None
        ]
        or None,
    }
    primary = _primary(state)
    if primary is not None and primary.signal is not None:
        figures["signal_rssi"] = _whole(primary.signal.rssi_dbm)
        figures["signal_rsrp"] = _whole(primary.signal.rsrp_dbm)
        figures["signal_rsrq"] = primary.signal.rsrq_db
        figures["signal_sinr"] = primary.signal.sinr_db
    return {name: value for name, value in figures.items() if value is not None}


def modem_info(state: State) -> dict[str, Any]:
    """The heartbeat's `modem_info`: who the primary modem is, and its network."""
    primary = _primary(state)
    if primary is None or primary.identity is None:
        return {}
    network = None if primary.registration is None else primary.registration.operator
    known = {
        "vendor": primary.identity.manufacturer,
        "model": primary.identity.model,
        "firmware": primary.identity.firmware,
        "imei": primary.identity.imei,
        "network": network,
    }
    return {name: value for name, value in known.items() if value is not None}


def hardware_info(state: State) -> dict[str, Any]:
    """The registration's `hardware_info`, as far as the modem has been identified."""
    info = modem_info(state)
    return {f"modem_{name}": info[name] for name in ("vendor", "model") if name in info}


def _primary(state: State) -> ModemState | None:
    return next((modem for modem in state.modems.values() if modem.role is Role.PRIMARY), None)


def links(state: State) -> dict[str, Any]:
    """The heartbeat's `links`: what changes rarely about each link and the modem that carries it."""
    return {name: _link(state, state.links[name], modem) for name, modem in state.modems.items()}


def _link(state: State, link: LinkState, modem: ModemState) -> dict[str, Any]:
    registered = modem.registration is not None and modem.registration.state.registered
    facts = {
        "role": modem.role.value,
        "interface": link.interface,
        "health": link.health.value,
        "active": link.name == state.active_link,
        "present": modem.port is not None,
        "registered": registered,
        "sim": None if modem.sim_source is None else modem.sim_source.value,
    }
    return {name: value for name, value in facts.items() if value is not None}


def happened(eventlog: EventLog, after_seq: int) -> Happened:
    """The newest entries of the timeline after a number that an operator wants to see from afar."""
    entries = list(eventlog.entries(after_seq=after_seq))
    told = [
        e
        for e in entries
        if e.kind in TOLD_KINDS or (e.severity is not Severity.INFO and e.kind not in UNTOLD)
    ]
    newest = told[-MAX_EVENTS:]
    return Happened(
        tuple(_event(entry) for entry in newest),
        len(told) - len(newest),
        entries[-1].seq if entries else after_seq,
    )


def _event(entry: Entry) -> dict[str, Any]:
    return {
        "at": int(entry.wall_s),
        "kind": entry.kind,
        "severity": entry.severity.value,
        "subject": entry.subject,
        "text": entry.text[:EVENT_CHARS],
    }


def sources(store: Store, eventlog: EventLog) -> Sources:
    """Everything a heartbeat says, from the read model and the timeline."""
    return Sources(
        stats=lambda: stats(store.now),
        modem_info=lambda: modem_info(store.now),
        links=lambda: links(store.now),
        happened=lambda after_seq: happened(eventlog, after_seq),
    )


def _total(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
