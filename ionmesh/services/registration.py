"""Registering and unregistering clients."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ionmesh.db import serialise
from ionmesh.errors import NotFound
from ionmesh.models import (
    ClientState,
    Connectivity,
    MappingMode,
    ProfileStatus,
    ServiceProfile,
    Slot,
    Tenant,
)
from ionmesh.services import allocation, audit, identity, liveness, policies
from ionmesh.services.allocation import Demand
from ionmesh.services.assignment import Assignment, active_profile, describe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registration:
    """What a client asks for and says about itself; None means any, or nothing said."""

    client_id: str
    mode: MappingMode
    mcc_mnc: str | None = None
    carrier: str | None = None
    preferred_bank_id: int | None = None
    region: str | None = None
    fingerprint: str | None = None
    source_ip: str | None = None
    software_version: str | None = None
    hardware_info: dict[str, Any] | None = None


class Outcome(Enum):
    """What a registration came to."""

    NEW = "new"
    EXISTING = "existing"  # the assignment it already had
    MOVED = "moved"  # it asked for something its slot is not, and got another one


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer to a registration."""

    assignment: Assignment
    outcome: Outcome


def register(
    session: Session, tenant_id: int, request: Registration, now: datetime, silence: timedelta
) -> Registered:
    """Give a client its slot: the one it has, or a free one.

    `silence` is how long a heartbeating client may be quiet and still counts as present. Raises
    IdentityConflict when another router holds the client_id, NoSlot and NotFound as `allocation.claim`; a
    client that cannot be moved keeps what it has.
    """
    tenant = session.get_one(Tenant, tenant_id)
    identity.refuse_factory_hostname(tenant, request.client_id, request.fingerprint)
    # A client that asks twice at once must not hold two slots even for a moment: there may be only one left.
    serialise(session, "client", tenant_id, request.client_id)
    profile = active_profile(session, tenant_id, request.client_id, lock=True)
    if profile is None:
        try:
            with session.begin_nested():
                return _assign(session, tenant_id, request, now)
        except IntegrityError:
            # Another session registered the same client first: what it got is the answer.
            profile = active_profile(session, tenant_id, request.client_id, lock=True)
            if profile is None:
                raise
    identity.refuse_other_router(profile, request.fingerprint, request.source_ip, now, silence)
    outcome = Outcome.EXISTING
    demand = demand_of(tenant_id, request)
    if not allocation.satisfies(profile.slot, demand):
        slot = allocation.claim(session, policies.applied(session, demand, request.region, now), now)
        _move(session, profile, slot, request.mode, request.client_id, now)
        outcome = Outcome.MOVED
    _note_identity(session, profile, request, now)
    session.flush()
    return Registered(describe(profile), outcome)


def reassign(
    session: Session, tenant_id: int, client_id: str, place: tuple[int, int], actor: str, now: datetime
) -> Assignment:
    """Move a client to the free slot at `place`, (bank_id, slot_id); its next heartbeat answer says so.

    Raises NotFound for an unknown client or slot, InvalidRequest for a slot that is not free.
    """
    profile = active_profile(session, tenant_id, client_id, lock=True)
    if profile is None:
        raise NotFound("client_not_found", "Client not found")
    slot, mode = allocation.claim_place(session, tenant_id, place, now)
    _move(session, profile, slot, mode, actor, now)
    session.flush()
    return describe(profile)


def unregister(session: Session, tenant_id: int, client_id: str, actor: str, now: datetime) -> None:
    """End a client's assignment. Raises NotFound when it has none."""
    profile = active_profile(session, tenant_id, client_id, lock=True)
    if profile is None:
        raise NotFound("client_not_found", "Client not found")
    liveness.end(profile, ProfileStatus.RELEASED, now)
    profile.state.connectivity = Connectivity.OFFLINE
    _record(session, profile, "client_unregistered", now, actor)
    log.info("client %s released bank %d slot %d", client_id, profile.bank_id, profile.slot_id)


def demand_of(tenant_id: int, request: Registration, last_slot: tuple[int, int] | None = None) -> Demand:
    """Return what slot the request asks for."""
    return Demand(
        tenant_id=tenant_id,
        mode=request.mode,
        mcc_mnc=request.mcc_mnc,
        carrier=request.carrier,
        preferred_bank_id=request.preferred_bank_id,
        last_slot=last_slot,
    )


def news(profile: ServiceProfile | Row[Any], request: Registration) -> bool:
    """Whether the request says something about the router that the profile does not."""
    return (
        profile.source_ip != request.source_ip
        or request.fingerprint != profile.fingerprint
        or request.software_version not in (None, profile.software_version)
        or request.hardware_info not in (None, profile.hardware_info)
    )


def _assign(session: Session, tenant_id: int, request: Registration, now: datetime) -> Registered:
    previous = session.scalar(
        select(ServiceProfile)
        .where(ServiceProfile.tenant_id == tenant_id, ServiceProfile.client_id == request.client_id)
        .order_by(ServiceProfile.assignment_version.desc())
        .limit(1)
    )
    last_slot = (previous.bank_id, previous.slot_id) if previous else None
    demand = policies.applied(session, demand_of(tenant_id, request, last_slot), request.region, now)
    slot = allocation.claim(session, demand, now)
    profile = ServiceProfile(
        profile_id=str(uuid.uuid4()),
        tenant_id=tenant_id,
        client_id=request.client_id,
        status=ProfileStatus.ACTIVE,
        mapping_mode=request.mode,
        assignment_version=previous.assignment_version + 1 if previous else 1,
        fingerprint=request.fingerprint,
        source_ip=request.source_ip,
        software_version=request.software_version,
        hardware_info=request.hardware_info,
        created_at=now,
        registered_at=now,
        # What an operator noted about the client outlives its assignments.
        tags=list(previous.tags) if previous else [],
        notes=previous.notes if previous else None,
        heartbeat_interval_s=previous.heartbeat_interval_s if previous else None,
        state=ClientState(connectivity=Connectivity.UNKNOWN),
    )
    _occupy(profile, slot)
    session.add(profile)
    _record(session, profile, "client_registered", now, request.client_id)
    session.flush()
    log.info("client %s got bank %d slot %d", request.client_id, slot.bank_id, slot.slot_id)
    return Registered(describe(profile), Outcome.NEW)


def _move(
    session: Session, profile: ServiceProfile, new: Slot, mode: MappingMode, actor: str, now: datetime
) -> None:
    old = profile.slot
    allocation.release(old, now)
    _occupy(profile, new)
    profile.assignment_version += 1
    profile.mapping_mode = mode
    origin = {"from_bank_id": old.bank_id, "from_slot_id": old.slot_id}
    _record(session, profile, "client_moved", now, actor, **origin)
    log.info("client %s moved to bank %d slot %d", profile.client_id, new.bank_id, new.slot_id)


def _occupy(profile: ServiceProfile, slot: Slot) -> None:
    profile.slot = slot
    profile.bank_id, profile.slot_id = slot.bank_id, slot.slot_id
    # Deployed clients announce (bank_id, slot_id) as their RSPRO client slot, so the map is the identity.
    profile.rspro_client_id, profile.rspro_client_slot = slot.bank_id, slot.slot_id


def _note_identity(session: Session, profile: ServiceProfile, request: Registration, now: datetime) -> None:
    if profile.source_ip != request.source_ip or request.fingerprint not in (None, profile.fingerprint):
        _record(
            session,
            profile,
            "client_identity_changed",
            now,
            request.client_id,
            from_ip=profile.source_ip,
            to_ip=request.source_ip,
        )
    profile.source_ip = request.source_ip
    profile.fingerprint = request.fingerprint or profile.fingerprint
    profile.software_version = request.software_version or profile.software_version
    profile.hardware_info = request.hardware_info or profile.hardware_info
    profile.registered_at = now


def _record(
    session: Session, profile: ServiceProfile, action: str, now: datetime, actor: str, **details: object
) -> None:
    audit.record(
        session,
        tenant_id=profile.tenant_id,
        actor=actor,
        action=action,
        subject=profile.client_id,
        now=now,
        bank_id=profile.bank_id,
        slot_id=profile.slot_id,
        **details,
    )
