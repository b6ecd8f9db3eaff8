"""KI pools: how full each is, its master cards, and what the mode cannot do."""

from __future__ import annotations

from flask import render_template

from ionmesh.api import inventory as api
from ionmesh.api import present
from ionmesh.api.admin_schemas import PoolBody, PoolChange
from ionmesh.dashboard import wording
from ionmesh.dashboard.forms import form_as
from ionmesh.dashboard.gate import Done, Visit, pages, to
from ionmesh.models import MappingMode, Role, RoutingMode
from ionmesh.services import inventory
from ionmesh.services import pools as service

_ROUTING = tuple((mode.value, mode.value) for mode in RoutingMode)


@pages.get("/pools")
def pools(visit: Visit) -> str:
    """List the KI pools."""
    with visit.database.read() as session:
        rows = [present.pool(*row) for row in service.usage(session, visit.tenant_id)]
        banks = inventory.list_banks(session, visit.tenant_id)
    own = [bank for bank in banks if bank.tenant_id is not None]
    return render_template(
        "pools.html",
        pools=rows,
        banks=own,
        routing=_ROUTING,
        limits=wording.mode_limits(MappingMode.KI_PROXY_SWSIM),
    )


@pages.get("/pools/<int:pool_id>")
def pool(visit: Visit, pool_id: int) -> str:
    """Show a pool with its master cards."""
    with visit.database.read() as session:
        found = service.find(session, visit.tenant_id, pool_id)
        masters = [
            present.card(card, found.pool_name, masked=visit.call.masked)
            for card in service.cards(session, found)
        ]
        shown = present.pool(found, service.used(session, found))
    return render_template("pool.html", pool=shown, masters=masters, routing=_ROUTING)


@pages.post("/pools", Role.ADMIN)
def create_pool(visit: Visit) -> Done:
    """Create a pool with its virtual slots."""
    api.create_pool(visit.call, form_as(PoolBody))
    return Done(to("pools"), "created")


@pages.post("/pools/<int:pool_id>", Role.ADMIN)
def change_pool(visit: Visit, pool_id: int) -> Done:
    """Resize, close or open a pool, or change its routing."""
    api.change_pool(visit.call, form_as(PoolChange), pool_id)
    return Done(to("pool", pool_id=pool_id), "noted")


@pages.post("/pools/<int:pool_id>/delete", Role.ADMIN)
def delete_pool(visit: Visit, pool_id: int) -> Done:
    """Delete a pool that serves nobody."""
    api.delete_pool(visit.call, pool_id)
    return Done(to("pools"), "deleted")
