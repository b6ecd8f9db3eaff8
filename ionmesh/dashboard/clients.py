"""The table of clients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import render_template

from ionmesh.api import present
from ionmesh.dashboard import health, listing, wording
from ionmesh.dashboard.forms import member, query
from ionmesh.dashboard.gate import Visit, pages
from ionmesh.models import ID_MAX, ID_MIN, MappingMode, ServiceProfile
from ionmesh.services import clients as service
from ionmesh.services import inventory
from ionmesh.services import tags as tag_service
from ionmesh.services.clients import ClientFilter, ClientOrder
from ionmesh.services.health import Health

_FILTERS = ("q", "state", "mode", "tag", "bank")
_SORTS = tuple(order.value for order in ClientOrder)


@pages.get("/clients")
def clients(visit: Visit) -> str:
    """List the clients, filtered, sorted, in pages."""
    filters = query(*_FILTERS)
    shown = listing.requested(filters, _SORTS)
    with visit.database.read() as session:
        page, total = service.list_active(
            session,
            visit.tenant_id,
            wanted(visit),
            offset=shown.offset,
            limit=shown.per_page,
            order=ClientOrder(shown.sort),
            descending=shown.descending,
            also=[tag_service.tagged(session, filters["tag"])] if "tag" in filters else [],
        )
        rows = [row(visit, profile) for profile in page]
        tags = tag_service.in_use(session, visit.tenant_id)
        banks = inventory.list_banks(session, visit.tenant_id)
    return render_template(
        "clients.html",
        listing=replace(shown, total=total),
        rows=rows,
        filters=filters,
        tags=list(tags),
        banks=banks,
        modes=wording.mode_names(),
        states=health.names(),
    )


def wanted(visit: Visit) -> ClientFilter:
    """Return what the query string asks for; values that make no sense ask for nothing."""
    filters = query(*_FILTERS)
    return ClientFilter(
        mapping_mode=member(MappingMode, filters.get("mode")),
        text=filters.get("q"),
        identities=not visit.call.masked,
        bank_id=listing.number("bank", ID_MIN, ID_MAX),
        health=member(Health, filters.get("state")),
    )


def row(visit: Visit, profile: ServiceProfile) -> dict[str, Any]:
    """Return a client as the table shows it."""
    document = present.client(profile, visit.call.run.config.heartbeat_interval_s, masked=visit.call.masked)
    stats = profile.state.stats or {}
    modem = profile.state.modem_info or {}
    rsrp = stats.get("signal_rsrp")
    return document | {
        "health": health.of(profile),
        "mode_name": wording.mode_name(document["mapping_mode"]),
        "carrier": profile.slot.carrier or profile.slot.mcc_mnc,
        "modem": " ".join(str(modem[name]) for name in ("vendor", "model") if modem.get(name)),
        "rsrp_dbm": rsrp if isinstance(rsrp, int | float) else None,
    }
