"""Who is alive, from timestamps alone; and the sweep that writes it down.

A client that never heartbeats says nothing by its silence (the deployed C client registers once and is quiet
for ever), so it is neither marked offline nor released.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from ionmesh.db import add_rows
from ionmesh.models import ClientState, Connectivity, ProfileStatus, ServiceProfile, Tenant
from ionmesh.services import allocation, audit, commands
from ionmesh.services.audit import Entry

log = logging.getLogger(__name__)

# A SIM that is live in two modems gets its subscription barred, so a slot taken from a silent client rests.
EXPIRED_SLOT_REST = timedelta(minutes=10)


class LeaseClass(StrEnum):
    """Which promise a client has made about its silence."""

    REGISTRATION_ONLY = "registration-only"  # never heartbeated
    HEARTBEAT = "heartbeat"  # heartbeated at least once


@dataclass(frozen=True, slots=True)
class LivenessPolicy:
    """Limits of silence."""

    offline_after: timedelta
    release_after: timedelta | None
    """None: silence never costs the slot."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the timestamps say."""

    lease: LeaseClass
    connectivity: Connectivity
    release: bool


def offline_after(offline_after_s: int, heartbeat_interval_s: int) -> timedelta:
    """Return the silence that counts as offline: the setting, and never below three heartbeat intervals."""
    return timedelta(seconds=max(offline_after_s, 3 * heartbeat_interval_s))


def judge(last_heartbeat: datetime | None, now: datetime, policy: LivenessPolicy) -> Verdict:
    """Judge a client with an active profile. A clock that went back counts as no silence."""
    if last_heartbeat is None:
        return Verdict(LeaseClass.REGISTRATION_ONLY, Connectivity.UNKNOWN, release=False)
    silence = now - last_heartbeat
    if silence < policy.offline_after:
        return Verdict(LeaseClass.HEARTBEAT, Connectivity.ONLINE, release=False)
    release = policy.release_after is not None and silence >= max(policy.release_after, policy.offline_after)
    return Verdict(LeaseClass.HEARTBEAT, Connectivity.OFFLINE, release=release)


def sweep(session: Session, now: datetime, silence: timedelta) -> int:
    """Mark clients that went offline and end leases past their tenant's grace.

    `silence` is the shortest that counts; a client whose own interval is long gets three of it.
    Returns the number of slots released. Each transition is recorded once.
    """
    rows = session.execute(
        select(ServiceProfile, Tenant)
        .join(Tenant, Tenant.tenant_id == ServiceProfile.tenant_id)
        .join(ServiceProfile.state)
        .where(
            ServiceProfile.status == ProfileStatus.ACTIVE,
            ClientState.last_heartbeat <= now - silence,
            # Of a client known to be offline that may keep its slot there is nothing to find out.
            or_(ClientState.connectivity != Connectivity.OFFLINE, Tenant.release_grace_s.is_not(None)),
        )
        .options(contains_eager(ServiceProfile.state), joinedload(ServiceProfile.slot))
        # A client that is heartbeating at this moment is not silent.
        .with_for_update(skip_locked=True, of=(ServiceProfile, ClientState))
    )
    entries: list[Entry] = []
    released = 0
    for profile, tenant in rows:
        grace = None if tenant.release_grace_s is None else timedelta(seconds=tenant.release_grace_s)
        own_s = profile.state.reported_interval_s or profile.heartbeat_interval_s or 0
        patience = offline_after(int(silence.total_seconds()), own_s)
        verdict = judge(profile.state.last_heartbeat, now, LivenessPolicy(patience, grace))
        # With a longer interval than before, one that is offline may be within its patience: only a heartbeat
        # brings it back.
        if verdict.connectivity is Connectivity.OFFLINE is not profile.state.connectivity:
            profile.state.connectivity = Connectivity.OFFLINE
            log.info("client %s is offline", profile.client_id)
            entries.append(_entry(profile, "client_offline"))
        if verdict.release:
            end(profile, ProfileStatus.EXPIRED, now, rest_until=now + EXPIRED_SLOT_REST)
            log.info("client %s lost its slot after %s of silence", profile.client_id, grace)
            entries.append(_entry(profile, "client_expired"))
            released += 1
    add_rows(session, audit.rows(session, entries, now))
    commands.expire(session, now)
    return released


def end(
    profile: ServiceProfile, status: ProfileStatus, now: datetime, rest_until: datetime | None = None
) -> None:
    """End an active profile and give its slot back."""
    profile.status = status
    profile.deactivated_at = now
    allocation.release(profile.slot, now, rest_until)


def _entry(profile: ServiceProfile, action: str) -> Entry:
    place = {"bank_id": profile.bank_id, "slot_id": profile.slot_id}
    return Entry(profile.tenant_id, "sweeper", action, profile.client_id, place)
