"""How a client is, in one of five grades; decided in Python for one and in SQL for all, the same way."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ColumnElement, case, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from ionmesh.models import Bank, ClientState, Connectivity, ProfileStatus, ServiceProfile


class Health(StrEnum):
    """A client's grade, the worst of what applies."""

    OK = "ok"
    PROBLEM = "problem"  # it works, but says `warning`, or the bankd of its card is not connected
    CRITICAL = "critical"  # it is offline or says `error`
    UNKNOWN = "unknown"  # it never heartbeated, as the deployed C client does
    DEACTIVATED = "deactivated"  # it has no slot any more


def grade(
    status: ProfileStatus,
    connectivity: Connectivity,
    reported_status: str | None,
    bankd_connected: bool | None,
) -> Health:
    """Return the grade of a client by its latest profile; `bankd_connected` None: not known."""
    if status is not ProfileStatus.ACTIVE:
        return Health.DEACTIVATED
    if connectivity is Connectivity.UNKNOWN:
        return Health.UNKNOWN
    if connectivity is Connectivity.OFFLINE or reported_status == "error":
        return Health.CRITICAL
    if reported_status == "warning" or bankd_connected is False:
        return Health.PROBLEM
    return Health.OK


def of(profile: ServiceProfile) -> Health:
    """Return the grade of a profile whose state and slot's bank are loaded."""
    state, bank = profile.state, profile.slot.bank
    return grade(profile.status, state.connectivity, state.reported_status, bank.bankd_connected)


def expression() -> ColumnElement[str]:
    """Return the grade over ServiceProfile, ClientState and Bank, for a query that joins the three."""
    return case(
        (ServiceProfile.status != ProfileStatus.ACTIVE, literal(Health.DEACTIVATED.value)),
        (ClientState.connectivity == Connectivity.UNKNOWN, literal(Health.UNKNOWN.value)),
        (
            or_(ClientState.connectivity == Connectivity.OFFLINE, ClientState.reported_status == "error"),
            literal(Health.CRITICAL.value),
        ),
        (
            or_(ClientState.reported_status == "warning", Bank.bankd_connected.is_(False)),
            literal(Health.PROBLEM.value),
        ),
        else_=literal(Health.OK.value),
    )


def current() -> ColumnElement[bool]:
    """Return the condition that a ServiceProfile is its client's active one, or the last where none is."""
    later = aliased(ServiceProfile)
    has_later = (
        select(later.profile_id)
        .where(
            later.tenant_id == ServiceProfile.tenant_id,
            later.client_id == ServiceProfile.client_id,
            later.assignment_version > ServiceProfile.assignment_version,
        )
        .exists()
    )
    return or_(ServiceProfile.status == ProfileStatus.ACTIVE, ~has_later)


def counts(session: Session, tenant_id: int) -> dict[Health, int]:
    """Return how many clients of the tenant have each grade, in one statement."""
    graded = expression().label("health")
    rows = session.execute(
        select(graded, func.count())
        .select_from(ServiceProfile)
        .join(ClientState, ClientState.profile_id == ServiceProfile.profile_id)
        .join(Bank, Bank.bank_id == ServiceProfile.bank_id)
        .where(ServiceProfile.tenant_id == tenant_id, current())
        .group_by(graded)
    )
    return dict.fromkeys(Health, 0) | {Health(row[0]): row[1] for row in rows}
