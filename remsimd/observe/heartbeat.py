"""What the orchestrator is told about this router, taken from the state; nothing unknown is sent."""

from typing import Any

from remsimd import clock
from remsimd.config.model import Role
from remsimd.state import ModemState, State


def stats(state: State) -> dict[str, Any]:
    """The heartbeat's `stats`: totals since the start, signal of the primary modem, each modem."""
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
        "active_link": state.active_link,
        "modems": [_modem(modem) for modem in modems],
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


def _modem(modem: ModemState) -> dict[str, Any]:
    registered = modem.registration is not None and modem.registration.state.registered
    figures = {
        "name": modem.name,
        "role": modem.role.value,
        "present": modem.port is not None,
        "registered": registered,
        "sim": None if modem.sim_source is None else modem.sim_source.value,
        "rsrp": None if modem.signal is None else _whole(modem.signal.rsrp_dbm),
    }
    return {name: value for name, value in figures.items() if value is not None}


def _total(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
