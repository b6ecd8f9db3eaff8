"""Telling operators that slots have run out."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from ionmesh.db import serialise
from ionmesh.models import AuditEntry
from ionmesh.services import audit
from ionmesh.services.allocation import Demand

TELL_EVERY = timedelta(minutes=10)
_ACTION = "pool_exhausted"


def note(session: Session, demand: Demand, now: datetime) -> None:
    """Record that nothing was free for a demand, unless that was recorded less than ten minutes ago."""
    words = (demand.mode.value, demand.mcc_mnc, demand.carrier)
    subject = "slots " + " ".join(word for word in words if word)
    serialise(session, _ACTION, demand.tenant_id)
    told = exists().where(
        AuditEntry.tenant_id == demand.tenant_id,
        AuditEntry.subject == subject,
        AuditEntry.action == _ACTION,
        AuditEntry.at > now - TELL_EVERY,
    )
    if session.scalar(select(told)):
        return
    audit.record(
        session,
        tenant_id=demand.tenant_id,
        actor="allocator",
        action=_ACTION,
        subject=subject,
        now=now,
        mapping_mode=demand.mode.value,
        mcc_mnc=demand.mcc_mnc,
        carrier=demand.carrier,
    )
