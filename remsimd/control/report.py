"""The state as plain JSON values, for the control socket, the CLI and whoever else asks."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from modems.report import flat
from remsimd import __version__
from remsimd.state import ModemState, State


def plain(value: Any) -> Any:
    """Dataclasses, enums, bytes and mappings as what JSON knows; bytes become upper-case hex."""
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex().upper()
    return value


def _key(key: object) -> str:
    return "->".join(map(str, key)) if isinstance(key, tuple) else str(key)


def status(state: State, now_s: float) -> dict[str, Any]:
    """Everything known now, with the daemon's version, its uptime, and each modem's flat `facts`."""
    report: dict[str, Any] = {"version": __version__, "now_s": now_s}
    report["uptime_s"] = round(now_s - state.started_s, 1)
    report.update(plain(state))
    for name, modem in state.modems.items():
        report["modems"][name]["facts"] = modem_facts(modem)
    return report


def modem_facts(modem: ModemState) -> dict[str, Any]:
    """What is known of a modem under the names of `modems.report`."""
    return dict(
        flat(
            identity=modem.identity,
            sim=modem.sim,
            registration=modem.registration,
            cell=modem.cell,
            signal=modem.signal,
            temperatures=modem.temperatures,
        )
    )
