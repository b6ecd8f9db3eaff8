"""Records of SIM cards; the slot a card sits in follows its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ionmesh.errors import Conflict, Forbidden, InvalidRequest, NotFound
from ionmesh.models import CardType, KiPool, SimCard, Slot, SlotStatus
from ionmesh.services import audit, pools

# Secrets of a card, which nobody but the card and its operator's network may have.
_SECRETS = frozenset({"k", "ki", "op", "opc"})


@dataclass(frozen=True, slots=True)
class CardRecord:
    """What is to be known of the card at (bank_id, slot_id)."""

    bank_id: int
    slot_id: int
    physical_iccid: str | None = None
    physical_imsi: str | None = None
    carrier: str | None = None
    mcc_mnc: str | None = None
    card_type: CardType = CardType.REGULAR
    ki_pool_name: str | None = None
    ki_pool_priority: int = 0
    card_metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CardFilter:
    """Which cards to list; None means any."""

    carrier: str | None = None
    ki_pool_name: str | None = None
    card_type: CardType | None = None


def listed(session: Session, tenant_id: int, wanted: CardFilter) -> Sequence[tuple[SimCard, str | None]]:
    """Return the tenant's cards with the names of their pools, by bank and slot."""
    conditions = [SimCard.tenant_id == tenant_id]
    for column, value in (
        (SimCard.carrier, wanted.carrier),
        (KiPool.pool_name, wanted.ki_pool_name),
        (SimCard.card_type, wanted.card_type),
    ):
        if value is not None:
            conditions.append(column == value)
    query = select(SimCard, KiPool.pool_name).outerjoin(KiPool, KiPool.pool_id == SimCard.pool_id)
    rows = session.execute(query.where(*conditions).order_by(SimCard.bank_id, SimCard.slot_id))
    return [(card, name) for card, name in rows]


def find(session: Session, tenant_id: int, place: tuple[int, int]) -> tuple[SimCard, str | None]:
    """Return the card at `place`, (bank_id, slot_id), and the name of its pool. Raises NotFound."""
    card = session.get(SimCard, place)
    if card is None or card.tenant_id != tenant_id:
        raise NotFound("no_card", f"no SIM card in bank {place[0]} slot {place[1]}")
    pool = session.get(KiPool, card.pool_id) if card.pool_id is not None else None
    return card, pool.pool_name if pool else None


def put(session: Session, tenant_id: int, record: CardRecord, actor: str, now: datetime) -> SimCard:
    """Create or replace a card's record, and tell its slot.

    A master card's slot is reserved. Raises NotFound for a slot or pool the tenant does not have, Forbidden
    for a shared slot, InvalidRequest for secrets, Conflict when a slot in use would become a master's.
    """
    if _SECRETS & {name.lower() for name in record.card_metadata}:
        raise InvalidRequest("secret_refused", "card_metadata must not contain the card's keys")
    slot = _own_slot(session, tenant_id, (record.bank_id, record.slot_id))
    pool = pools.by_name(session, tenant_id, record.ki_pool_name) if record.ki_pool_name else None
    if pool is not None and record.card_type is not CardType.KI_PROXY_MASTER:
        raise InvalidRequest("not_a_master", "only a KI_PROXY_MASTER card belongs to a pool")
    card = session.get(SimCard, (record.bank_id, record.slot_id))
    if card is None:
        card = SimCard(bank_id=record.bank_id, slot_id=record.slot_id, tenant_id=tenant_id)
        session.add(card)
    _place(slot, master=record.card_type is CardType.KI_PROXY_MASTER)
    card.physical_iccid = slot.iccid = record.physical_iccid
    card.physical_imsi = slot.imsi = record.physical_imsi
    card.carrier = slot.carrier = record.carrier
    card.mcc_mnc = slot.mcc_mnc = record.mcc_mnc
    card.card_type = record.card_type
    card.pool_id = pool.pool_id if pool else None
    card.ki_pool_priority = record.ki_pool_priority
    card.card_metadata = record.card_metadata
    card.updated_at = now
    _record(session, card, "card_put", actor, now)
    session.flush()
    return card


def delete(session: Session, tenant_id: int, place: tuple[int, int], actor: str, now: datetime) -> None:
    """Forget a card; its slot has no SIM then. Raises NotFound, Conflict when its slot is assigned."""
    card, _ = find(session, tenant_id, place)
    slot = _own_slot(session, tenant_id, place)
    if slot.status is SlotStatus.ASSIGNED:
        raise Conflict("slot_assigned", "the card's slot is assigned to a client")
    _place(slot, master=False)
    slot.iccid = slot.imsi = slot.mcc_mnc = slot.carrier = None
    session.delete(card)
    _record(session, card, "card_deleted", actor, now)


def _own_slot(session: Session, tenant_id: int, place: tuple[int, int]) -> Slot:
    slot = session.get(Slot, place, with_for_update={"of": Slot})
    if slot is None or slot.tenant_id not in (None, tenant_id):
        raise NotFound("no_slot_there", f"no slot {place[1]} in bank {place[0]}")
    if slot.tenant_id is None:
        raise Forbidden("shared_bank", "the slot is shared and not this tenant's to change")
    return slot


def _place(slot: Slot, *, master: bool) -> None:
    if master and slot.status is SlotStatus.ASSIGNED:
        raise Conflict("slot_assigned", "the slot is assigned to a client and cannot hold a master card")
    if master and slot.status is SlotStatus.AVAILABLE:
        slot.status = SlotStatus.RESERVED
    elif not master and slot.status is SlotStatus.RESERVED:
        slot.status = SlotStatus.AVAILABLE


def _record(session: Session, card: SimCard, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        tenant_id=card.tenant_id,
        actor=actor,
        action=action,
        subject=f"card {card.bank_id}/{card.slot_id}",
        now=now,
        card_type=card.card_type.value,
    )
