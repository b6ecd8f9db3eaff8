"""KI pools: their virtual slots are ordinary slots, given by the one allocator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from ionmesh.errors import Conflict, Forbidden, InvalidRequest, NotFound
from ionmesh.models import KiPool, RoutingMode, ServiceProfile, SimCard, Slot, SlotKind, SlotStatus
from ionmesh.services import audit, inventory


@dataclass(frozen=True, slots=True)
class NewPool:
    """A pool to be. Ranges are slot numbers of the bank, both ends included."""

    pool_name: str
    carrier: str
    mcc_mnc: str
    bank_id: int
    physical: tuple[int, int]
    virtual: tuple[int, int]
    max_virtual_sims: int
    routing_mode: RoutingMode = RoutingMode.ROUND_ROBIN


def usage(session: Session, tenant_id: int | None) -> list[tuple[KiPool, int]]:
    """Return the tenant's pools (None: everybody's) by name, each with how many virtual SIMs are assigned."""
    query = (
        select(KiPool, func.count(Slot.slot_id))
        .outerjoin(
            Slot,
            and_(
                Slot.bank_id == KiPool.bank_id,
                Slot.kind == SlotKind.KI_VIRTUAL,
                Slot.slot_id.between(KiPool.virtual_slot_start, KiPool.virtual_slot_end),
                Slot.status == SlotStatus.ASSIGNED,
            ),
        )
        .group_by(KiPool.pool_id)
        .order_by(KiPool.tenant_id, KiPool.pool_name)
    )
    if tenant_id is not None:
        query = query.where(KiPool.tenant_id == tenant_id)
    return [(pool, used) for pool, used in session.execute(query)]


def find(session: Session, tenant_id: int, pool_id: int) -> KiPool:
    """Return one pool. Raises NotFound."""
    pool = session.get(KiPool, pool_id)
    if pool is None or pool.tenant_id != tenant_id:
        raise NotFound("no_pool", f"no KI pool {pool_id}")
    return pool


def by_name(session: Session, tenant_id: int, name: str) -> KiPool:
    """Return the tenant's pool of that name. Raises NotFound."""
    pool = session.scalar(select(KiPool).where(KiPool.tenant_id == tenant_id, KiPool.pool_name == name))
    if pool is None:
        raise NotFound("no_pool", f"no KI pool {name!r}")
    return pool


def cards(session: Session, pool: KiPool) -> Sequence[SimCard]:
    """Return the master cards of a pool, preferred ones first."""
    return session.scalars(
        select(SimCard)
        .where(SimCard.pool_id == pool.pool_id)
        .order_by(SimCard.ki_pool_priority, SimCard.slot_id)
    ).all()


def used(session: Session, pool: KiPool) -> int:
    """Return how many virtual SIMs of a pool are assigned."""
    return (
        session.scalar(
            select(func.count()).select_from(Slot).where(*_virtual(pool), Slot.status == SlotStatus.ASSIGNED)
        )
        or 0
    )


def capacity(pool: KiPool) -> int:
    """Return how many virtual SIMs a pool serves at once: slot numbers end at 1023."""
    return min(pool.max_virtual_sims, pool.virtual_slot_end - pool.virtual_slot_start + 1)


def create(session: Session, tenant_id: int, new: NewPool, actor: str, now: datetime) -> KiPool:
    """Create a pool with its virtual slots in a bank of the tenant's own.

    Raises InvalidRequest for ranges that overlap each other, NotFound for a foreign bank, Forbidden for a
    shared one, Conflict for a name or range in use.
    """
    bank = inventory.find_bank(session, tenant_id, new.bank_id)
    if bank.tenant_id is None:
        raise Forbidden("shared_bank", f"bank {bank.bank_id} is shared and not this tenant's to change")
    if new.physical[0] > new.physical[1] or new.virtual[0] > new.virtual[1]:
        raise InvalidRequest("invalid_slot_range", "Invalid slot range")
    if _overlap(new.physical, new.virtual):
        raise InvalidRequest("invalid_slot_range", "physical and virtual slots overlap")
    _refuse_taken(session, tenant_id, new)
    pool = KiPool(
        tenant_id=tenant_id,
        pool_name=new.pool_name,
        carrier=new.carrier,
        mcc_mnc=new.mcc_mnc,
        bank_id=new.bank_id,
        slot_range_start=new.physical[0],
        slot_range_end=new.physical[1],
        virtual_slot_start=new.virtual[0],
        virtual_slot_end=new.virtual[1],
        max_virtual_sims=new.max_virtual_sims,
        routing_mode=new.routing_mode,
        enabled=True,
        created_at=now,
    )
    session.add(pool)
    session.flush()
    _provide(session, pool)
    _record(session, pool, "pool_created", actor, now)
    return pool


def change(
    session: Session, tenant_id: int, pool_id: int, values: dict[str, Any], actor: str, now: datetime
) -> KiPool:
    """Change max_virtual_sims, routing_mode or enabled. Raises NotFound, Conflict when more are in use."""
    pool = find(session, tenant_id, pool_id)
    for name, value in values.items():
        setattr(pool, name, value)
    if used(session, pool) > capacity(pool):
        raise Conflict("pool_in_use", "more virtual SIMs are assigned than the pool would serve")
    _provide(session, pool)
    _record(session, pool, "pool_changed", actor, now)
    return pool


def delete(session: Session, tenant_id: int, pool_id: int, actor: str, now: datetime) -> None:
    """Delete a pool nobody uses. Its cards stay without pool. Raises NotFound, Conflict."""
    pool = find(session, tenant_id, pool_id)
    slots = session.scalars(select(Slot).where(*_virtual(pool)).with_for_update()).all()
    if any(slot.status is SlotStatus.ASSIGNED for slot in slots):
        raise Conflict("pool_in_use", "Cannot delete pool with active virtual SIMs")
    for card in cards(session, pool):
        card.pool_id = None
    remembered = set(
        session.scalars(select(ServiceProfile.slot_id).where(ServiceProfile.bank_id == pool.bank_id))
    )
    for slot in slots:
        # Past assignments name their slot, so it stays, out of service.
        if slot.slot_id in remembered:
            slot.status = SlotStatus.DISABLED
        else:
            session.delete(slot)
    _record(session, pool, "pool_deleted", actor, now)
    session.delete(pool)


def _virtual(pool: KiPool) -> list[Any]:
    return [
        Slot.bank_id == pool.bank_id,
        Slot.kind == SlotKind.KI_VIRTUAL,
        Slot.slot_id.between(pool.virtual_slot_start, pool.virtual_slot_end),
    ]


def _provide(session: Session, pool: KiPool) -> None:
    """Have as many virtual slots in service as the pool serves; assigned ones stay whatever their place."""
    slots = {
        slot.slot_id: slot for slot in session.scalars(select(Slot).where(*_virtual(pool)).with_for_update())
    }
    spare = capacity(pool) - sum(slot.status is SlotStatus.ASSIGNED for slot in slots.values())
    for number in range(pool.virtual_slot_start, pool.virtual_slot_end + 1):
        slot = slots.get(number)
        if slot is not None and slot.status is SlotStatus.ASSIGNED:
            continue
        if spare > 0:
            spare -= 1
            if slot is None:
                slot = Slot(bank_id=pool.bank_id, slot_id=number, kind=SlotKind.KI_VIRTUAL)
                session.add(slot)
            slot.tenant_id, slot.mcc_mnc, slot.carrier = pool.tenant_id, pool.mcc_mnc, pool.carrier
            slot.status = SlotStatus.AVAILABLE
        elif slot is not None:
            slot.status = SlotStatus.DISABLED
    session.flush()


def _refuse_taken(session: Session, tenant_id: int, new: NewPool) -> None:
    same_name = select(KiPool).where(KiPool.tenant_id == tenant_id, KiPool.pool_name == new.pool_name)
    if session.scalar(same_name) is not None:
        raise Conflict("pool_exists", f"KI pool {new.pool_name!r} exists already")
    for other in session.scalars(select(KiPool).where(KiPool.bank_id == new.bank_id)):
        ranges = (
            (other.slot_range_start, other.slot_range_end),
            (other.virtual_slot_start, other.virtual_slot_end),
        )
        if any(_overlap(mine, theirs) for mine in (new.physical, new.virtual) for theirs in ranges):
            raise Conflict("range_overlaps", f"KI pool {other.pool_name!r} has some of these slots")
    taken = session.scalar(
        select(func.min(Slot.slot_id)).where(
            Slot.bank_id == new.bank_id,
            Slot.slot_id.between(*new.virtual),
            # What a deleted pool left behind is taken over.
            ~((Slot.kind == SlotKind.KI_VIRTUAL) & (Slot.status == SlotStatus.DISABLED)),
        )
    )
    if taken is not None:
        raise Conflict("range_overlaps", f"bank {new.bank_id} has slot {taken} already")


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _record(session: Session, pool: KiPool, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        tenant_id=pool.tenant_id,
        actor=actor,
        action=action,
        subject=f"pool {pool.pool_name}",
        now=now,
        max_virtual_sims=pool.max_virtual_sims,
        enabled=pool.enabled,
    )
