"""The audit log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ionmesh.models import AuditEntry
from ionmesh.services import events


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
    """Add one entry to the transaction at hand; details must be JSON values and no secrets.

    What operators are told of becomes an event in the same transaction.
    """
    session.add(
        AuditEntry(
            tenant_id=tenant_id, at=now, actor=actor, action=action, subject=subject, details=dict(details)
        )
    )
    kind = events.OF_ACTION.get(action)
    if kind is not None and tenant_id is not None:
        events.emit(session, tenant_id, kind, subject, dict(details), now)


def entries(
    session: Session,
    tenant_id: int,
    *,
    action: str | None = None,
    subject: str | None = None,
    offset: int,
    limit: int,
) -> tuple[Sequence[AuditEntry], int]:
    """Return one page of the tenant's entries, newest first, and how many there are in all."""
    conditions = [AuditEntry.tenant_id == tenant_id]
    if action is not None:
        conditions.append(AuditEntry.action == action)
    if subject is not None:
        conditions.append(AuditEntry.subject == subject)
    total = session.scalar(select(func.count()).select_from(AuditEntry).where(*conditions)) or 0
    page = session.scalars(
        select(AuditEntry).where(*conditions).order_by(AuditEntry.entry_id.desc()).offset(offset).limit(limit)
    ).all()
    return page, total
