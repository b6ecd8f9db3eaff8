"""Webhooks: whom to tell, the queue of deliveries, and the signature (Standard Webhooks 1.0)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from ionmesh.addresses import is_public
from ionmesh.errors import InvalidRequest, NotFound
from ionmesh.models import DeliveryState, Webhook, WebhookDelivery
from ionmesh.sealing import seal
from ionmesh.services import audit, events, figures
from ionmesh.services.figures import Name

_SECRET_MARK = "whsec_"  # noqa: S105  the mark of a secret, not one
_SECRET_BYTES = 24
# Waits between the eight attempts, about a day in all.
_WAITS = tuple(timedelta(seconds=s) for s in (5, 60, 300, 1800, 7200, 21_600, 54_000))
# A receiver may take as long as the sender's timeout; who took a delivery and died is found out by then.
_LEASE = timedelta(minutes=2)
_GIVE_UP_AFTER = 5
_ERROR_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending: an HTTP status, or the reason there is none."""

    status: int | None
    error: str | None

    @property
    def good(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


def sign(secret: str, delivery_id: str, timestamp: int, body: str) -> str:
    """Return the value of webhook-signature: HMAC-SHA-256 over `id.timestamp.body`, base64, version 1."""
    key = base64.b64decode(secret.removeprefix(_SECRET_MARK))
    digest = hmac.new(key, f"{delivery_id}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def check_url(url: str, *, private_allowed: bool) -> None:
    """Raise InvalidRequest unless the URL can be one of a webhook's. Names are looked up at sending only."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidRequest("bad_url", "url is not a URL") from error
    if parts.scheme not in ({"http", "https"} if private_allowed else {"https"}):
        raise InvalidRequest("bad_url", "url must be https")
    if not parts.hostname or port == 0 or parts.username is not None or parts.fragment:
        raise InvalidRequest("bad_url", "url must have a host, and neither user nor fragment")
    if not url.isascii() or any(letter <= " " for letter in url):
        raise InvalidRequest("bad_url", "url must be plain ASCII without spaces")
    literal = parts.hostname.replace(".", "").isdigit() or ":" in parts.hostname
    if not private_allowed and (
        (literal and not is_public(parts.hostname)) or parts.hostname.endswith(("localhost", ".local"))
    ):
        raise InvalidRequest("bad_url", "url points into a private network")


def listed(session: Session, tenant_id: int) -> Sequence[Webhook]:
    """Return the tenant's webhooks."""
    return session.scalars(
        select(Webhook).where(Webhook.tenant_id == tenant_id).order_by(Webhook.webhook_id)
    ).all()


def find(session: Session, tenant_id: int, webhook_id: int) -> Webhook:
    """Return one webhook. Raises NotFound."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None or webhook.tenant_id != tenant_id:
        raise NotFound("no_webhook", f"no webhook {webhook_id}")
    return webhook


def create(
    session: Session,
    tenant_id: int,
    url: str,
    event_types: Sequence[str],
    actor: str,
    now: datetime,
    pepper: str = "",
) -> tuple[Webhook, str]:
    """Create a webhook. Returns it with the secret its deliveries are signed with, which is kept sealed.

    `check_url` is the caller's.
    """
    secret = _SECRET_MARK + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    webhook = Webhook(
        tenant_id=tenant_id,
        url=url,
        sealed=seal(secret, pepper),
        events=list(event_types),
        enabled=True,
        failures=0,
        created_at=now,
    )
    session.add(webhook)
    session.flush()
    _record(session, webhook, "webhook_created", actor, now)
    return webhook, secret


def change(
    session: Session, tenant_id: int, webhook_id: int, values: dict[str, Any], actor: str, now: datetime
) -> Webhook:
    """Change url, events or enabled. Raises NotFound."""
    webhook = find(session, tenant_id, webhook_id)
    for name, value in values.items():
        setattr(webhook, name, value)
    if values.get("enabled"):
        webhook.failures = 0
    _record(session, webhook, "webhook_changed", actor, now)
    return webhook


def delete(session: Session, tenant_id: int, webhook_id: int, actor: str, now: datetime) -> None:
    """Delete a webhook with its deliveries. Raises NotFound."""
    webhook = find(session, tenant_id, webhook_id)
    _record(session, webhook, "webhook_deleted", actor, now)
    session.delete(webhook)


def test(session: Session, tenant_id: int, webhook_id: int, now: datetime) -> WebhookDelivery:
    """Queue a delivery that says nothing but that it is a test. Raises NotFound."""
    queued = events.delivery(find(session, tenant_id, webhook_id), "test", {}, now)
    session.add(queued)
    return queued


def deliveries(session: Session, webhook: Webhook, limit: int) -> Sequence[WebhookDelivery]:
    """Return a webhook's latest deliveries, newest first."""
    return session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook.webhook_id)
        .order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.delivery_id)
        .limit(limit)
    ).all()


def take_due(session: Session, now: datetime, limit: int) -> Sequence[WebhookDelivery]:
    """Take deliveries that are due, so that no other process sends them while this one does."""
    due = session.scalars(
        select(WebhookDelivery)
        .join(WebhookDelivery.webhook)
        .where(
            WebhookDelivery.state == DeliveryState.PENDING,
            WebhookDelivery.next_attempt_at <= now,
            Webhook.enabled,
        )
        .options(joinedload(WebhookDelivery.webhook))
        .order_by(WebhookDelivery.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=WebhookDelivery)
    ).all()
    for delivery in due:
        delivery.next_attempt_at = now + _LEASE
    return due


def settle(session: Session, delivery_id: str, attempt: Attempt, jitter: float, now: datetime) -> None:
    """Note what came of an attempt; a failed one is repeated later, `jitter` (0..1) adds up to a fifth.

    A webhook that let several deliveries in a row run out is disabled.
    """
    delivery = session.get(WebhookDelivery, delivery_id, options=[joinedload(WebhookDelivery.webhook)])
    if delivery is None:
        return
    delivery.attempts += 1
    delivery.last_status = attempt.status
    delivery.last_error = attempt.error[:_ERROR_LENGTH] if attempt.error else None
    webhook = delivery.webhook
    if attempt.good:
        delivery.state, result = DeliveryState.DELIVERED, "delivered"
        webhook.failures = 0
    elif delivery.attempts <= len(_WAITS):
        delivery.next_attempt_at = now + _WAITS[delivery.attempts - 1] * (1 + jitter / 5)
        result = "retried"
    else:
        delivery.state, result = DeliveryState.FAILED, "failed"
        webhook.failures += 1
        if webhook.failures >= _GIVE_UP_AFTER and webhook.enabled:
            webhook.enabled = False
            _record(session, webhook, "webhook_disabled", "worker", now)
    figures.count(session, Name.WEBHOOK_DELIVERIES, result)


def _record(session: Session, webhook: Webhook, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        tenant_id=webhook.tenant_id,
        actor=actor,
        action=action,
        subject=f"webhook {webhook.webhook_id}",
        now=now,
        host=urlsplit(webhook.url).hostname,
    )
