"""Alert rules: what is looked at, and the usual ones to begin with. `alerting` evaluates them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ionmesh.errors import InvalidRequest, NotFound
from ionmesh.models import Alert, AlertKind, AlertRule, Severity, SignalMetric
from ionmesh.services import alerts, audit

# What most fleets want to know; thresholds of signal follow the bands people use (weak below -115 dBm RSRP).
_USUAL: tuple[dict[str, Any], ...] = (
    {
        "name": "Client offline",
        "kind": AlertKind.CLIENT_OFFLINE,
        "threshold": 600,
        "severity": Severity.ERROR,
    },
    {
        "name": "Weak signal",
        "kind": AlertKind.SIGNAL_BELOW,
        "signal": SignalMetric.RSRP,
        "threshold": -115,
        "hysteresis": 3,
        "for_s": 600,
        "severity": Severity.WARNING,
    },
    {
        "name": "KI pool nearly full",
        "kind": AlertKind.POOL_UTILISATION_ABOVE,
        "threshold": 90,
        "hysteresis": 5,
        "severity": Severity.WARNING,
    },
    {
        "name": "Authentication failures",
        "kind": AlertKind.AUTH_FAILURES,
        "threshold": 3,
        "window_s": 900,
        "severity": Severity.ERROR,
    },
    {
        "name": "Bank down",
        "kind": AlertKind.BANK_DOWN,
        "threshold": 0,
        "for_s": 60,
        "severity": Severity.CRITICAL,
    },
    {
        "name": "75 % of allowance",
        "kind": AlertKind.ALLOWANCE_REACHED,
        "threshold": 75,
        "severity": Severity.INFO,
    },
    {
        "name": "95 % of allowance",
        "kind": AlertKind.ALLOWANCE_REACHED,
        "threshold": 95,
        "severity": Severity.WARNING,
    },
    {
        "name": "Allowance used up",
        "kind": AlertKind.ALLOWANCE_REACHED,
        "threshold": 100,
        "severity": Severity.ERROR,
    },
)
THRESHOLDS = {
    AlertKind.CLIENT_OFFLINE: (30, 2_592_000),
    AlertKind.SIGNAL_BELOW: (-160, 60),
    AlertKind.POOL_UTILISATION_ABOVE: (1, 100),
    AlertKind.AUTH_FAILURES: (1, 1000),
    AlertKind.ALLOWANCE_REACHED: (1, 1000),
    AlertKind.BANK_DOWN: (0, 0),
}
"""The lowest and highest threshold of each kind, in the kind's unit."""


def listed(session: Session, tenant_id: int) -> Sequence[AlertRule]:
    """Return the tenant's rules by kind and threshold."""
    return session.scalars(
        select(AlertRule)
        .where(AlertRule.tenant_id == tenant_id)
        .order_by(AlertRule.kind, AlertRule.threshold, AlertRule.rule_id)
    ).all()


def find(session: Session, tenant_id: int, rule_id: int) -> AlertRule:
    """Return one rule. Raises NotFound."""
    rule = session.get(AlertRule, rule_id)
    if rule is None or rule.tenant_id != tenant_id:
        raise NotFound("no_rule", f"no alert rule {rule_id}")
    return rule


def create(session: Session, tenant_id: int, values: dict[str, Any], actor: str, now: datetime) -> AlertRule:
    """Create a rule of name, kind, threshold, severity, and what else the kind has.

    `signal` (SIGNAL_BELOW), `window_s` (AUTH_FAILURES), `hysteresis`, `for_s`, `enabled` and `muted_until`
    may be left out. Raises InvalidRequest for a threshold out of the kind's range or a part that is missing.
    """
    usual = {"signal": None, "hysteresis": 0, "for_s": 0, "window_s": None, "enabled": True}
    rule = AlertRule(**(usual | values), tenant_id=tenant_id, created_at=now)
    _check(rule)
    session.add(rule)
    session.flush()
    _record(session, rule, "alert_rule_created", actor, now)
    return rule


def change(
    session: Session, tenant_id: int, rule_id: int, values: dict[str, Any], actor: str, now: datetime
) -> AlertRule:
    """Change some of a rule's values, its kind excepted. Raises as `create` and `find`.

    `muted_until` mutes everything the rule raises until then; None ends that. Values that are as they were
    are no change.
    """
    rule = find(session, tenant_id, rule_id)
    others = {name: value for name, value in values.items() if value != getattr(rule, name)}
    for name, value in others.items():
        setattr(rule, name, value)
    _check(rule)
    if others:
        _record(session, rule, "alert_rule_changed", actor, now, changed=sorted(others))
    return rule


def delete(session: Session, tenant_id: int, rule_id: int, actor: str, now: datetime) -> None:
    """Delete a rule; its alerts end now and stay as history. Raises NotFound."""
    rule = find(session, tenant_id, rule_id)
    open_alerts = select(Alert).where(Alert.rule_id == rule_id, Alert.state.in_(alerts.OPEN))
    alerts.end(session, session.scalars(open_alerts).all(), now)
    session.flush()
    _record(session, rule, "alert_rule_deleted", actor, now)
    session.delete(rule)


def add_usual(
    session: Session,
    tenant_id: int,
    actor: str,
    now: datetime,
    kinds: Collection[AlertKind] = tuple(AlertKind),
) -> list[AlertRule]:
    """Add the usual rules of those kinds of which the tenant has none. Returns what was added."""
    present = {rule.kind for rule in listed(session, tenant_id)}
    return [
        create(session, tenant_id, values, actor, now)
        for values in _USUAL
        if values["kind"] in kinds and values["kind"] not in present
    ]


def _check(rule: AlertRule) -> None:
    low, high = THRESHOLDS[rule.kind]
    if not low <= rule.threshold <= high:
        raise InvalidRequest("bad_threshold", f"threshold of {rule.kind.value} is {low}..{high}")
    if (rule.signal is not None) != (rule.kind is AlertKind.SIGNAL_BELOW):
        raise InvalidRequest("bad_signal", "signal belongs to signal_below, which needs one")
    if (rule.window_s is not None) != (rule.kind is AlertKind.AUTH_FAILURES):
        raise InvalidRequest("bad_window", "window_s belongs to auth_failures, which needs one")


def _record(
    session: Session, rule: AlertRule, action: str, actor: str, now: datetime, **details: object
) -> None:
    audit.record(
        session,
        tenant_id=rule.tenant_id,
        actor=actor,
        action=action,
        subject=f"alert rule {rule.rule_id}",
        now=now,
        name=rule.name,
        **details,
    )
