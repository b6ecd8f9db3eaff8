"""Banks, slots, SIM cards and KI pools."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from ionmesh.api import present
from ionmesh.api.admin_schemas import BankChange, CardBody, CardsQuery, PoolBody, PoolChange
from ionmesh.api.prefix import API_PREFIX
from ionmesh.api.routing import Call, Routes, changed
from ionmesh.api.schemas import BankBody, SlotsBody, SlotsQuery
from ionmesh.models import KiPool
from ionmesh.services import banks, cards, inventory, pools
from ionmesh.services.cards import CardFilter, CardRecord
from ionmesh.services.inventory import NewBank, NewSlots, SlotFilter
from ionmesh.services.pools import NewPool

routes = Routes(Blueprint("inventory", __name__, url_prefix=API_PREFIX))


@routes.get("/simbank/banks")
def list_banks(call: Call) -> dict[str, Any]:
    """List the banks the tenant gets slots from."""
    with call.database.read() as session:
        rows = inventory.list_banks(session, call.tenant_id)
    return {"banks": [present.bank(bank) for bank in rows]}


@routes.post("/simbank/banks", BankBody, 201)
def create_bank(call: Call, body: BankBody) -> dict[str, Any]:
    """Create a bank of the tenant's own."""
    new = NewBank(body.bank_id, body.bankd, body.server, body.remsim_server_url, body.name)
    with call.database.write() as session:
        bank = inventory.add_bank(session, call.tenant_id, new, call.actor, call.now)
    return {"bank": present.bank(bank)}


@routes.patch("/simbank/banks/<int:bank_id>", BankChange)
def change_bank(call: Call, body: BankChange, bank_id: int) -> dict[str, Any]:
    """Change name, status or endpoints of one of the tenant's own banks."""
    with call.database.write() as session:
        bank = banks.change(session, call.tenant_id, bank_id, changed(body), call.actor, call.now)
    call.run.assignments_changed()
    return {"bank": present.bank(bank)}


@routes.delete("/simbank/banks/<int:bank_id>")
def delete_bank(call: Call, bank_id: int) -> dict[str, Any]:
    """Delete one of the tenant's own banks that no client ever had a slot of."""
    with call.database.write() as session:
        banks.delete(session, call.tenant_id, bank_id, call.actor, call.now)
    return {"message": "Bank deleted"}


@routes.get("/bankd-instances")
def list_bankds(call: Call) -> dict[str, Any]:
    """List the bankds behind the banks, with the banks each serves and whether it is connected."""
    with call.database.read() as session:
        found = banks.bankds(inventory.list_banks(session, call.tenant_id))
    return {"bankd_instances": [asdict(bankd) for bankd in found]}


@routes.post("/simbank/banks/<int:bank_id>/slots", SlotsBody, 201)
def create_slots(call: Call, body: SlotsBody, bank_id: int) -> dict[str, Any]:
    """Create a range of slots in one of the tenant's own banks."""
    new = NewSlots(
        bank_id=bank_id,
        slot_ids=inventory.parse_slot_range(body.slots),
        kind=body.kind,
        iccids=tuple(body.iccids),
        imsis=tuple(body.imsis),
        mcc_mnc=body.mcc_mnc,
        carrier=body.carrier,
    )
    with call.database.write() as session:
        slots = inventory.add_slots(session, call.tenant_id, new, call.actor, call.now)
    return {"slots": [present.slot(slot, masked=call.masked) for slot in slots]}


@routes.get("/simbank/slots", SlotsQuery)
def list_slots(call: Call, query: SlotsQuery) -> dict[str, Any]:
    """List slots, filtered by status, bank, network and carrier."""
    wanted = SlotFilter(query.status, query.bank_id, query.mcc_mnc, query.carrier)
    with call.database.read() as session:
        page, total = inventory.list_slots(
            session, call.tenant_id, wanted, offset=query.offset, limit=query.per_page
        )
    return {"slots": [present.slot(slot, masked=call.masked) for slot in page], "total": total}


@routes.get("/sim-cards", CardsQuery)
def list_cards(call: Call, query: CardsQuery) -> dict[str, Any]:
    """List SIM cards, filtered by carrier, pool and type."""
    wanted = CardFilter(query.carrier, query.ki_pool_name, query.card_type)
    with call.database.read() as session:
        rows = cards.listed(session, call.tenant_id, wanted)
    return {"cards": [present.card(card, pool, masked=call.masked) for card, pool in rows]}


@routes.post("/sim-cards", CardBody)
def put_card(call: Call, body: CardBody) -> dict[str, Any]:
    """Create or replace the record of the SIM card in a slot."""
    call.caller.tenant(body.tenant_id)
    record = CardRecord(**body.model_dump(exclude={"tenant_id"}))
    with call.database.write() as session:
        card = cards.put(session, call.tenant_id, record, call.actor, call.now)
    return {"card": present.card(card, body.ki_pool_name, masked=call.masked)}


@routes.get("/sim-cards/<int:bank_id>/<int:slot_id>")
def show_card(call: Call, bank_id: int, slot_id: int) -> dict[str, Any]:
    """Show the SIM card in a slot."""
    with call.database.read() as session:
        card, pool = cards.find(session, call.tenant_id, inventory.place(bank_id, slot_id))
    return {"card": present.card(card, pool, masked=call.masked)}


@routes.delete("/sim-cards/<int:bank_id>/<int:slot_id>")
def delete_card(call: Call, bank_id: int, slot_id: int) -> dict[str, Any]:
    """Forget the SIM card in a slot."""
    with call.database.write() as session:
        cards.delete(session, call.tenant_id, inventory.place(bank_id, slot_id), call.actor, call.now)
    return {"message": "SIM card deleted"}


@routes.get("/ki-proxy-pools")
def list_pools(call: Call) -> dict[str, Any]:
    """List the KI pools, by name."""
    with call.database.read() as session:
        rows = pools.usage(session, call.tenant_id)
    return {"pools": [present.pool(pool, used) for pool, used in rows]}


@routes.post("/ki-proxy-pools", PoolBody, 201)
def create_pool(call: Call, body: PoolBody) -> dict[str, Any]:
    """Create a KI pool with its virtual slots."""
    call.caller.tenant(body.tenant_id)
    new = NewPool(
        pool_name=body.pool_name,
        carrier=body.carrier,
        mcc_mnc=body.mcc_mnc,
        bank_id=body.bank_id,
        physical=(body.slot_range_start, body.slot_range_end),
        virtual=(body.virtual_slot_start, body.virtual_slot_end),
        max_virtual_sims=body.max_virtual_sims,
        routing_mode=body.routing_mode,
    )
    with call.database.write() as session:
        pool = pools.create(session, call.tenant_id, new, call.actor, call.now)
        document = _pool(session, pool)
    return {"message": "KI proxy pool created", "pool": document}


@routes.get("/ki-proxy-pools/<int:pool_id>")
def show_pool(call: Call, pool_id: int) -> dict[str, Any]:
    """Show a KI pool with its master cards."""
    with call.database.read() as session:
        pool = pools.find(session, call.tenant_id, pool_id)
        masters = [
            present.card(card, pool.pool_name, masked=call.masked) for card in pools.cards(session, pool)
        ]
        document = _pool(session, pool)
    return {"pool": document | {"physical_sims": masters}}


@routes.patch("/ki-proxy-pools/<int:pool_id>", PoolChange)
def change_pool(call: Call, body: PoolChange, pool_id: int) -> dict[str, Any]:
    """Resize, close or open a KI pool, or change its routing."""
    with call.database.write() as session:
        pool = pools.change(session, call.tenant_id, pool_id, changed(body), call.actor, call.now)
        document = _pool(session, pool)
    return {"pool": document}


@routes.delete("/ki-proxy-pools/<int:pool_id>")
def delete_pool(call: Call, pool_id: int) -> dict[str, Any]:
    """Delete a KI pool that serves nobody."""
    with call.database.write() as session:
        pools.delete(session, call.tenant_id, pool_id, call.actor, call.now)
    return {"message": "KI proxy pool deleted"}


def _pool(session: Session, pool: KiPool) -> dict[str, Any]:
    return present.pool(pool, pools.used(session, pool))
