"""What a client is told about its slot, and how the active one is found."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session, joinedload

from ionmesh.models import Bank, MappingMode, ProfileStatus, ServiceProfile, Slot

PLACE = (
    *(Slot.bank_id, Slot.slot_id, Slot.iccid, Slot.imsi),
    *(Bank.bankd_host, Bank.bankd_port, Bank.server_host, Bank.server_port),
)
"""What a slot and its bank contribute to an assignment; columns for a query that joins the two."""
PROFILE = (
    ServiceProfile.profile_id,
    ServiceProfile.mapping_mode,
    ServiceProfile.rspro_client_id,
    ServiceProfile.rspro_client_slot,
    ServiceProfile.assignment_version,
    ServiceProfile.heartbeat_interval_s,
)
"""What the profile contributes."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One client's slot, complete enough to reach the SIM. Ids are 1..1023, RSPRO's own 0..1023."""

    profile_id: str
    bank_id: int
    slot_id: int
    iccid: str | None
    imsi: str | None
    bankd_endpoint: str
    """`http://host:port`: the deployed C client cuts the scheme and needs the port."""
    mapping_mode: MappingMode
    rspro_client_id: int
    rspro_client_slot: int
    server_endpoint: str | None
    """`host:port` of osmo-remsim-server's RSPRO side."""
    version: int
    heartbeat_interval_s: int | None = None
    """What an operator set for this client; None: what all are told."""


def active_profile(
    session: Session, tenant_id: int, client_id: str, *, lock: bool = False
) -> ServiceProfile | None:
    """Return the client's active profile with slot, bank and state loaded.

    `lock` holds its row against other sessions until this transaction ends.
    """
    if "\0" in client_id:
        # Nobody has it, and PostgreSQL would refuse to compare it.
        return None
    query = (
        select(ServiceProfile)
        .where(
            ServiceProfile.tenant_id == tenant_id,
            ServiceProfile.client_id == client_id,
            ServiceProfile.status == ProfileStatus.ACTIVE,
        )
        .options(
            joinedload(ServiceProfile.slot).joinedload(Slot.bank),
            joinedload(ServiceProfile.state),
        )
    )
    return session.scalar(query.with_for_update(of=ServiceProfile) if lock else query)


def describe(profile: ServiceProfile) -> Assignment:
    """Return what the profile's client is told."""
    return assigned(profile, profile.slot, profile.slot.bank)


def assigned(
    profile: ServiceProfile | Row[Any] | SimpleNamespace, slot: Slot | Row[Any], bank: Bank | Row[Any]
) -> Assignment:
    """Return what a client is told, from rows with the columns of `PROFILE` and `PLACE`, or models."""
    return Assignment(
        profile_id=profile.profile_id,
        bank_id=slot.bank_id,
        slot_id=slot.slot_id,
        iccid=slot.iccid,
        imsi=slot.imsi,
        bankd_endpoint=f"http://{bank.bankd_host}:{bank.bankd_port}",
        mapping_mode=profile.mapping_mode,
        rspro_client_id=profile.rspro_client_id,
        rspro_client_slot=profile.rspro_client_slot,
        server_endpoint=f"{bank.server_host}:{bank.server_port}" if bank.server_host else None,
        version=profile.assignment_version,
        heartbeat_interval_s=profile.heartbeat_interval_s,
    )
