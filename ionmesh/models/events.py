"""What operators are told: events, and the webhooks that carry them to other systems."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ionmesh.models.base import Base, enum_column

_PENDING = text("state = 'pending'")
_REPORTED = text("type = 'client_reported'")


class EventType(StrEnum):
    """What can happen."""

    CLIENT_REGISTERED = "client_registered"
    CLIENT_UNREGISTERED = "client_unregistered"
    CLIENT_DISCONNECTED = "client_disconnected"
    CLIENT_RECOVERED = "client_recovered"
    CLIENT_EXPIRED = "client_expired"
    SLOT_REASSIGNED = "slot_reassigned"
    COMMAND_FINISHED = "command_finished"
    CLIENT_REPORTED = "client_reported"  # the client's own words about itself
    POOL_EXHAUSTED = "pool_exhausted"
    AUTH_FAILURES = "auth_failures"
    ALERT_FIRED = "alert_fired"
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    ALERT_RESOLVED = "alert_resolved"


class Severity(StrEnum):
    """How much an event matters to a person, in rising order; the names are those clients report."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class DeliveryState(StrEnum):
    """How far an event's way to a webhook has come."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # given up


class Event(Base):
    """One thing that happened to a client; written in the transaction that made it so."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_tenant", "tenant_id", "event_id"),
        Index("ix_events_client", "tenant_id", "client_id", "event_id"),
        Index("ix_events_reported", "tenant_id", "at", sqlite_where=_REPORTED, postgresql_where=_REPORTED),
    )

    event_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    at: Mapped[datetime]
    type: Mapped[EventType] = mapped_column(enum_column(EventType))
    severity: Mapped[Severity] = mapped_column(enum_column(Severity))
    client_id: Mapped[str] = mapped_column(String(128))
    """Whom it is about: a client, or what an alert names instead (`bank N`, `pool NAME`, `allowance N`)."""
    details: Mapped[dict[str, Any]]


class Webhook(Base):
    """An address of a tenant's that is told of events."""

    __tablename__ = "webhook_config"

    webhook_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    url: Mapped[str] = mapped_column(String(2048))
    sealed: Mapped[str] = mapped_column(Text)
    """`whsec_` and the base64 of the signing key, as `sealing.seal` keeps it."""
    events: Mapped[list[str]]
    """Event types it is told of; empty: all."""
    enabled: Mapped[bool]
    failures: Mapped[int]
    """Deliveries given up one after the other."""
    created_at: Mapped[datetime]


class WebhookDelivery(Base):
    """One event on its way to one webhook."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(
            "ix_webhook_deliveries_due",
            "next_attempt_at",
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        ),
        Index("ix_webhook_deliveries_webhook", "webhook_id", "created_at"),
    )

    delivery_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    webhook_id: Mapped[int] = mapped_column(ForeignKey("webhook_config.webhook_id", ondelete="CASCADE"))
    event_type: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[DeliveryState] = mapped_column(enum_column(DeliveryState))
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    last_status: Mapped[int | None]
    """HTTP status of the last attempt; None: there was no answer."""
    last_error: Mapped[str | None] = mapped_column(String(255))

    webhook: Mapped[Webhook] = relationship()
