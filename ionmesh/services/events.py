"""Events: written with the change they tell of, together with their way to every webhook that wants them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ionmesh.clock import rfc3339
from ionmesh.db import Addition, add_rows
from ionmesh.models import DeliveryState, Event, EventType, Severity, Webhook, WebhookDelivery

# What the audit log records and operators are told too.
OF_ACTION = {
    "client_registered": (EventType.CLIENT_REGISTERED, Severity.INFO),
    "client_unregistered": (EventType.CLIENT_UNREGISTERED, Severity.INFO),
    "client_offline": (EventType.CLIENT_DISCONNECTED, Severity.WARNING),
    "client_recovered": (EventType.CLIENT_RECOVERED, Severity.INFO),
    "client_expired": (EventType.CLIENT_EXPIRED, Severity.WARNING),
    "client_moved": (EventType.SLOT_REASSIGNED, Severity.INFO),
    "command_finished": (EventType.COMMAND_FINISHED, Severity.INFO),
    "pool_exhausted": (EventType.POOL_EXHAUSTED, Severity.WARNING),
    "auth_failures": (EventType.AUTH_FAILURES, Severity.WARNING),
    "alert_acknowledged": (EventType.ALERT_ACKNOWLEDGED, Severity.INFO),
}
# With how many of its own latest reports what a client tells is compared.
_COMPARED = 100


@dataclass(frozen=True, slots=True)
class Happening:
    """One event to be."""

    tenant_id: int
    type: EventType
    severity: Severity
    client_id: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What a client says happened to it."""

    at: datetime
    """By the client's clock."""
    kind: str
    severity: Severity
    subject: str
    """The modem, link or part it is about."""
    text: str

    def details(self) -> dict[str, Any]:
        """Return the report as the details of its event."""
        return {
            "at": rfc3339(self.at),
            "kind": self.kind,
            "subject": self.subject,
            "text": self.text,
        }


def rows(session: Session, happenings: Sequence[Happening], now: datetime) -> list[Addition]:
    """Return the rows of the events, and of a delivery for each webhook that listens to one."""
    if not happenings:
        return []
    tenant_ids = {happening.tenant_id for happening in happenings}
    listening = select(Webhook).where(Webhook.tenant_id.in_(tenant_ids), Webhook.enabled)
    deliveries = [
        _delivery(webhook, happening.type.value, {"client_id": happening.client_id, **happening.details}, now)
        for webhook in session.scalars(listening)
        for happening in happenings
        if webhook.tenant_id == happening.tenant_id
        and (not webhook.events or happening.type.value in webhook.events)
    ]
    return [(Event, [_event(happening, now) for happening in happenings]), (WebhookDelivery, deliveries)]


def record_reported_events(
    session: Session,
    tenant_id: int,
    client_id: str,
    reports: Sequence[Report],
    now: datetime,
    *,
    left_out: int = 0,
) -> int:
    """Add an event of each report, oldest first. Returns how many were news.

    A client whose heartbeat was not answered tells the same again: what is among its latest events already
    is not added. `left_out` is how many older reports the client did not tell.
    """
    if not reports:
        return 0
    latest_reports = session.scalars(
        select(Event.details)
        .where(
            Event.tenant_id == tenant_id,
            Event.client_id == client_id,
            Event.type == EventType.CLIENT_REPORTED,
        )
        .order_by(Event.event_id.desc())
        .limit(_COMPARED)
    )
    known = [
        {name: value for name, value in details.items() if name != "left_out"} for details in latest_reports
    ]
    news = [report for report in reports if report.details() not in known]
    happenings = [
        Happening(tenant_id, EventType.CLIENT_REPORTED, report.severity, client_id, report.details())
        for report in news
    ]
    if happenings and left_out:
        happenings[0].details["left_out"] = left_out
    add_rows(session, rows(session, happenings, now))
    return len(news)


def delivery(webhook: Webhook, event_type: str, data: dict[str, Any], now: datetime) -> WebhookDelivery:
    """Return a delivery that is due at once."""
    return WebhookDelivery(**_delivery(webhook, event_type, data, now))


def after(
    session: Session, tenant_id: int, event_id: int, *, limit: int, since: datetime | None = None
) -> Sequence[Event]:
    """Return the tenant's events with larger numbers, oldest first.

    Numbers are given before transactions end, so a smaller one can appear later: `since` includes events
    from that moment on whatever their number.
    """
    newer = Event.event_id > event_id
    return session.scalars(
        select(Event)
        .where(Event.tenant_id == tenant_id, newer if since is None else newer | (Event.at >= since))
        .order_by(Event.event_id)
        .limit(limit)
    ).all()


def latest(session: Session, tenant_id: int, *, client_id: str | None, limit: int) -> Sequence[Event]:
    """Return the tenant's latest events, newest first."""
    query = select(Event).where(Event.tenant_id == tenant_id)
    if client_id is not None:
        query = query.where(Event.client_id == client_id)
    return session.scalars(query.order_by(Event.event_id.desc()).limit(limit)).all()


def _event(happening: Happening, now: datetime) -> dict[str, Any]:
    return {
        "tenant_id": happening.tenant_id,
        "at": now,
        "type": happening.type,
        "severity": happening.severity,
        "client_id": happening.client_id,
        "details": happening.details,
    }


def _delivery(webhook: Webhook, event_type: str, data: dict[str, Any], now: datetime) -> dict[str, Any]:
    document = {"type": event_type, "timestamp": rfc3339(now), "data": data}
    return {
        "delivery_id": str(uuid.uuid4()),
        "webhook_id": webhook.webhook_id,
        "event_type": event_type,
        "body": json.dumps(document, separators=(",", ":")),
        "state": DeliveryState.PENDING,
        "attempts": 0,
        "created_at": now,
        "next_attempt_at": now,
    }
