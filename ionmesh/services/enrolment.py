"""Registering many clients at once: those that have a slot in one query, new ones in one transaction.

It does what `registration.register` does for the two usual cases, a client that has nothing new to say and
one that was never seen. Everything else is left to it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update
from sqlalchemy.orm import Session

from ionmesh.db import Addition, add_rows, held_alone
from ionmesh.errors import NoSlot, NotFound, TooManyRequests
from ionmesh.models import ClientState, Connectivity, ProfileStatus, ServiceProfile, Slot
from ionmesh.services import allocation, audit, identity, policies
from ionmesh.services.allocation import Demand
from ionmesh.services.assignment import PLACE, PROFILE, assigned
from ionmesh.services.audit import Entry
from ionmesh.services.registration import Outcome, Registered, Registration, demand_of, news

log = logging.getLogger(__name__)

# How often a registration that changes nothing is written down.
_TOUCH_EVERY = timedelta(minutes=1)
# These clients, and now and then another tenant's of the same name. Made once: it costs more than running it.
_NAMED = (
    ServiceProfile.tenant_id.in_(bindparam("tenant_ids", expanding=True)),
    ServiceProfile.client_id.in_(bindparam("client_ids", expanding=True)),
)
_SEEN = select(ServiceProfile.tenant_id, ServiceProfile.client_id).where(*_NAMED).distinct()
_ACTIVE = (
    select(
        *(ServiceProfile.tenant_id, ServiceProfile.client_id, ServiceProfile.registered_at),
        *(ServiceProfile.source_ip, ServiceProfile.fingerprint),
        *(ServiceProfile.software_version, ServiceProfile.hardware_info),
        *(Slot.kind, Slot.mcc_mnc, Slot.carrier),
        *PROFILE,
        *PLACE,
    )
    .join(ServiceProfile.slot)
    .join(Slot.bank)
    .where(*_NAMED, ServiceProfile.status == ProfileStatus.ACTIVE)
)

Client = tuple[int, str]
"""Tenant id and client_id."""
Answer = Registered | NoSlot | NotFound | TooManyRequests | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One registration of a tenant's client."""

    tenant_id: int
    request: Registration

    @property
    def client(self) -> Client:
        """Who it is for."""
        return self.tenant_id, self.request.client_id


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known of a client before anything is done."""

    active: bool = False
    """Whether it has a slot."""
    registered: Registered | None = None
    """The whole answer, when the registration changes nothing."""
    touch_due: bool = False
    """Whether `touch` is to be called."""


def recall(connection: Connection, wanted: Sequence[Wanted], now: datetime) -> list[Recalled]:
    """Say for each registration what the client has, in one statement."""
    rows = connection.execute(_ACTIVE, _names(item.client for item in wanted))
    active = {(row.tenant_id, row.client_id): row for row in rows}
    return [_recalled(active.get(item.client), item, now) for item in wanted]


def touch(connection: Connection, profile_ids: Collection[str], now: datetime) -> None:
    """Note that clients with nothing new to say registered again; one that is being changed is left out."""
    idle = (
        select(ServiceProfile.profile_id)
        .where(ServiceProfile.profile_id.in_(profile_ids))
        .with_for_update(skip_locked=True)
    )
    connection.execute(
        update(ServiceProfile).where(ServiceProfile.profile_id.in_(idle)).values(registered_at=now)
    )


def enrol(session: Session, wanted: Sequence[Wanted], now: datetime) -> list[Answer]:
    """Give slots to clients that never had one; for those that get none, return why.

    None: this one is not for many at once, it has a history, a factory's name, or a policy that gives slots
    one by one. Raises IntegrityError when another transaction was quicker; then nothing is done.
    """
    answers: list[Answer] = [None] * len(wanted)
    demands: dict[Demand, list[int]] = {}
    rules = policies.of_tenants(session, {item.tenant_id for item in wanted})
    for index in _strangers(session, wanted):
        item = wanted[index]
        demand = demand_of(item.tenant_id, item.request)
        demand = policies.narrowed(rules.get(item.tenant_id, ()), demand, item.request.region, now)
        demands.setdefault(demand, []).append(index)
    profiles = []
    for demand, indexes in demands.items():
        if demand.balancing in allocation.ONE_BY_ONE:
            continue
        slots = allocation.claim_many(session, demand, len(indexes), now)
        for index, slot in zip(indexes, slots, strict=False):
            profile = _profile(wanted[index], slot, now)
            profiles.append(profile)
            answers[index] = Registered(assigned(SimpleNamespace(**profile), slot, slot), Outcome.NEW)
        if len(slots) < len(indexes):
            refusal = allocation.nothing_free(session, demand, now)
            for index in indexes[len(slots) :]:
                answers[index] = refusal
    _write(session, profiles, now)
    return answers


def _strangers(session: Session, wanted: Sequence[Wanted]) -> list[int]:
    """Return which ones have no history and a name of their own, and nobody else registers now."""
    first: dict[Client, int] = {}
    for index, item in enumerate(wanted):
        if not identity.is_factory_name(item.request.client_id):
            first.setdefault(item.client, index)
    # Held until this transaction ends, as `register` holds the name of its client.
    held = held_alone(session, [("client", *client) for client in first])
    mine = [client for client, alone in zip(first, held, strict=True) if alone]
    if not mine:
        return []
    known = {(row.tenant_id, row.client_id) for row in session.execute(_SEEN, _names(mine))}
    return [first[client] for client in mine if client not in known]


def _names(clients: Iterable[Client]) -> dict[str, list[Any]]:
    tenant_ids, client_ids = zip(*clients, strict=True)
    return {"tenant_ids": list(set(tenant_ids)), "client_ids": list(set(client_ids))}


def _recalled(row: Row[Any] | None, item: Wanted, now: datetime) -> Recalled:
    if row is None:
        return Recalled()
    if not allocation.satisfies(row, demand_of(item.tenant_id, item.request)) or news(row, item.request):
        return Recalled(active=True)
    return Recalled(
        active=True,
        registered=Registered(assigned(row, row, row), Outcome.EXISTING),
        touch_due=now - row.registered_at >= _TOUCH_EVERY,
    )


def _profile(item: Wanted, slot: Row[Any], now: datetime) -> dict[str, Any]:
    request = item.request
    return {
        "profile_id": str(uuid.uuid4()),
        "tenant_id": item.tenant_id,
        "client_id": request.client_id,
        "status": ProfileStatus.ACTIVE,
        "mapping_mode": request.mode,
        "bank_id": slot.bank_id,
        "slot_id": slot.slot_id,
        # As `registration` has it: the map is the identity.
        "rspro_client_id": slot.bank_id,
        "rspro_client_slot": slot.slot_id,
        "assignment_version": 1,
        "fingerprint": request.fingerprint,
        "source_ip": request.source_ip,
        "software_version": request.software_version,
        "hardware_info": request.hardware_info,
        "created_at": now,
        "registered_at": now,
        "tags": [],
        "heartbeat_interval_s": None,
    }


def _write(session: Session, profiles: Sequence[dict[str, Any]], now: datetime) -> None:
    entries = []
    for profile in profiles:
        place = {"bank_id": profile["bank_id"], "slot_id": profile["slot_id"]}
        client_id = profile["client_id"]
        entries.append(Entry(profile["tenant_id"], client_id, "client_registered", client_id, place))
        log.debug("client %s got bank %d slot %d", client_id, *place.values())
    if profiles:
        log.info("%d new clients got slots", len(profiles))
    states = [
        {"profile_id": profile["profile_id"], "connectivity": Connectivity.UNKNOWN} for profile in profiles
    ]
    additions: list[Addition] = [(ServiceProfile, profiles), (ClientState, states)]
    add_rows(session, additions + audit.rows(session, entries, now))
