"""Who had which slot, from when to when: read from the audit log, which every assignment is written to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from ionmesh.models import AuditEntry

_BEGINS = ("client_registered", "client_moved")
_ENDS = ("client_unregistered", "client_expired")

Place = tuple[int, int]
"""bank_id, slot_id."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One client's time with one slot; `until` and `ended_by` None: it still has it."""

    client_id: str
    bank_id: int
    slot_id: int
    since: datetime
    begun_by: str
    """`client_registered` or `client_moved`, as in the audit log."""
    until: datetime | None = None
    ended_by: str | None = None
    """`client_moved`, `client_unregistered` or `client_expired`."""


def of_slot(session: Session, tenant_id: int, place: Place, limit: int = 100) -> list[Holding]:
    """Return who of the tenant's clients had a slot, the latest first."""
    told = or_(_names(place, ""), _names(place, "from_"))
    holdings = fold(_entries(session, tenant_id, told))
    return _latest((held for held in holdings if (held.bank_id, held.slot_id) == place), limit)


def of_client(session: Session, tenant_id: int, client_id: str, limit: int = 100) -> list[Holding]:
    """Return which slots a client had, the latest first."""
    return _latest(fold(_entries(session, tenant_id, AuditEntry.subject == client_id)), limit)


def fold(entries: Iterable[AuditEntry]) -> Iterator[Holding]:
    """Turn audit entries, oldest first, into holdings in the order of their end; those that last come last.

    Where the end is not in the entries, as when they are another slot's, the begin of the same client's next
    holding ends it.
    """
    held: dict[str, Holding] = {}
    for entry in entries:
        earlier = held.pop(entry.subject, None)
        if earlier is not None:
            yield replace(earlier, until=entry.at, ended_by=entry.action)
        bank_id, slot_id = entry.details.get("bank_id"), entry.details.get("slot_id")
        if entry.action in _BEGINS and isinstance(bank_id, int) and isinstance(slot_id, int):
            held[entry.subject] = Holding(entry.subject, bank_id, slot_id, entry.at, entry.action)
    yield from held.values()


def _entries(session: Session, tenant_id: int, condition: ColumnElement[bool]) -> Iterable[AuditEntry]:
    return session.scalars(
        select(AuditEntry)
        .where(AuditEntry.tenant_id == tenant_id, AuditEntry.action.in_([*_BEGINS, *_ENDS]), condition)
        .order_by(AuditEntry.entry_id)
    )


def _names(place: Place, prefix: str) -> ColumnElement[bool]:
    bank_id, slot_id = place
    return and_(
        AuditEntry.details[f"{prefix}bank_id"].as_integer() == bank_id,
        AuditEntry.details[f"{prefix}slot_id"].as_integer() == slot_id,
    )


def _latest(holdings: Iterable[Holding], limit: int) -> list[Holding]:
    return sorted(holdings, key=lambda held: held.since, reverse=True)[:limit]
