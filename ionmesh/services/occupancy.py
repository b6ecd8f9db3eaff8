"""Who is in which slot of a bank, as far as a tenant may know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from ionmesh.models import (
    AuditEntry,
    ClientState,
    ProfileStatus,
    ServiceProfile,
    SimTraffic,
    Slot,
    SlotKind,
    SlotStatus,
)
from ionmesh.services import health
from ionmesh.services.health import Health


@dataclass(frozen=True, slots=True)
class Place:
    """One slot. Of another tenant's client in a shared bank only that it is there is known."""

    bank_id: int
    slot_id: int
    status: SlotStatus
    kind: SlotKind
    client_id: str | None
    health: Health | None


def places(
    session: Session, tenant_id: int, bank_ids: Iterable[int] | None = None, slot_id: int | None = None
) -> list[Place]:
    """Return the slots the tenant sees, of those banks and of that number (None: of all), by place."""
    query = (
        select(
            *(Slot.bank_id, Slot.slot_id, Slot.status, Slot.kind),
            *(ServiceProfile.client_id, health.expression()),
        )
        .select_from(Slot)
        .outerjoin(
            ServiceProfile,
            and_(
                ServiceProfile.bank_id == Slot.bank_id,
                ServiceProfile.slot_id == Slot.slot_id,
                ServiceProfile.status == ProfileStatus.ACTIVE,
                ServiceProfile.tenant_id == tenant_id,
            ),
        )
        .join(Slot.bank)
        .outerjoin(ClientState, ClientState.profile_id == ServiceProfile.profile_id)
        .where(or_(Slot.tenant_id == tenant_id, Slot.tenant_id.is_(None)))
        .order_by(Slot.bank_id, Slot.slot_id)
    )
    if bank_ids is not None:
        query = query.where(Slot.bank_id.in_(list(bank_ids)))
    if slot_id is not None:
        query = query.where(Slot.slot_id == slot_id)
    return [Place(*row[:5], Health(row[5]) if row[4] is not None else None) for row in session.execute(query)]


def handovers(session: Session, tenant_id: int, bank_id: int, since: datetime) -> dict[int, int]:
    """Return how often each slot of a bank was given to one of the tenant's clients since then, by slot."""
    slot_id = AuditEntry.details["slot_id"].as_integer()
    rows = session.execute(
        select(slot_id, func.count())
        .where(
            AuditEntry.tenant_id == tenant_id,
            AuditEntry.action.in_(["client_registered", "client_moved"]),
            AuditEntry.at >= since,
            AuditEntry.details["bank_id"].as_integer() == bank_id,
        )
        .group_by(slot_id)
    )
    return {row[0]: row[1] for row in rows}


def traffic(session: Session, tenant_id: int, bank_id: int, first_day: int) -> dict[int, int]:
    """Return the bytes that went over each slot's SIM since a day (as SimTraffic counts them), by slot.

    Slots whose card's ICCID is not known are left out.
    """
    rows = session.execute(
        select(Slot.slot_id, func.sum(SimTraffic.rx_bytes + SimTraffic.tx_bytes))
        .join(
            SimTraffic,
            and_(SimTraffic.tenant_id == tenant_id, SimTraffic.sim == Slot.iccid),
        )
        .where(Slot.bank_id == bank_id, SimTraffic.day >= first_day)
        .group_by(Slot.slot_id)
    )
    return {row[0]: int(row[1]) for row in rows}
