"""Which of a tenant's policies applies to a registration, and what it changes about the demand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from ionmesh.errors import InvalidRequest, NotFound
from ionmesh.models import SlotPolicy
from ionmesh.services import audit, inventory
from ionmesh.services.allocation import Demand


@dataclass(frozen=True, slots=True)
class Judged:
    """One policy looked at; `reason` says which condition did not hold, None: all did."""

    policy: SlotPolicy
    reason: str | None


def judge(
    policies: Sequence[SlotPolicy], mcc_mnc: str | None, region: str | None, now: datetime
) -> list[Judged]:
    """Look at policies in order of priority, up to and with the first one that applies."""
    trace = []
    for policy in sorted(policies, key=lambda policy: (policy.priority, policy.policy_id)):
        reason = _unmet(policy, mcc_mnc, region, now)
        trace.append(Judged(policy, reason))
        if reason is None:
            break
    return trace


def applied(session: Session, demand: Demand, region: str | None, now: datetime) -> Demand:
    """Return the demand as the tenant's policies want it; what the client itself prefers goes first."""
    return narrowed(listed(session, demand.tenant_id), demand, region, now)


def narrowed(policies: Sequence[SlotPolicy], demand: Demand, region: str | None, now: datetime) -> Demand:
    """Return the demand as these policies, all of its tenant's, want it."""
    trace = judge(policies, demand.mcc_mnc, region, now)
    if not trace or trace[-1].reason is not None:
        return demand
    policy = trace[-1].policy
    return replace(
        demand,
        preferred_bank_id=demand.preferred_bank_id or policy.preferred_bank_id,
        balancing=policy.load_balancing_mode,
    )


def listed(session: Session, tenant_id: int) -> Sequence[SlotPolicy]:
    """Return the tenant's policies in the order they are looked at."""
    return session.scalars(
        select(SlotPolicy)
        .where(SlotPolicy.tenant_id == tenant_id)
        .order_by(SlotPolicy.priority, SlotPolicy.policy_id)
    ).all()


def of_tenants(session: Session, tenant_ids: Collection[int]) -> dict[int, list[SlotPolicy]]:
    """Return the policies of several tenants; one without any is left out."""
    found: dict[int, list[SlotPolicy]] = {}
    for policy in session.scalars(select(SlotPolicy).where(SlotPolicy.tenant_id.in_(tenant_ids))):
        found.setdefault(policy.tenant_id, []).append(policy)
    return found


def find(session: Session, tenant_id: int, policy_id: int) -> SlotPolicy:
    """Return one policy. Raises NotFound."""
    policy = session.get(SlotPolicy, policy_id)
    if policy is None or policy.tenant_id != tenant_id:
        raise NotFound("no_policy", f"no policy {policy_id}")
    return policy


def create(session: Session, tenant_id: int, values: dict[str, Any], actor: str, now: datetime) -> SlotPolicy:
    """Create a policy. Raises InvalidRequest, and NotFound for a bank the tenant does not see."""
    policy = SlotPolicy(tenant_id=tenant_id, **values)
    _check(session, policy)
    session.add(policy)
    session.flush()
    _record(session, policy, "policy_created", actor, now)
    return policy


def change(
    session: Session, tenant_id: int, policy_id: int, values: dict[str, Any], actor: str, now: datetime
) -> SlotPolicy:
    """Change some of a policy's values. Raises as `create` and `find`."""
    policy = find(session, tenant_id, policy_id)
    for name, value in values.items():
        setattr(policy, name, value)
    _check(session, policy)
    _record(session, policy, "policy_changed", actor, now)
    return policy


def delete(session: Session, tenant_id: int, policy_id: int, actor: str, now: datetime) -> None:
    """Delete a policy. Raises NotFound."""
    policy = find(session, tenant_id, policy_id)
    session.delete(policy)
    _record(session, policy, "policy_deleted", actor, now)


def _unmet(policy: SlotPolicy, mcc_mnc: str | None, region: str | None, now: datetime) -> str | None:
    if not policy.enabled:
        return "disabled"
    if policy.carrier_mcc_mnc is not None and policy.carrier_mcc_mnc != mcc_mnc:
        return f"network is {mcc_mnc or 'not named'}, not {policy.carrier_mcc_mnc}"
    if policy.client_location is not None and policy.client_location != region:
        return f"region is {region or 'not named'}, not {policy.client_location}"
    if policy.time_of_day_start is None or policy.time_of_day_end is None:
        return None
    here = now.astimezone(ZoneInfo(policy.timezone)).time()
    start, end = time.fromisoformat(policy.time_of_day_start), time.fromisoformat(policy.time_of_day_end)
    within = start <= here < end if start <= end else here >= start or here < end
    return None if within else f"it is {here:%H:%M}, not {start:%H:%M} to {end:%H:%M}"


def _check(session: Session, policy: SlotPolicy) -> None:
    if (policy.time_of_day_start is None) != (policy.time_of_day_end is None):
        raise InvalidRequest("bad_time_of_day", "time_of_day_start and time_of_day_end come together")
    if policy.preferred_bank_id is not None:
        with session.no_autoflush:
            inventory.find_bank(session, policy.tenant_id, policy.preferred_bank_id)


def _record(session: Session, policy: SlotPolicy, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        tenant_id=policy.tenant_id,
        actor=actor,
        action=action,
        subject=f"policy {policy.policy_id}",
        now=now,
        name=policy.name,
    )
