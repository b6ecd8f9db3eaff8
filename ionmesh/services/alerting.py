"""Evaluating alert rules: one statement a rule says what is wrong now, a pure function what that means.

A rule's statement returns every subject that is beyond the threshold, or beyond it but for the hysteresis;
whoever it does not return is well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from ionmesh.db import add_rows
from ionmesh.models import (
    Alert,
    AlertKind,
    AlertMute,
    AlertRule,
    AlertState,
    Bank,
    ClientSeries,
    ClientState,
    Connectivity,
    Event,
    EventType,
    ProfileStatus,
    ServiceProfile,
    SignalMetric,
)
from ionmesh.services import alerts, allowance, liveness, pools, push
from ionmesh.services.push import Notice

AUTH_FAILURE = "auth_failure"
"""The kind under which clients report that a card refused the network's challenge."""
# Where bytes cost money clients report their signal twice an hour.
_SIGNAL_FRESH = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """A subject a rule's statement returned; `value` in the threshold's unit, None: the rule has none."""

    value: float | None
    holds: bool
    """Whether it is beyond the threshold itself, not only within the hysteresis."""


def decide(
    state: AlertState | None, since: datetime, for_s: int, seen: Seen | None, now: datetime
) -> AlertState | None:
    """Return the state of a subject's alert after a look; None: it has none.

    `state` and `since` are those of the open alert (`since` is `now` without one); `seen` None: it is well.
    """
    if seen is None:
        return AlertState.RESOLVED if state is AlertState.FIRING else None
    if state is AlertState.FIRING:
        return AlertState.FIRING
    if not seen.holds:
        return None
    held_long_enough = now - since >= timedelta(seconds=for_s)
    return AlertState.FIRING if held_long_enough else AlertState.PENDING


def evaluate(session: Session, now: datetime) -> int:
    """Look at every rule of every tenant once; returns how many alerts people were told of.

    Each change is an event, and browsers get one message a rule and change, however many alerts it is. The
    alerts of a disabled rule end. Nobody is told of a muted alert before the mute ends.
    """
    open_alerts: dict[int | None, dict[str, Alert]] = {}
    for alert in session.scalars(select(Alert).where(Alert.state.in_(alerts.OPEN))):
        open_alerts.setdefault(alert.rule_id, {})[alert.subject] = alert
    rules = session.scalars(select(AlertRule).order_by(AlertRule.rule_id)).all()
    new: list[dict[str, Any]] = []
    ended: list[Alert] = []
    for rule in rules:
        seen = _LOOKS[rule.kind](session, rule, now) if rule.enabled else {}
        known = open_alerts.get(rule.rule_id, {})
        new += _unknown(rule, known, seen, now)
        ended += _settle(rule, known, seen, now)
    over = alerts.end(session, ended, now)
    session.flush()
    add_rows(session, [(Alert, new)])
    begun = _to_be_told(session, rules, now)
    for alert in begun:
        alert.told = True
    alerts.tell(session, EventType.ALERT_FIRED, begun, now)
    _announce(session, begun, "firing", now)
    _announce(session, over, "resolved", now)
    return len(begun) + len(over)


def _unknown(
    rule: AlertRule, known: Mapping[str, Alert], seen: Mapping[str, Seen], now: datetime
) -> Iterator[dict[str, Any]]:
    """Return the rows of alerts that begin now."""
    for subject, found in seen.items():
        state = None if subject in known else decide(None, now, rule.for_s, found, now)
        if state is not None:
            yield {
                "tenant_id": rule.tenant_id,
                "rule_id": rule.rule_id,
                "rule_name": rule.name,
                "kind": rule.kind,
                "severity": rule.severity,
                "subject": subject,
                "state": state,
                "value": found.value,
                "since": now,
                "fired_at": now if state is AlertState.FIRING else None,
                "told": False,
            }


def _settle(
    rule: AlertRule, known: Mapping[str, Alert], seen: Mapping[str, Seen], now: datetime
) -> Iterator[Alert]:
    """Bring alerts that were open before to what was seen. Returns those that are to end."""
    for subject, alert in known.items():
        found = seen.get(subject)
        state = decide(alert.state, alert.since, rule.for_s, found, now)
        if found is None or state is None:
            yield alert
            continue
        alert.value = found.value
        if state is AlertState.FIRING and alert.fired_at is None:
            alert.state, alert.fired_at = state, now


def _to_be_told(session: Session, rules: Iterable[AlertRule], now: datetime) -> list[Alert]:
    muted = _muted(session, now)
    muted_rules = {rule.rule_id for rule in rules if rule.muted_until is not None and rule.muted_until > now}
    firing = select(Alert).where(Alert.state == AlertState.FIRING, Alert.told.is_(False))
    return [
        alert
        for alert in session.scalars(firing.order_by(Alert.alert_id))
        if alert.rule_id not in muted_rules and (alert.tenant_id, alert.subject) not in muted
    ]


def _muted(session: Session, now: datetime) -> set[tuple[int, str]]:
    rows = session.execute(select(AlertMute.tenant_id, AlertMute.subject).where(AlertMute.until > now))
    return {(row.tenant_id, row.subject) for row in rows}


def _announce(session: Session, told: Iterable[Alert], state: str, now: datetime) -> None:
    counted = Counter((alert.tenant_id, alert.rule_id, alert.kind, alert.severity) for alert in told)
    for (tenant_id, rule_id, kind, severity), count in counted.items():
        topic = f"rule-{rule_id}"
        push.announce(session, tenant_id, Notice(kind.value, state, severity, count, topic), now)


def _clients_offline(session: Session, rule: AlertRule, now: datetime) -> dict[str, Seen]:
    rows = session.execute(
        select(
            ServiceProfile.client_id,
            ClientState.last_heartbeat,
            func.coalesce(ClientState.reported_interval_s, ServiceProfile.heartbeat_interval_s, 0),
        )
        .join(ClientState, ClientState.profile_id == ServiceProfile.profile_id)
        .where(
            ServiceProfile.tenant_id == rule.tenant_id,
            ServiceProfile.status == ProfileStatus.ACTIVE,
            ClientState.last_heartbeat <= now - timedelta(seconds=rule.threshold),
        )
    )
    return {
        # The silence itself grows with every look; what is kept of it is when it was noticed.
        client_id: Seen(None, holds=True)
        for client_id, last_heartbeat, interval_s in rows
        # A client whose own interval is long gets three of it, as everywhere.
        if last_heartbeat is not None
        and now - last_heartbeat >= liveness.offline_after(int(rule.threshold), interval_s)
    }


def _signal_below(session: Session, rule: AlertRule, now: datetime) -> dict[str, Seen]:
    column = getattr(ClientSeries, (rule.signal or SignalMetric.RSRP).value)
    rows = session.execute(
        select(ClientSeries.client_id, column)
        .join(
            ServiceProfile,
            and_(
                ServiceProfile.tenant_id == ClientSeries.tenant_id,
                ServiceProfile.client_id == ClientSeries.client_id,
                ServiceProfile.status == ProfileStatus.ACTIVE,
            ),
        )
        .join(ClientState, ClientState.profile_id == ServiceProfile.profile_id)
        .where(
            ClientSeries.tenant_id == rule.tenant_id,
            ClientState.connectivity == Connectivity.ONLINE,
            ClientSeries.sampled_at > now - _SIGNAL_FRESH,
            column < rule.threshold + rule.hysteresis,
        )
    )
    return {client_id: Seen(value, holds=value < rule.threshold) for client_id, value in rows}


def _pools_above(session: Session, rule: AlertRule, now: datetime) -> dict[str, Seen]:
    usage = pools.usage(session, rule.tenant_id)
    shares = {f"pool {pool.pool_name}": 100 * used / pools.capacity(pool) for pool, used in usage}
    return _at_least(shares, rule)


def _auth_failures(session: Session, rule: AlertRule, now: datetime) -> dict[str, Seen]:
    rows = session.execute(
        select(Event.client_id, func.count())
        .where(
            Event.tenant_id == rule.tenant_id,
            Event.type == EventType.CLIENT_REPORTED,
            Event.at > now - timedelta(seconds=rule.window_s or 0),
            Event.details["kind"].as_string() == AUTH_FAILURE,
        )
        .group_by(Event.client_id)
    )
    return _at_least({client_id: float(number) for client_id, number in rows}, rule)


def _allowances_reached(session: Session, rule: AlertRule, now: datetime) -> dict[str, Seen]:
    least = max(0.0, rule.threshold - rule.hysteresis)
    usages = allowance.limited_usage(session, rule.tenant_id, now, at_least_percent=least)
    return _at_least({f"allowance {usage.allowance_id}": usage.percent or 0.0 for usage in usages}, rule)


def _banks_down(session: Session, rule: AlertRule, now: datetime) -> dict[str, Seen]:
    down = select(Bank.bank_id).where(
        or_(Bank.tenant_id == rule.tenant_id, Bank.tenant_id.is_(None)), Bank.bankd_connected.is_(False)
    )
    return {f"bank {bank_id}": Seen(None, holds=True) for bank_id in session.scalars(down)}


def _at_least(values: Mapping[str, float], rule: AlertRule) -> dict[str, Seen]:
    return {
        subject: Seen(value, holds=value >= rule.threshold)
        for subject, value in values.items()
        if value >= rule.threshold - rule.hysteresis
    }


_LOOKS: dict[AlertKind, Callable[[Session, AlertRule, datetime], dict[str, Seen]]] = {
    AlertKind.CLIENT_OFFLINE: _clients_offline,
    AlertKind.SIGNAL_BELOW: _signal_below,
    AlertKind.POOL_UTILISATION_ABOVE: _pools_above,
    AlertKind.AUTH_FAILURES: _auth_failures,
    AlertKind.ALLOWANCE_REACHED: _allowances_reached,
    AlertKind.BANK_DOWN: _banks_down,
}
