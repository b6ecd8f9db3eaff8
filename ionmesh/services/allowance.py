"""How much went over each SIM in its billing month, and how much may.

A SIM is known by its ICCID, or as `bank_id/slot_id` while that is not known. What counts is the slot a client
had when it reported, so a SIM that served several clients has the sum. Routers report what goes over all of
their links together.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ionmesh.errors import InvalidRequest, NotFound
from ionmesh.models import AlertKind, SimAllowance, SimTraffic
from ionmesh.services import alert_rules, audit
from ionmesh.services.sampling import day_of

BILLING_DAY_MAX = 28  # the last day that every month has
_SHOWN_END = 4
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Usage:
    """One SIM's traffic since `since`, the first day of its billing month (UTC).

    Without an allowance the month is the calendar's, and `limit_bytes` and `percent` are None.
    """

    sim: str
    rx_bytes: int
    tx_bytes: int
    since: date
    allowance_id: int | None = None
    limit_bytes: int | None = None
    billing_day: int = 1

    @property
    def used_bytes(self) -> int:
        """Both directions together."""
        return self.rx_bytes + self.tx_bytes

    @property
    def percent(self) -> float | None:
        """How much of the allowance is used; more than 100 when it is exceeded."""
        return None if self.limit_bytes is None else 100 * self.used_bytes / self.limit_bytes


def period_start(billing_day: int, today: date) -> date:
    """Return the first day of the billing month that `today` is in."""
    if today.day >= billing_day:
        return today.replace(day=billing_day)
    return (today.replace(day=1) - timedelta(days=1)).replace(day=billing_day)


def usage(session: Session, tenant_id: int, now: datetime) -> list[Usage]:
    """Return the tenant's SIMs that have an allowance or had traffic this month.

    Those with an allowance come first, the fullest on top; then the others by traffic.
    """
    limited = limited_usage(session, tenant_id, now)
    first = period_start(1, now.astimezone(UTC).date())
    rows = session.execute(
        select(SimTraffic.sim, func.sum(SimTraffic.rx_bytes), func.sum(SimTraffic.tx_bytes))
        .where(SimTraffic.tenant_id == tenant_id, SimTraffic.day >= (first - _EPOCH).days)
        .group_by(SimTraffic.sim)
    )
    known = {found.sim for found in limited}
    others = [Usage(sim, int(rx), int(tx), first) for sim, rx, tx in rows if sim not in known]
    return limited + sorted(others, key=lambda found: -found.used_bytes)


def limited_usage(
    session: Session, tenant_id: int, now: datetime, at_least_percent: float = 0
) -> list[Usage]:
    """Return the SIMs with an allowance of which so much is used, the fullest first. One statement."""
    today = now.astimezone(UTC).date()
    received, sent = _sum(SimTraffic.rx_bytes), _sum(SimTraffic.tx_bytes)
    rows = session.execute(
        select(SimAllowance, received, sent)
        .join(
            SimTraffic,
            and_(
                SimTraffic.tenant_id == SimAllowance.tenant_id,
                SimTraffic.sim == SimAllowance.sim,
                SimTraffic.day >= _first_day(today),
            ),
            isouter=True,
        )
        .where(SimAllowance.tenant_id == tenant_id)
        .group_by(SimAllowance.allowance_id)
        .having(100.0 * (received + sent) >= SimAllowance.limit_bytes * at_least_percent)
    )
    found = [
        Usage(
            sim=row.sim,
            rx_bytes=int(rx),
            tx_bytes=int(tx),
            since=period_start(row.billing_day, today),
            allowance_id=row.allowance_id,
            limit_bytes=row.limit_bytes,
            billing_day=row.billing_day,
        )
        for row, rx, tx in rows
    ]
    return sorted(found, key=lambda usage: (-(usage.percent or 0), usage.sim))


def daily(
    session: Session, tenant_id: int, sim: str, now: datetime, days: int
) -> list[tuple[date, int, int]]:
    """Return (day, bytes received, bytes sent) of a SIM's days with traffic, oldest first."""
    rows = session.execute(
        select(SimTraffic.day, SimTraffic.rx_bytes, SimTraffic.tx_bytes)
        .where(
            SimTraffic.tenant_id == tenant_id,
            SimTraffic.sim == sim,
            SimTraffic.day > day_of(now) - days,
        )
        .order_by(SimTraffic.day)
    )
    return [(_EPOCH + timedelta(days=row.day), row.rx_bytes, row.tx_bytes) for row in rows]


def is_known(session: Session, tenant_id: int, sim: str) -> bool:
    """Whether a SIM has an allowance or ever had traffic."""
    return any(
        session.scalar(select(table.tenant_id).where(table.tenant_id == tenant_id, table.sim == sim).limit(1))
        for table in (SimAllowance, SimTraffic)
    )


def set_limit(
    session: Session,
    tenant_id: int,
    sims: Collection[str],
    limit_bytes: int,
    billing_day: int,
    actor: str,
    now: datetime,
) -> Sequence[SimAllowance]:
    """Give SIMs an allowance, or another one. A tenant without rules for allowances gets the usual three.

    Raises InvalidRequest for a limit below one byte and a day outside of 1..28.
    """
    if limit_bytes < 1 or not 1 <= billing_day <= BILLING_DAY_MAX:
        raise InvalidRequest("bad_allowance", f"limit_bytes is 1 or more, billing_day 1..{BILLING_DAY_MAX}")
    known = {
        row.sim: row
        for row in session.scalars(
            select(SimAllowance).where(SimAllowance.tenant_id == tenant_id, SimAllowance.sim.in_(sims))
        )
    }
    for sim in sims:
        if sim not in known:
            known[sim] = SimAllowance(tenant_id=tenant_id, sim=sim, created_at=now)
            session.add(known[sim])
        known[sim].limit_bytes, known[sim].billing_day = limit_bytes, billing_day
        _record(session, known[sim], "allowance_set", actor, now)
    session.flush()
    alert_rules.add_usual(session, tenant_id, actor, now, kinds=[AlertKind.ALLOWANCE_REACHED])
    return list(known.values())


def delete(session: Session, tenant_id: int, allowance_id: int, actor: str, now: datetime) -> None:
    """Take an allowance away; what was counted stays. Raises NotFound."""
    found = session.get(SimAllowance, allowance_id)
    if found is None or found.tenant_id != tenant_id:
        raise NotFound("no_allowance", f"no allowance {allowance_id}")
    _record(session, found, "allowance_deleted", actor, now)
    session.delete(found)


def masked(sim: str) -> str:
    """Return a SIM's name without its ICCID; a place stays."""
    return sim if "/" in sim else f"...{sim[-_SHOWN_END:]}"


def _first_day(today: date) -> ColumnElement[int]:
    """`period_start` of each allowance's billing day, as SimTraffic counts days."""
    first = today.replace(day=1)
    previous = (first - timedelta(days=1)).replace(day=1)
    begun = SimAllowance.billing_day <= today.day
    return case((begun, (first - _EPOCH).days), else_=(previous - _EPOCH).days) + SimAllowance.billing_day - 1


def _sum(column: InstrumentedAttribute[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(column), 0)


def _record(session: Session, found: SimAllowance, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        tenant_id=found.tenant_id,
        actor=actor,
        action=action,
        subject=f"allowance of sim {masked(found.sim)}",
        now=now,
        limit_bytes=found.limit_bytes,
        billing_day=found.billing_day,
    )
