"""Looking at clients, and what operators note about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from ionmesh.errors import NotFound
from ionmesh.models import (
    ClientCommand,
    ClientState,
    Connectivity,
    MappingMode,
    ProfileStatus,
    ServiceProfile,
    Slot,
)
from ionmesh.services import audit
from ionmesh.services.assignment import active_profile


@dataclass(frozen=True, slots=True)
class ClientFilter:
    """Which clients to list; None means any."""

    connectivity: Connectivity | None = None
    mapping_mode: MappingMode | None = None
    text: str | None = None
    """Part of the client_id."""


def list_active(
    session: Session, tenant_id: int, wanted: ClientFilter, *, offset: int, limit: int
) -> tuple[Sequence[ServiceProfile], int]:
    """Return one page of the tenant's active profiles by client_id, and how many there are in all."""
    conditions = [
        ServiceProfile.tenant_id == tenant_id,
        ServiceProfile.status == ProfileStatus.ACTIVE,
    ]
    if wanted.connectivity is not None:
        conditions.append(ClientState.connectivity == wanted.connectivity)
    if wanted.mapping_mode is not None:
        conditions.append(ServiceProfile.mapping_mode == wanted.mapping_mode)
    if wanted.text is not None:
        conditions.append(ServiceProfile.client_id.contains(wanted.text, autoescape=True))
    matching = select(ServiceProfile).join(ServiceProfile.state).where(*conditions)
    total = session.scalar(select(func.count()).select_from(matching.subquery())) or 0
    page = session.scalars(
        matching.options(
            contains_eager(ServiceProfile.state),
            joinedload(ServiceProfile.slot).joinedload(Slot.bank),
        )
        .order_by(ServiceProfile.client_id)
        .offset(offset)
        .limit(limit)
    ).all()
    return page, total


def find_active(session: Session, tenant_id: int, client_id: str) -> ServiceProfile:
    """Return the client's active profile. Raises NotFound."""
    profile = active_profile(session, tenant_id, client_id)
    if profile is None:
        raise NotFound("client_not_found", "Client not found")
    return profile


def recent_commands(session: Session, profile_id: str, limit: int = 50) -> Sequence[ClientCommand]:
    """Return the profile's latest commands, newest first."""
    return session.scalars(
        select(ClientCommand)
        .where(ClientCommand.profile_id == profile_id)
        .order_by(ClientCommand.created_at.desc(), ClientCommand.command_id)
        .limit(limit)
    ).all()


def change(
    session: Session, tenant_id: int, client_id: str, values: dict[str, Any], actor: str, now: datetime
) -> ServiceProfile:
    """Change tags, notes or heartbeat_interval_s of a client. Raises NotFound."""
    profile = find_active(session, tenant_id, client_id)
    for name, value in values.items():
        setattr(profile, name, value)
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="client_changed",
        subject=client_id,
        now=now,
        changed=sorted(values),
    )
    return profile
