"""Alerts that rules raised: looking at them, acknowledging, muting."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ionmesh.db import add_rows
from ionmesh.errors import Conflict, InvalidRequest, NotFound
from ionmesh.models import Alert, AlertMute, AlertState, EventType, Severity
from ionmesh.services import audit, events
from ionmesh.services.events import Happening

_KEPT = timedelta(days=365)
OPEN = (AlertState.PENDING, AlertState.FIRING)


def listed(
    session: Session,
    tenant_id: int,
    *,
    states: Collection[AlertState] = (AlertState.FIRING,),
    subject: str | None = None,
    acknowledged: bool | None = None,
    offset: int = 0,
    limit: int = 100,
) -> tuple[Sequence[Alert], int]:
    """Return one page of the tenant's alerts, newest first, and how many there are in all.

    FIRING is what is wrong now, RESOLVED the history. `subject` is a client_id, or `bank N` and so on.
    """
    conditions = [Alert.tenant_id == tenant_id, Alert.state.in_(states)]
    if subject is not None:
        conditions.append(Alert.subject == subject)
    if acknowledged is not None:
        known = Alert.acknowledged_at.is_not(None)
        conditions.append(known if acknowledged else ~known)
    total = session.scalar(select(func.count()).select_from(Alert).where(*conditions)) or 0
    page = session.scalars(
        select(Alert).where(*conditions).order_by(Alert.alert_id.desc()).offset(offset).limit(limit)
    ).all()
    return page, total


def firing(session: Session, tenant_id: int) -> dict[Severity, int]:
    """Return how many alerts fire that nobody has acknowledged, by severity."""
    counted = session.execute(
        select(Alert.severity, func.count())
        .where(
            Alert.tenant_id == tenant_id,
            Alert.state == AlertState.FIRING,
            Alert.acknowledged_at.is_(None),
        )
        .group_by(Alert.severity)
    )
    return dict.fromkeys(Severity, 0) | {row[0]: row[1] for row in counted}


def find(session: Session, tenant_id: int, alert_id: int) -> Alert:
    """Return one alert. Raises NotFound."""
    alert = session.get(Alert, alert_id)
    if alert is None or alert.tenant_id != tenant_id:
        raise NotFound("no_alert", f"no alert {alert_id}")
    return alert


def acknowledge(session: Session, tenant_id: int, alert_id: int, actor: str, now: datetime) -> Alert:
    """Note that somebody knows of a firing alert. Raises NotFound, Conflict when it does not fire (any more).

    Who did so first stays.
    """
    alert = find(session, tenant_id, alert_id)
    if alert.state is not AlertState.FIRING:
        raise Conflict("alert_over", f"the alert is {alert.state.value}")
    if alert.acknowledged_at is None:
        alert.acknowledged_at, alert.acknowledged_by = now, actor
        audit.record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action="alert_acknowledged",
            subject=alert.subject,
            now=now,
            **describe(alert),
            by=actor,
        )
    return alert


def mutes(session: Session, tenant_id: int, now: datetime) -> Sequence[AlertMute]:
    """Return the subjects that are muted, the first to end first."""
    return session.scalars(
        select(AlertMute)
        .where(AlertMute.tenant_id == tenant_id, AlertMute.until > now)
        .order_by(AlertMute.until)
    ).all()


def mute(
    session: Session, tenant_id: int, subject: str, until: datetime, actor: str, now: datetime
) -> AlertMute:
    """Tell nobody of a subject's alerts until then; an earlier mute of it is replaced.

    The alerts are there all the same; one that still fires when the mute ends is told then. Raises
    InvalidRequest for an end that is past.
    """
    if until <= now:
        raise InvalidRequest("bad_until", "until is past")
    found = session.scalar(
        select(AlertMute).where(AlertMute.tenant_id == tenant_id, AlertMute.subject == subject)
    )
    if found is None:
        found = AlertMute(tenant_id=tenant_id, subject=subject)
        session.add(found)
    found.until, found.created_by, found.created_at = until, actor, now
    session.flush()
    _note_mute(session, found, "alerts_muted", actor, now)
    return found


def unmute(session: Session, tenant_id: int, mute_id: int, actor: str, now: datetime) -> None:
    """End a mute before its time. Raises NotFound."""
    found = session.get(AlertMute, mute_id)
    if found is None or found.tenant_id != tenant_id:
        raise NotFound("no_mute", f"no mute {mute_id}")
    _note_mute(session, found, "alerts_unmuted", actor, now)
    session.delete(found)


def end(session: Session, ended: Iterable[Alert], now: datetime) -> list[Alert]:
    """End alerts: one that never fired leaves no trace, who was told of one is told that it is over.

    Returns those that had been told.
    """
    told = []
    for alert in ended:
        if alert.state is AlertState.PENDING:
            session.delete(alert)
            continue
        alert.state, alert.resolved_at = AlertState.RESOLVED, now
        if alert.told:
            told.append(alert)
    tell(session, EventType.ALERT_RESOLVED, told, now)
    return told


def tell(session: Session, event_type: EventType, told: Sequence[Alert], now: datetime) -> None:
    """Add an event of each alert, with its way to the webhooks that want it. They must be in the database."""
    over = event_type is EventType.ALERT_RESOLVED
    happenings = [
        Happening(
            alert.tenant_id,
            event_type,
            Severity.INFO if over else alert.severity,
            alert.subject,
            describe(alert),
        )
        for alert in told
    ]
    add_rows(session, events.rows(session, happenings, now))


def drop_old(session: Session, now: datetime) -> None:
    """Delete alerts that have been over for a year, and mutes that ended."""
    for statement in (
        delete(Alert).where(Alert.state == AlertState.RESOLVED, Alert.resolved_at < now - _KEPT),
        delete(AlertMute).where(AlertMute.until <= now),
    ):
        session.execute(statement.execution_options(synchronize_session=False))


def describe(alert: Alert) -> dict[str, Any]:
    """Return an alert as the details of its events."""
    return {
        "alert_id": alert.alert_id,
        "rule": alert.rule_name,
        "kind": alert.kind.value,
        "severity": alert.severity.value,
        "value": alert.value,
    }


def _note_mute(session: Session, found: AlertMute, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        tenant_id=found.tenant_id,
        actor=actor,
        action=action,
        subject=found.subject,
        now=now,
        until=found.until.isoformat(),
    )
