"""What codes of the API are called on pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ionmesh.dashboard.i18n import mark, translate
from ionmesh.models import Bank, BankStatus, MappingMode

_EVENTS = {
    "client_registered": mark("registered"),
    "client_unregistered": mark("unregistered"),
    "client_disconnected": mark("went offline"),
    "client_recovered": mark("is online again"),
    "client_expired": mark("lost its slot after long silence"),
    "client_reported": mark("reports"),
    "slot_reassigned": mark("moved to another slot"),
    "command_finished": mark("finished a command"),
    "pool_exhausted": mark("no slot was free"),
    "auth_failures": mark("authentications fail"),
    "alert_fired": mark("alert"),
    "alert_acknowledged": mark("alert acknowledged"),
    "alert_resolved": mark("alert is over"),
}
_GOOD_EVENTS = frozenset({"client_recovered", "alert_resolved"})
_MODES = {
    MappingMode.ONE_TO_ONE_SWSIM: mark("Own card"),
    MappingMode.ONE_TO_ONE_VSIM: mark("Virtual SIM"),
    MappingMode.KI_PROXY_SWSIM: mark("KI proxy"),
}
_LIMITS = {
    MappingMode.ONE_TO_ONE_SWSIM: mark("As many clients as there are cards. The whole card is there."),
    MappingMode.ONE_TO_ONE_VSIM: mark("No card behind it: what only a card can do is not there."),
    MappingMode.KI_PROXY_SWSIM: mark(
        "Only authentications reach a card. Files, PIN, SMS storage and SIM toolkit of the card do not, and"
        " two clients of one pool can be the same subscriber to the network."
    ),
}
_COMMANDS = {
    "restart": mark("Restart"),
    "modem-reset": mark("Reset modem"),
    "sim-switch": mark("Switch SIM"),
    "failover": mark("Fail over"),
    "reregister": mark("Register again"),
    "set-interval": mark("Set interval"),
    "config-set": mark("Set configuration"),
    "log-tail": mark("Fetch log"),
}
_COMMAND_STATES = {
    "queued": ("unknown", mark("Waiting")),
    "delivered": ("unknown", mark("Sent")),
    "acked": ("unknown", mark("Accepted")),
    "done": ("ok", mark("Done")),
    "failed": ("critical", mark("Failed")),
    "expired": ("deactivated", mark("Expired")),
}
_LINK_HEALTH = {"up": "ok", "suspect": "problem", "down": "critical"}


def event_names() -> dict[str, str]:
    """Return what each type of event is called, as the end of a sentence whose subject is the client."""
    return {name: translate(text) for name, text in _EVENTS.items()}


def event_mood(event: Mapping[str, Any]) -> str:
    """Return the class of an event's line: `good`, or its severity."""
    return "good" if event["type"] in _GOOD_EVENTS else str(event["severity"])


def event_extra(event: Mapping[str, Any]) -> str:
    """Return what else an event tells, in a few words."""
    details = event["details"]
    if event["type"] == "client_reported":
        return str(details.get("text") or details.get("kind") or "")
    if event["type"] == "command_finished":
        return f"{command_name(str(details.get('type', '')))}: {details.get('state', '')}"
    if "rule" in details:
        return str(details["rule"])
    if "bank_id" in details and "slot_id" in details:
        return f"{details['bank_id']}/{details['slot_id']}"
    return ""


def mode_name(mode: str) -> str:
    """Return what a mapping mode is called."""
    return translate(_MODES[MappingMode(mode)])


def mode_names() -> list[tuple[str, str]]:
    """Return the mapping modes with what they are called."""
    return [(mode.value, translate(text)) for mode, text in _MODES.items()]


def mode_limits(mode: MappingMode) -> str:
    """Return what a mapping mode cannot do."""
    return translate(_LIMITS[mode])


def command_name(kind: str) -> str:
    """Return what a command is called; an unknown one is called by its code."""
    text = _COMMANDS.get(kind)
    return translate(text) if text else kind


def command_state(state: str) -> tuple[str, str]:
    """Return the look and the name of a command's state."""
    look, text = _COMMAND_STATES[state]
    return look, translate(text)


def bank_state(bank: Bank) -> tuple[str, str]:
    """Return the look and the name of how a bank is, by itself and by its osmo-remsim-server."""
    if bank.status is BankStatus.MAINTENANCE:
        return "deactivated", translate("Maintenance")
    if bank.bankd_connected is None:
        return "unknown", translate("Not asked")
    if bank.bankd_connected:
        return "ok", translate("Connected")
    return "critical", translate("bankd is down")


def links(reported: Any) -> list[dict[str, Any]]:
    """Return the links of a client as rows, whatever it reported: a router's words are not to be trusted."""
    if not isinstance(reported, dict):
        return []
    rows = []
    for name, link in reported.items():
        if not isinstance(link, dict):
            continue
        health = str(link.get("health", ""))
        rows.append(
            {
                "name": str(name),
                "role": str(link.get("role", "")),
                "interface": str(link.get("interface", "")),
                "health": health,
                "look": _LINK_HEALTH.get(health, "unknown"),
                "active": link.get("active") is True,
                "registered": link.get("registered"),
                "sim": str(link.get("sim", "")),
            }
        )
    return rows
