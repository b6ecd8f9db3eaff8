"""Data a SIM: used this billing month, and allowed."""

from __future__ import annotations

from flask import render_template

from ionmesh.api import allowances as api
from ionmesh.api.watch_schemas import AllowanceBody
from ionmesh.api.wire import values_as
from ionmesh.dashboard.forms import text
from ionmesh.dashboard.gate import Done, Visit, pages, to
from ionmesh.errors import InvalidRequest
from ionmesh.models import Role
from ionmesh.services import allowance as service

_MB = 1_000_000
_SHOWN = 500


@pages.get("/allowance")
def allowance(visit: Visit) -> str:
    """List the SIMs by how much of their allowance is used."""
    with visit.database.read() as session:
        rows = service.usage(session, visit.tenant_id, visit.call.now)
    shown = [
        (usage, service.masked(usage.sim) if visit.call.masked else usage.sim) for usage in rows[:_SHOWN]
    ]
    return render_template("allowance.html", rows=shown, left_out=max(0, len(rows) - _SHOWN))


@pages.post("/allowance", Role.ADMIN)
def set_allowance(visit: Visit) -> Done:
    """Give SIMs an allowance, or another one."""
    try:
        limit_bytes = round(float(text("limit_mb")) * _MB)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest("bad_limit", "The allowance is not a number of megabytes.") from error
    values = {
        "sims": text("sims").replace(",", " ").split(),
        "limit_bytes": limit_bytes,
        "billing_day": text("billing_day") or 1,
    }
    api.set_allowances(visit.call, values_as(AllowanceBody, values))
    return Done(to("allowance"), "noted")


@pages.post("/allowance/<int:allowance_id>/delete", Role.ADMIN)
def delete_allowance(visit: Visit, allowance_id: int) -> Done:
    """Take an allowance away; what was counted stays."""
    api.delete_allowance(visit.call, allowance_id)
    return Done(to("allowance"), "deleted")
