"""Looking at clients, and what operators note about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from ionmesh.errors import NotFound
from ionmesh.models import (
    ClientCommand,
    ClientSeries,
    ClientState,
    Connectivity,
    MappingMode,
    ProfileStatus,
    ServiceProfile,
    Slot,
)
from ionmesh.services import audit, health
from ionmesh.services.assignment import active_profile
from ionmesh.services.health import Health


@dataclass(frozen=True, slots=True)
class ClientFilter:
    """Which clients to list; None means any."""

    connectivity: Connectivity | None = None
    mapping_mode: MappingMode | None = None
    text: str | None = None
    """Part of the client_id, and of the ICCID or IMSI when `identities`."""
    identities: bool = False
    """Whether who searches may see ICCID and IMSI: what cannot be seen must not be guessed digit by digit."""
    bank_id: int | None = None
    health: Health | None = None
    """DEACTIVATED lists the last profiles of clients without a slot instead of active ones."""


class ClientOrder(StrEnum):
    """By what clients are listed."""

    CLIENT = "client"
    SLOT = "slot"
    MODE = "mode"
    SIGNAL = "signal"  # RSRP; those that reported none come last
    HEARTBEAT = "heartbeat"  # those that never did come last


def list_active(
    session: Session,
    tenant_id: int,
    wanted: ClientFilter,
    *,
    offset: int,
    limit: int,
    order: ClientOrder = ClientOrder.CLIENT,
    descending: bool = False,
    also: Sequence[ColumnElement[bool]] = (),
) -> tuple[Sequence[ServiceProfile], int]:
    """Return one page of the tenant's active profiles, and how many there are in all.

    `also` are further conditions over ServiceProfile, as `notes.tagged`.
    """
    matching = (
        select(ServiceProfile)
        .join(ServiceProfile.state)
        .join(ServiceProfile.slot)
        .join(Slot.bank)
        .where(ServiceProfile.tenant_id == tenant_id, *_conditions(wanted), *also)
    )
    total = session.scalar(matching.with_only_columns(func.count())) or 0
    page = session.scalars(
        matching.options(
            contains_eager(ServiceProfile.state),
            contains_eager(ServiceProfile.slot).contains_eager(Slot.bank),
        )
        .order_by(*_sorting(order, descending=descending))
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


def find_many(session: Session, tenant_id: int, client_ids: Collection[str]) -> Sequence[ServiceProfile]:
    """Return the active profiles of those clients; the ones without a slot are left out."""
    names = [client_id for client_id in client_ids if "\0" not in client_id]
    return session.scalars(
        select(ServiceProfile)
        .where(
            ServiceProfile.tenant_id == tenant_id,
            ServiceProfile.client_id.in_(names),
            ServiceProfile.status == ProfileStatus.ACTIVE,
        )
        .order_by(ServiceProfile.client_id)
    ).all()


def find_latest(session: Session, tenant_id: int, client_id: str) -> ServiceProfile:
    """Return the client's active profile, or the last one when it has no slot any more. Raises NotFound."""
    profile = active_profile(session, tenant_id, client_id)
    if profile is None and "\0" not in client_id:
        profile = session.scalar(
            select(ServiceProfile)
            .where(ServiceProfile.tenant_id == tenant_id, ServiceProfile.client_id == client_id)
            .options(joinedload(ServiceProfile.slot).joinedload(Slot.bank), joinedload(ServiceProfile.state))
            .order_by(ServiceProfile.assignment_version.desc())
            .limit(1)
        )
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


def _conditions(wanted: ClientFilter) -> list[ColumnElement[bool]]:
    lost = wanted.health is Health.DEACTIVATED
    active = ServiceProfile.status == ProfileStatus.ACTIVE
    conditions: list[ColumnElement[bool]] = [~active, health.current()] if lost else [active]
    if wanted.health is not None and not lost:
        conditions.append(health.expression() == wanted.health.value)
    if wanted.connectivity is not None:
        conditions.append(ClientState.connectivity == wanted.connectivity)
    if wanted.mapping_mode is not None:
        conditions.append(ServiceProfile.mapping_mode == wanted.mapping_mode)
    if wanted.bank_id is not None:
        conditions.append(ServiceProfile.bank_id == wanted.bank_id)
    if wanted.text is not None:
        columns = [ServiceProfile.client_id, *([Slot.iccid, Slot.imsi] if wanted.identities else [])]
        conditions.append(or_(*(column.contains(wanted.text, autoescape=True) for column in columns)))
    return conditions


def _sorting(order: ClientOrder, *, descending: bool) -> list[ColumnElement[Any]]:
    columns: dict[ClientOrder, list[Any]] = {
        ClientOrder.CLIENT: [],
        ClientOrder.SLOT: [ServiceProfile.bank_id, ServiceProfile.slot_id],
        ClientOrder.MODE: [ServiceProfile.mapping_mode],
        # Not out of `stats`, which are the router's own words and need not be numbers.
        ClientOrder.SIGNAL: [
            select(ClientSeries.rsrp_dbm)
            .where(
                ClientSeries.tenant_id == ServiceProfile.tenant_id,
                ClientSeries.client_id == ServiceProfile.client_id,
            )
            .scalar_subquery()
        ],
        ClientOrder.HEARTBEAT: [ClientState.last_heartbeat],
    }
    by = [*columns[order], ServiceProfile.client_id]
    return [(column.desc() if descending else column.asc()).nulls_last() for column in by]
