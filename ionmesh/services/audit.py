"""Writing the audit log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from ionmesh.models import AuditEntry


def record(
    session: Session,
    *,
    tenant_id: int | None,
    actor: str,
    action: str,
    subject: str,
    now: datetime,
    **details: object,
) -> None:
    """Add one entry to the transaction at hand; details must be JSON values and no secrets."""
    session.add(
        AuditEntry(
            tenant_id=tenant_id, at=now, actor=actor, action=action, subject=subject, details=dict(details)
        )
    )
