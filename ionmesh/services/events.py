"""Events: written with the change they tell of, together with their way to every webhook that wants them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ionmesh.clock import rfc3339
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
}


def emit(
    session: Session,
    tenant_id: int,
    kind: tuple[EventType, Severity],
    client_id: str,
    details: dict[str, Any],
    now: datetime,
) -> None:
    """Add the event, and a delivery for each webhook of the tenant that listens to its type."""
    event_type, severity = kind
    session.add(
        Event(
            tenant_id=tenant_id,
            at=now,
            type=event_type,
            severity=severity,
            client_id=client_id,
            details=details,
        )
    )
    listening = select(Webhook).where(Webhook.tenant_id == tenant_id, Webhook.enabled)
    for webhook in session.scalars(listening):
        if not webhook.events or event_type.value in webhook.events:
            session.add(delivery(webhook, event_type.value, {"client_id": client_id, **details}, now))


def delivery(webhook: Webhook, event_type: str, data: dict[str, Any], now: datetime) -> WebhookDelivery:
    """Return a delivery that is due at once."""
    document = {"type": event_type, "timestamp": rfc3339(now), "data": data}
    return WebhookDelivery(
        delivery_id=str(uuid.uuid4()),
        webhook_id=webhook.webhook_id,
        event_type=event_type,
        body=json.dumps(document, separators=(",", ":")),
        state=DeliveryState.PENDING,
        attempts=0,
        created_at=now,
        next_attempt_at=now,
    )


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
