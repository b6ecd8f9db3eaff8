"""What happened: audit log, events and exports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request

from ionmesh.api import present, tables
from ionmesh.api.admin_schemas import AuditQuery, EventsQuery, ExportQuery
from ionmesh.api.prefix import API_PREFIX, NUMBER_MAX
from ionmesh.api.routing import Call, Routes
from ionmesh.api.stream import event_stream
from ionmesh.api.tables import Row
from ionmesh.errors import InvalidRequest
from ionmesh.services import audit, clients, events, inventory
from ionmesh.services.clients import ClientFilter
from ionmesh.services.inventory import SlotFilter

routes = Routes(Blueprint("watch", __name__, url_prefix=API_PREFIX))


@routes.get("/audit-log", AuditQuery)
def list_audit(call: Call, query: AuditQuery) -> dict[str, Any]:
    """List the audit log, newest first."""
    with call.database.read() as session:
        page, total = audit.entries(
            session,
            call.tenant_id,
            action=query.action,
            subject=query.subject,
            offset=query.offset,
            limit=query.per_page,
        )
    return {"entries": [present.audit_entry(entry) for entry in page], "total": total}


@routes.get("/events", EventsQuery)
def list_events(call: Call, query: EventsQuery) -> dict[str, Any]:
    """List events: those behind `after`, oldest first, or the latest, newest first."""
    with call.database.read() as session:
        if query.after is None:
            rows = events.latest(session, call.tenant_id, client_id=None, limit=query.limit)
        else:
            rows = events.after(session, call.tenant_id, query.after, limit=query.limit)
    return {"events": [present.event(event) for event in rows]}


@routes.get("/events/stream", EventsQuery, media="text/event-stream")
def stream_events(call: Call, query: EventsQuery) -> Response:
    """Send events as they happen (server-sent events), from Last-Event-ID or `after` on."""
    presented = request.headers.get("Last-Event-ID", "")
    return event_stream(call, _event_number(presented) if presented else query.after)


@routes.get("/export.json", ExportQuery)
def export_json(call: Call, query: ExportQuery) -> Response:
    """Return all clients or slots as a JSON list."""
    return tables.as_json(_rows(call, query), query.what)


@routes.get("/export.csv", ExportQuery, media="text/csv")
def export_csv(call: Call, query: ExportQuery) -> Response:
    """Return all clients or slots as CSV."""
    return tables.as_csv(_rows(call, query), query.what)


def _event_number(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(NUMBER_MAX))
    if not digits or int(text) > NUMBER_MAX:
        raise InvalidRequest("bad_last_event_id", "Last-Event-ID is not an event's number")
    return int(text)


def _rows(call: Call, query: ExportQuery) -> Iterator[Row]:
    def clients_page(offset: int, limit: int) -> tuple[list[Row], int]:
        interval_s = call.run.config.heartbeat_interval_s
        with call.database.read() as session:
            page, total = clients.list_active(
                session, call.tenant_id, ClientFilter(), offset=offset, limit=limit
            )
            return [present.client(profile, interval_s, masked=call.masked) for profile in page], total

    def slots_page(offset: int, limit: int) -> tuple[list[Row], int]:
        with call.database.read() as session:
            page, total = inventory.list_slots(
                session, call.tenant_id, SlotFilter(), offset=offset, limit=limit
            )
        return [present.slot(slot, masked=call.masked) for slot in page], total

    return tables.whole(clients_page if query.what == "clients" else slots_page)
