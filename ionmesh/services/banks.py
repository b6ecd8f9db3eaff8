"""Changing banks and taking them out; and the bankds they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ionmesh.errors import Conflict, Forbidden
from ionmesh.models import Bank, KiPool, ProfileStatus, ServiceProfile, SimCard, Slot, SlotPolicy
from ionmesh.services import audit, inventory
from ionmesh.services.inventory import BANKD_PORT, SERVER_PORT, parse_endpoint, parse_rest_url


@dataclass(frozen=True, slots=True)
class Bankd:
    """One bankd as routers and osmo-remsim-server know it, with the banks it serves."""

    endpoint: str
    remsim_server_url: str | None
    bank_ids: tuple[int, ...]
    connected: bool | None
    """Whether that server had it connected when last asked, for every bank; None: never known."""


def bankds(banks: Sequence[Bank]) -> list[Bankd]:
    """Return the bankds behind the banks, by endpoint. A process can serve several banks."""
    groups: dict[tuple[str, str], list[Bank]] = {}
    for bank in banks:
        endpoint = f"http://{bank.bankd_host}:{bank.bankd_port}"
        groups.setdefault((endpoint, bank.remsim_server_url or ""), []).append(bank)
    return [
        Bankd(
            endpoint=endpoint,
            remsim_server_url=url or None,
            bank_ids=tuple(bank.bank_id for bank in served),
            connected=_all_connected([bank.bankd_connected for bank in served]),
        )
        for (endpoint, url), served in sorted(groups.items())
    ]


def change(
    session: Session, tenant_id: int, bank_id: int, values: dict[str, Any], actor: str, now: datetime
) -> Bank:
    """Change name, status, bankd, server or remsim_server_url of a tenant's own bank.

    Clients that hold one of its slots are told a new endpoint with their next heartbeat. Raises NotFound,
    Forbidden for a shared bank, InvalidRequest for an endpoint that deployed clients cannot use.
    """
    bank = _own(session, tenant_id, bank_id)
    endpoints = (bank.bankd_host, bank.bankd_port, bank.server_host, bank.server_port)
    for name in ("name", "status"):
        if name in values:
            setattr(bank, name, values[name])
    if "bankd" in values:
        bank.bankd_host, bank.bankd_port = parse_endpoint("bankd", values["bankd"], BANKD_PORT)
    if "server" in values:
        found = parse_endpoint("server", values["server"], SERVER_PORT) if values["server"] else None
        bank.server_host, bank.server_port = found or (None, SERVER_PORT)
    if "remsim_server_url" in values:
        url = values["remsim_server_url"]
        bank.remsim_server_url = parse_rest_url(url) if url else None
        bank.bankd_connected = None
    if endpoints != (bank.bankd_host, bank.bankd_port, bank.server_host, bank.server_port):
        _outdate_assignments(session, bank)
    _record(session, bank, "bank_changed", actor, now, changed=sorted(values))
    return bank


def delete(session: Session, tenant_id: int, bank_id: int, actor: str, now: datetime) -> None:
    """Delete a tenant's own bank with its slots and the records of its cards.

    Raises NotFound, Forbidden for a shared bank, Conflict when a KI pool is in it or a client has, or ever
    had, one of its slots: who had which SIM stays known. Such a bank is put into maintenance instead.
    """
    bank = _own(session, tenant_id, bank_id)
    # Held, so that no registration takes one meanwhile.
    session.execute(select(Slot.slot_id).where(Slot.bank_id == bank_id).with_for_update()).all()
    if session.scalar(select(KiPool.pool_id).where(KiPool.bank_id == bank_id).limit(1)) is not None:
        raise Conflict("bank_in_use", "the bank has a KI pool")
    held = select(ServiceProfile.profile_id).where(ServiceProfile.bank_id == bank_id).limit(1)
    if session.scalar(held) is not None:
        raise Conflict("bank_in_use", "clients have, or had, slots of the bank")
    _record(session, bank, "bank_deleted", actor, now)
    session.execute(
        update(SlotPolicy).where(SlotPolicy.preferred_bank_id == bank_id).values(preferred_bank_id=None)
    )
    for model in (SimCard, Slot):
        session.execute(delete_rows(model).where(model.bank_id == bank_id))
    session.delete(bank)


def _own(session: Session, tenant_id: int, bank_id: int) -> Bank:
    bank = inventory.find_bank(session, tenant_id, bank_id)
    if bank.tenant_id is None:
        raise Forbidden("shared_bank", f"bank {bank_id} is shared and not this tenant's to change")
    return bank


def _outdate_assignments(session: Session, bank: Bank) -> None:
    session.execute(
        update(ServiceProfile)
        .where(ServiceProfile.bank_id == bank.bank_id, ServiceProfile.status == ProfileStatus.ACTIVE)
        .values(assignment_version=ServiceProfile.assignment_version + 1)
    )


def _all_connected(states: Sequence[bool | None]) -> bool | None:
    return None if None in states else all(states)


def _record(session: Session, bank: Bank, action: str, actor: str, now: datetime, **details: object) -> None:
    audit.record(
        session,
        tenant_id=bank.tenant_id,
        actor=actor,
        action=action,
        subject=f"bank {bank.bank_id}",
        now=now,
        **details,
    )
