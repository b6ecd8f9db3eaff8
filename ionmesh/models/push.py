"""Web push: the browsers that want to be told, and what is on its way to them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ionmesh.models.base import Base, enum_column
from ionmesh.models.events import Severity


class PushSubscription(Base):
    """One browser of one person, as its PushManager described it (W3C Push API)."""

    __tablename__ = "push_subscriptions"
    __table_args__ = (Index("ix_push_subscriptions_tenant", "tenant_id"),)

    subscription_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    """Whose browser it is; None: it was added with an API key."""
    endpoint: Mapped[str] = mapped_column(String(2048), unique=True)
    p256dh: Mapped[str] = mapped_column(String(100))
    """The browser's public key, base64url."""
    auth: Mapped[str] = mapped_column(String(32))
    """The secret shared with the browser, base64url."""
    min_severity: Mapped[Severity] = mapped_column(enum_column(Severity))
    created_at: Mapped[datetime]
    last_sent_at: Mapped[datetime | None]
    failures: Mapped[int]
    """Messages given up one after the other."""


class PushMessage(Base):
    """One message on its way to one browser; gone once it is sent or given up."""

    __tablename__ = "push_messages"
    __table_args__ = (Index("ix_push_messages_due", "next_attempt_at"),)

    message_id: Mapped[int] = mapped_column(primary_key=True)
    subscription_id: Mapped[int] = mapped_column(
        ForeignKey("push_subscriptions.subscription_id", ondelete="CASCADE")
    )
    body: Mapped[str] = mapped_column(Text)
    urgency: Mapped[str] = mapped_column(String(16))
    topic: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime]

    subscription: Mapped[PushSubscription] = relationship()
