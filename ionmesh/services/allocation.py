"""The one allocator: every mapping mode claims its slot here.

A claim locks the row it takes (FOR UPDATE SKIP LOCKED where the database has it, the writer lock of the
session on SQLite). The partial unique index over active profiles stands behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Integer,
    Row,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session, aliased, contains_eager

from ionmesh.errors import InvalidRequest, NoSlot, NotFound
from ionmesh.models import (
    Balancing,
    Bank,
    BankStatus,
    KiPool,
    MappingMode,
    ProfileStatus,
    ServiceProfile,
    Slot,
    SlotKind,
    SlotStatus,
)
from ionmesh.models.base import UtcDateTime
from ionmesh.services.assignment import PLACE

_KINDS = {
    MappingMode.ONE_TO_ONE_SWSIM: SlotKind.PHYSICAL,
    MappingMode.ONE_TO_ONE_VSIM: SlotKind.VIRTUAL,
    MappingMode.KI_PROXY_SWSIM: SlotKind.KI_VIRTUAL,
}
ONE_BY_ONE = frozenset({Balancing.LEAST_LOADED, Balancing.PACK})
"""Balancing where each slot depends on the ones given before it."""

_NOW = bindparam("now", type_=UtcDateTime())
_COUNT = bindparam("count", type_=Integer())


@dataclass(frozen=True, slots=True)
class Demand:
    """What a client needs; None means any."""

    tenant_id: int
    mode: MappingMode
    mcc_mnc: str | None = None
    carrier: str | None = None
    preferred_bank_id: int | None = None
    last_slot: tuple[int, int] | None = None
    """The (bank_id, slot_id) it held before: the same SIM again, when it is free."""
    balancing: Balancing = Balancing.ROUND_ROBIN


def satisfies(slot: Slot | Row[Any], demand: Demand) -> bool:
    """Whether a slot the client already holds is one it could be given for the demand."""
    return (
        slot.kind is _KINDS[demand.mode]
        and demand.mcc_mnc in (None, slot.mcc_mnc)
        and demand.carrier in (None, slot.carrier)
    )


def claim(session: Session, demand: Demand, now: datetime) -> Slot:
    """Take one free slot in this transaction and mark it assigned.

    Order: the preferred bank, the client's last slot, the tenant's own slots before shared ones, then as
    `balancing` says. Raises NotFound when a KI-proxy demand names a carrier that has no slots at all, and
    NoSlot with the modes that do have a free one.
    """
    for query in _attempts(demand):
        slot = session.scalar(query.options(contains_eager(Slot.bank)), {"now": now, "count": 1})
        if slot is not None:
            return _taken(slot)
    raise nothing_free(session, demand, now)


def claim_many(session: Session, demand: Demand, count: int, now: datetime) -> list[Row[Any]]:
    """Take free slots for up to `count` clients that want the same; fewer when not as many are free.

    Each row has the columns of `assignment.PLACE`. `ONE_BY_ONE` balancing is not for this.
    """
    found: list[Any] = []
    for query in _columns_of_attempts(demand):
        rows = session.execute(query, {"now": now, "count": count - len(found)}).all()
        if not rows:
            continue
        session.execute(
            update(Slot)
            .where(tuple_(Slot.bank_id, Slot.slot_id).in_([(row.bank_id, row.slot_id) for row in rows]))
            .values(status=SlotStatus.ASSIGNED, available_after=None)
            .execution_options(synchronize_session=False)
        )
        found += rows
        if len(found) == count:
            break
    return found


def claim_place(
    session: Session, tenant_id: int, place: tuple[int, int], now: datetime
) -> tuple[Slot, MappingMode]:
    """Take the one free slot at `place`, (bank_id, slot_id); returns it with the mode of its kind.

    Raises NotFound when the tenant has no such slot, InvalidRequest when it is not free.
    """
    bank_id, slot_id = place
    slot = session.get(Slot, place)
    if slot is None or slot.tenant_id not in (None, tenant_id):
        raise NotFound("no_slot_there", f"no slot {slot_id} in bank {bank_id}")
    mode = next(mode for mode, kind in _KINDS.items() if kind is slot.kind)
    query = _free(tenant_id, mode).where(Slot.bank_id == bank_id, Slot.slot_id == slot_id)
    query = query.options(contains_eager(Slot.bank)).with_for_update(skip_locked=True, of=Slot)
    slot = session.scalar(query, {"now": now})
    if slot is None:
        raise InvalidRequest("slot_not_available", "Slot not available")
    return _taken(slot), mode


def best_free(demand: Demand) -> Select[Slot]:
    """Return the query for the `count` slots to give at `now`, the best first, which also locks them."""
    return (
        _free(demand.tenant_id, demand.mode)
        .where(*_narrowed(demand))
        .order_by(*_preference(demand))
        .limit(_COUNT)
        .with_for_update(skip_locked=True, of=Slot)
    )


@lru_cache(maxsize=256)
def _columns_of_attempts(demand: Demand) -> tuple[Select[*tuple[Any, ...]], ...]:
    """Return the queries of `_attempts` for `PLACE`. Making them costs more than running them."""
    return tuple(query.with_only_columns(*PLACE) for query in _attempts(demand))


def _attempts(demand: Demand) -> Iterator[Select[Slot]]:
    """Return queries that together mean `best_free`, those that come first are better.

    For the usual balancing each one takes the head of an index, however many slots are free.
    """
    if demand.balancing is not Balancing.ROUND_ROBIN:
        yield best_free(demand)
        return
    free = _free(demand.tenant_id, demand.mode).where(*_narrowed(demand)).limit(_COUNT)
    free = free.with_for_update(skip_locked=True, of=Slot)
    # The constant tenant_id leads so that the order is the index's.
    longest_unused = free.order_by(Slot.tenant_id, Slot.released_at, Slot.bank_id, Slot.slot_id)
    banks = [[]] if demand.preferred_bank_id is None else [[Slot.bank_id == demand.preferred_bank_id], []]
    for bank in banks:
        if demand.last_slot is not None:
            bank_id, slot_id = demand.last_slot
            yield free.where(*bank, Slot.bank_id == bank_id, Slot.slot_id == slot_id)
        for owner in (Slot.tenant_id == demand.tenant_id, Slot.tenant_id.is_(None)):
            for used in (Slot.released_at.is_(None), Slot.released_at.is_not(None)):
                yield longest_unused.where(*bank, owner, used)


def preview(session: Session, demand: Demand, now: datetime) -> Slot | None:
    """Return the slot that `claim` would take now, and take nothing."""
    query = _free(demand.tenant_id, demand.mode).where(*_narrowed(demand))
    return session.scalar(query.order_by(*_preference(demand)).limit(1), {"now": now})


def free_slots(
    session: Session, tenant_id: int, now: datetime, *, bank_id: int | None = None, limit: int
) -> list[Slot]:
    """Return slots that `claim_place` would take now, of one bank (None: of any), by mode and place."""
    found: list[Slot] = []
    for mode in MappingMode:
        query = _free(tenant_id, mode).order_by(Slot.bank_id, Slot.slot_id).limit(limit - len(found))
        if bank_id is not None:
            query = query.where(Slot.bank_id == bank_id)
        found += session.scalars(query.options(contains_eager(Slot.bank)), {"now": now})
    return found


def nothing_free(session: Session, demand: Demand, now: datetime) -> NoSlot | NotFound:
    """Return the refusal for a demand that no slot is free for."""
    if demand.mode is MappingMode.KI_PROXY_SWSIM:
        pool = session.scalar(
            select(Slot.slot_id)
            .where(
                Slot.kind == SlotKind.KI_VIRTUAL,
                or_(Slot.tenant_id == demand.tenant_id, Slot.tenant_id.is_(None)),
                *_narrowed(demand),
            )
            .limit(1)
        )
        if pool is None:
            return NotFound("no_pool", "No KI proxy pool for carrier")
    return NoSlot([mode.value for mode in available_modes(session, demand.tenant_id, now)])


def release(slot: Slot, now: datetime, rest_until: datetime | None = None) -> None:
    """Give a slot back. `rest_until` keeps it free while a silent client may still use the SIM."""
    slot.released_at = now
    slot.available_after = rest_until
    # A slot that an operator took out of service meanwhile stays out of it.
    if slot.status is SlotStatus.ASSIGNED:
        slot.status = SlotStatus.AVAILABLE


def available_modes(session: Session, tenant_id: int, now: datetime) -> tuple[MappingMode, ...]:
    """Return the modes that have at least one free slot for the tenant; takes nothing."""
    return tuple(
        mode
        for mode in MappingMode
        if session.scalar(_free(tenant_id, mode).limit(1), {"now": now}) is not None
    )


def _taken(slot: Slot) -> Slot:
    slot.status = SlotStatus.ASSIGNED
    slot.available_after = None
    return slot


def _free(tenant_id: int, mode: MappingMode) -> Select[Slot]:
    """Return the query for the slots that can be given at `now`."""
    # An operator can put a slot back into service that its client never gave up, so the status is not enough.
    held = exists().where(
        ServiceProfile.bank_id == Slot.bank_id,
        ServiceProfile.slot_id == Slot.slot_id,
        ServiceProfile.status == ProfileStatus.ACTIVE,
    )
    closed = exists().where(
        KiPool.bank_id == Slot.bank_id,
        Slot.slot_id.between(KiPool.virtual_slot_start, KiPool.virtual_slot_end),
        ~KiPool.enabled,
    )
    return (
        select(Slot)
        .join(Slot.bank)
        .where(
            Slot.kind == _KINDS[mode],
            Slot.status == SlotStatus.AVAILABLE,
            or_(Slot.tenant_id == tenant_id, Slot.tenant_id.is_(None)),
            or_(Slot.available_after.is_(None), Slot.available_after <= _NOW),
            Bank.status == BankStatus.ONLINE,
            ~held,
            *([~closed] if mode is MappingMode.KI_PROXY_SWSIM else []),
        )
    )


def _narrowed(demand: Demand) -> list[Any]:
    conditions = []
    if demand.mcc_mnc is not None:
        conditions.append(Slot.mcc_mnc == demand.mcc_mnc)
    if demand.carrier is not None:
        conditions.append(Slot.carrier == demand.carrier)
    return conditions


def _preference(demand: Demand) -> list[Any]:
    order: list[Any] = []
    if demand.preferred_bank_id is not None:
        order.append(case((Slot.bank_id == demand.preferred_bank_id, 0), else_=1))
    if demand.last_slot is not None:
        bank_id, slot_id = demand.last_slot
        order.append(case((and_(Slot.bank_id == bank_id, Slot.slot_id == slot_id), 0), else_=1))
    order.append(case((Slot.tenant_id.is_(None), 1), else_=0))
    if demand.balancing is Balancing.RANDOM:
        return [*order, func.random()]
    if demand.balancing is not Balancing.ROUND_ROBIN:
        share = _assigned_share()
        order.append(share if demand.balancing is Balancing.LEAST_LOADED else share.desc())
    order += [
        case((Slot.released_at.is_(None), 0), else_=1),
        Slot.released_at,
        Slot.bank_id,
        Slot.slot_id,
    ]
    return order


def _assigned_share() -> Any:
    """How much of a slot's bank is assigned, 0 to 1."""
    others = aliased(Slot)
    assigned = func.sum(case((others.status == SlotStatus.ASSIGNED, 1.0), else_=0.0))
    return select(assigned / func.count()).where(others.bank_id == Slot.bank_id).scalar_subquery()
