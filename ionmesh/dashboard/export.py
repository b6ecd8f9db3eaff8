"""Every table as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from flask import Response

from ionmesh.api import alerts as alerts_api
from ionmesh.api import allowances, present, tables
from ionmesh.api.prefix import NUMBER_MAX
from ionmesh.api.tables import Row
from ionmesh.api.watch_schemas import AlertsQuery
from ionmesh.dashboard import listing
from ionmesh.dashboard.clients import row, wanted
from ionmesh.dashboard.forms import query
from ionmesh.dashboard.gate import Visit, pages
from ionmesh.errors import Forbidden, NotFound
from ionmesh.models import ID_MAX, ID_MIN, Role
from ionmesh.services import audit, clients, events, inventory, keys, pools, tags, users, webhooks
from ionmesh.services.inventory import SlotFilter

Rows = Iterator[Row]

# Older ones are of no interest or thrown away.
_EVENTS_MOST = 5000
_FORMS = {"csv": tables.as_csv, "json": tables.as_json}


@pages.get("/export/<what>.<form>")
def export_table(visit: Visit, what: str, form: str) -> Response:
    """Return a whole table, filtered as its page is."""
    table, role = _TABLES.get(what, (None, Role.VIEWER))
    write = _FORMS.get(form)
    if table is None or write is None:
        raise NotFound("no_table", f"there is no {what}.{form}")
    if not visit.may(role):
        raise Forbidden("role_missing", f"This needs the role {role.value}.")
    return write(table(visit), what)


def _clients(visit: Visit) -> Rows:
    tag = query("tag").get("tag")

    def page(offset: int, limit: int) -> tuple[list[Row], int]:
        with visit.database.read() as session:
            profiles, total = clients.list_active(
                session,
                visit.tenant_id,
                wanted(visit),
                offset=offset,
                limit=limit,
                also=[tags.tagged(session, tag)] if tag else [],
            )
            rows = [row(visit, profile) for profile in profiles]
        return [shown | {"health": shown["health"].name} for shown in rows], total

    return tables.whole(page)


def _slots(visit: Visit) -> Rows:
    chosen = SlotFilter(bank_id=listing.number("bank", ID_MIN, ID_MAX))

    def page(offset: int, limit: int) -> tuple[list[Row], int]:
        with visit.database.read() as session:
            slots, total = inventory.list_slots(session, visit.tenant_id, chosen, offset=offset, limit=limit)
        return [present.slot(slot, masked=visit.call.masked) for slot in slots], total

    return tables.whole(page)


def _pools(visit: Visit) -> Rows:
    with visit.database.read() as session:
        for pool, used in pools.usage(session, visit.tenant_id):
            document = present.pool(pool, used)
            yield document | document.pop("utilization")


def _alerts(visit: Visit) -> Rows:
    return _alerts_that_are(visit, "firing")


def _ended_alerts(visit: Visit) -> Rows:
    return _alerts_that_are(visit, "resolved")


def _alerts_that_are(visit: Visit, state: Literal["firing", "resolved"]) -> Rows:
    def page(offset: int, limit: int) -> tuple[list[Row], int]:
        wish = AlertsQuery(page=offset // limit + 1, per_page=limit, state=state)
        answer: Any = alerts_api.list_alerts(visit.call, wish)
        return answer["alerts"], answer["total"]

    return tables.whole(page)


def _rules(visit: Visit) -> Rows:
    answer: Any = alerts_api.list_rules(visit.call)
    yield from answer["rules"]


def _allowance(visit: Visit) -> Rows:
    answer: Any = allowances.list_allowances(visit.call)
    yield from answer["sims"]


def _audit(visit: Visit) -> Rows:
    filters = query("subject", "action")

    def page(offset: int, limit: int) -> tuple[list[Row], int]:
        with visit.database.read() as session:
            entries, total = audit.entries(
                session,
                visit.tenant_id,
                action=filters.get("action"),
                subject=filters.get("subject"),
                offset=offset,
                limit=limit,
            )
        return [present.audit_entry(entry) for entry in entries], total

    return tables.whole(page)


def _events(visit: Visit) -> Rows:
    with visit.database.read() as session:
        client_id = query("client").get("client")
        rows = events.latest(session, visit.tenant_id, client_id=client_id, limit=_EVENTS_MOST)
        yield from [present.event(event) for event in rows]


def _commands(visit: Visit) -> Rows:
    with visit.database.read() as session:
        profile = clients.find_latest(session, visit.tenant_id, query("client").get("client", ""))
        for command in clients.recent_commands(session, profile.profile_id, limit=_EVENTS_MOST):
            yield present.command(command)


def _deliveries(visit: Visit) -> Rows:
    with visit.database.read() as session:
        number = listing.number("webhook", 1, NUMBER_MAX) or 0
        webhook = webhooks.find(session, visit.tenant_id, number)
        for delivery in webhooks.deliveries(session, webhook, _EVENTS_MOST):
            yield present.delivery(delivery)


def _webhooks(visit: Visit) -> Rows:
    with visit.database.read() as session:
        yield from [present.webhook(webhook) for webhook in webhooks.listed(session, visit.tenant_id)]


def _keys(visit: Visit) -> Rows:
    with visit.database.read() as session:
        yield from [present.key(key) for key in keys.listed(session, visit.tenant_id)]


def _users(visit: Visit) -> Rows:
    with visit.database.read() as session:
        yield from [present.user(user) for user in users.listed(session, visit.tenant_id)]


_TABLES: dict[str, tuple[Callable[[Visit], Rows], Role]] = {
    "clients": (_clients, Role.VIEWER),
    "slots": (_slots, Role.VIEWER),
    "pools": (_pools, Role.VIEWER),
    "alerts": (_alerts, Role.VIEWER),
    "alert-history": (_ended_alerts, Role.VIEWER),
    "alert-rules": (_rules, Role.VIEWER),
    "events": (_events, Role.VIEWER),
    "commands": (_commands, Role.VIEWER),
    "allowance": (_allowance, Role.VIEWER),
    "audit": (_audit, Role.VIEWER),
    "webhooks": (_webhooks, Role.ADMIN),
    "deliveries": (_deliveries, Role.ADMIN),
    "keys": (_keys, Role.ADMIN),
    "users": (_users, Role.ADMIN),
}
