"""What alerts and their rules are called on pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from ionmesh.dashboard.gate import Visit
from ionmesh.dashboard.i18n import mark, translate
from ionmesh.dashboard.shapes import span
from ionmesh.models import Alert, AlertKind, AlertRule, Severity, SignalMetric
from ionmesh.services import alert_rules, allowance

_KINDS = {
    AlertKind.CLIENT_OFFLINE: mark("Client offline"),
    AlertKind.SIGNAL_BELOW: mark("Weak signal"),
    AlertKind.POOL_UTILISATION_ABOVE: mark("KI pool nearly full"),
    AlertKind.AUTH_FAILURES: mark("Authentication failures"),
    AlertKind.ALLOWANCE_REACHED: mark("Data allowance reached"),
    AlertKind.BANK_DOWN: mark("Bank down"),
}
_SIGNALS = {
    SignalMetric.RSSI: ("RSSI", "dBm"),
    SignalMetric.RSRP: ("RSRP", "dBm"),
    SignalMetric.RSRQ: ("RSRQ", "dB"),
    SignalMetric.SINR: ("SINR", "dB"),
}
_SEVERITY_LOOKS = {"info": "unknown", "warning": "problem", "error": "critical", "critical": "critical"}
_SEVERITIES = {
    "info": mark("Info"),
    "warning": mark("Warning"),
    "error": mark("Error"),
    "critical": mark("Critical"),
}
_THRESHOLDS = {
    AlertKind.CLIENT_OFFLINE: mark("Seconds without a heartbeat"),
    AlertKind.SIGNAL_BELOW: mark("%(figure)s in %(unit)s"),
    AlertKind.POOL_UTILISATION_ABOVE: mark("Per cent of the pool in use"),
    AlertKind.AUTH_FAILURES: mark("Refused challenges within the window"),
    AlertKind.ALLOWANCE_REACHED: mark("Per cent of the allowance"),
}
# Kinds whose subject is a client.
_OF_CLIENTS = frozenset({AlertKind.CLIENT_OFFLINE, AlertKind.SIGNAL_BELOW, AlertKind.AUTH_FAILURES})


def shown(session: Session, visit: Visit, alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    """Return alerts as pages show them; the SIM of an allowance is named, cut for who may not see it."""
    listed = list(alerts)
    sims: Mapping[str, str] = {}
    if any(alert.kind is AlertKind.ALLOWANCE_REACHED for alert in listed):
        usages = allowance.limited_usage(session, visit.tenant_id, visit.call.now)
        sims = {f"allowance {usage.allowance_id}": _sim(usage.sim, visit) for usage in usages}
    units: Mapping[int | None, str] = {}
    if any(alert.kind is AlertKind.SIGNAL_BELOW for alert in listed):
        rules = alert_rules.listed(session, visit.tenant_id)
        units = {rule.rule_id: _SIGNALS[rule.signal][1] for rule in rules if rule.signal is not None}
    # Of a rule that is gone nobody knows which signal it looked at.
    return [_shown(alert, sims, units.get(alert.rule_id, "")) for alert in listed]


def by_urgency(alert: Alert) -> tuple[bool, int]:
    """Return a key to sort by: what nobody has acknowledged comes first, the gravest on top."""
    return alert.acknowledged_at is not None, -list(Severity).index(alert.severity)


def _sim(sim: str, visit: Visit) -> str:
    return f"SIM {allowance.masked(sim) if visit.call.masked else sim}"


def _shown(alert: Alert, sims: Mapping[str, str], unit: str) -> dict[str, Any]:
    look, word = severity(alert.severity.value)
    return {
        "alert_id": alert.alert_id,
        "rule": alert.rule_name,
        "kind": translate(_KINDS[alert.kind]),
        "look": look,
        "severity": word,
        "subject": alert.subject,
        "name": sims.get(alert.subject, alert.subject),
        "client_id": alert.subject if alert.kind in _OF_CLIENTS else None,
        "value": _figure(alert.kind, alert.value, unit),
        "fired_at": alert.fired_at,
        "resolved_at": alert.resolved_at,
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_by": alert.acknowledged_by,
    }


def severity(name: str) -> tuple[str, str]:
    """Return the look and the name of a severity."""
    return _SEVERITY_LOOKS[name], translate(_SEVERITIES[name])


def alert_kinds() -> list[tuple[str, str]]:
    """Return the kinds of alert rules with what they are called."""
    return [(kind.value, translate(text)) for kind, text in _KINDS.items()]


def signals() -> list[tuple[str, str]]:
    """Return the signal figures a rule can look at."""
    return [(metric.value, f"{name} ({unit})") for metric, (name, unit) in _SIGNALS.items()]


def threshold_of(rule: AlertRule) -> str | None:
    """Return what a rule's threshold counts, and in which unit; None: its kind has none."""
    text = _THRESHOLDS.get(rule.kind)
    if text is None:
        return None
    figure, unit = _SIGNALS[rule.signal] if rule.signal is not None else ("", "")
    return translate(text).replace("%(figure)s", figure).replace("%(unit)s", unit)


def condition(rule: AlertRule) -> str:
    """Return what a rule looks for, as a few words."""
    text = f"{translate(_KINDS[rule.kind])} {_threshold(rule)}".strip()
    if rule.for_s:
        text += f", {translate('for')} {span(timedelta(seconds=rule.for_s))}"
    return text


def _threshold(rule: AlertRule) -> str:
    if rule.kind is AlertKind.SIGNAL_BELOW and rule.signal is not None:
        name, unit = _SIGNALS[rule.signal]
        return f"{name} < {rule.threshold:g} {unit}"
    if rule.kind is AlertKind.BANK_DOWN:
        return ""
    if rule.kind is AlertKind.AUTH_FAILURES:
        return f"≥ {rule.threshold:g} / {span(timedelta(seconds=rule.window_s or 0))}"
    return f"≥ {_figure(rule.kind, rule.threshold)}"


def _figure(kind: AlertKind, value: float | None, unit: str = "") -> str:
    if value is None or kind is AlertKind.BANK_DOWN:
        return ""
    if kind is AlertKind.CLIENT_OFFLINE:
        return span(timedelta(seconds=value))
    if kind in (AlertKind.POOL_UTILISATION_ABOVE, AlertKind.ALLOWANCE_REACHED):
        return f"{value:.0f} %"
    return f"{value:g} {unit}".rstrip()
