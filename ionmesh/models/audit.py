"""The audit log: who did what, written in the transaction that did it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ionmesh.models.base import Base


class AuditEntry(Base):
    """One thing that happened; rows are only ever added."""

    __tablename__ = "gl_audit_log"
    __table_args__ = (Index("ix_gl_audit_log_subject", "tenant_id", "subject"),)

    entry_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.tenant_id"))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(160))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(160))
    details: Mapped[dict[str, Any]]
