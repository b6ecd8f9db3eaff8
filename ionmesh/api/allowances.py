"""SIMs' traffic in their billing month, and how much may go over each."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from ionmesh.api.prefix import API_PREFIX
from ionmesh.api.routing import Call, Routes
from ionmesh.api.watch_schemas import AllowanceBody, DailyQuery
from ionmesh.errors import NotFound
from ionmesh.services import allowance
from ionmesh.services.allowance import Usage

routes = Routes(Blueprint("allowances", __name__, url_prefix=API_PREFIX))


@routes.get("/allowances")
def list_allowances(call: Call) -> dict[str, Any]:
    """List the SIMs that have an allowance or had traffic this month, the fullest first."""
    with call.database.read() as session:
        rows = allowance.usage(session, call.tenant_id, call.now)
    return {"sims": [_usage(usage, masked=call.masked) for usage in rows]}


@routes.get("/sims/<path:sim>/traffic", DailyQuery)
def show_sim_traffic(call: Call, query: DailyQuery, sim: str) -> dict[str, Any]:
    """List the traffic of a SIM, its ICCID or bank_id/slot_id, by day (UTC), oldest first."""
    with call.database.read() as session:
        if "\0" in sim or not allowance.is_known(session, call.tenant_id, sim):
            raise NotFound("no_sim", "nothing is known of such a SIM")
        rows = allowance.daily(session, call.tenant_id, sim, call.now, query.days)
    return {"days": [{"day": day.isoformat(), "rx_bytes": rx, "tx_bytes": tx} for day, rx, tx in rows]}


@routes.post("/allowances", AllowanceBody)
def set_allowances(call: Call, body: AllowanceBody) -> dict[str, Any]:
    """Give SIMs an allowance, or another one."""
    with call.database.write() as session:
        rows = allowance.set_limit(
            session,
            call.tenant_id,
            body.sims,
            body.limit_bytes,
            body.billing_day,
            call.actor,
            call.now,
        )
    return {"allowance_ids": [row.allowance_id for row in rows]}


@routes.delete("/allowances/<int:allowance_id>")
def delete_allowance(call: Call, allowance_id: int) -> dict[str, Any]:
    """Take an allowance away; what was counted stays."""
    with call.database.write() as session:
        allowance.delete(session, call.tenant_id, allowance_id, call.actor, call.now)
    return {"message": "Allowance deleted"}


def _usage(usage: Usage, *, masked: bool) -> dict[str, Any]:
    return {
        "sim": allowance.masked(usage.sim) if masked else usage.sim,
        "rx_bytes": usage.rx_bytes,
        "tx_bytes": usage.tx_bytes,
        "used_bytes": usage.used_bytes,
        "since": usage.since.isoformat(),
        "allowance_id": usage.allowance_id,
        "limit_bytes": usage.limit_bytes,
        "billing_day": usage.billing_day,
        "percent": None if usage.percent is None else round(usage.percent, 1),
    }
