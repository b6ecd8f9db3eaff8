"""The audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ionmesh.db import Addition
from ionmesh.models import AuditEntry
from ionmesh.services import events
from ionmesh.services.events import Happening

CLI = "cli"
"""The actor of what is done with the command line, whose user is not known."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry to be; details are JSON values and no secrets."""

    tenant_id: int | None
    actor: str
    action: str
    subject: str
    details: dict[str, Any] = field(default_factory=dict)


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
    entry = Entry(tenant_id, actor, action, subject, details)
    for model, values in rows(session, [entry], now):
        session.add_all(model(**row) for row in values)


def rows(session: Session, entries: Sequence[Entry], now: datetime) -> list[Addition]:
    """Return the rows of the entries, and those of the events and deliveries that come with them."""
    happenings = []
    for entry in entries:
        kind = events.OF_ACTION.get(entry.action)
        if kind is not None and entry.tenant_id is not None:
            happenings.append(Happening(entry.tenant_id, *kind, entry.subject, entry.details))
    return [(AuditEntry, [_row(entry, now) for entry in entries]), *events.rows(session, happenings, now)]


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


def _row(entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "tenant_id": entry.tenant_id,
        "at": now,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "details": entry.details,
    }
