"""Clients over time: signal and traffic, who had which slot, how the fleet is, and tags."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from flask import Blueprint

from ionmesh.api import present
from ionmesh.api.prefix import API_PREFIX
from ionmesh.api.routing import Call, Routes
from ionmesh.api.watch_schemas import SeriesQuery, TagsBody
from ionmesh.errors import InvalidRequest
from ionmesh.services import clients, health, holdings, inventory, series, tags
from ionmesh.services.holdings import Holding

_USUAL_SPAN = timedelta(days=1)

routes = Routes(Blueprint("series", __name__, url_prefix=API_PREFIX))


@routes.get("/clients/<client_id>/timeseries", SeriesQuery)
def show_series(call: Call, query: SeriesQuery, client_id: str) -> dict[str, Any]:
    """Show a client's signal and traffic over time, in columns of at most some 500 points."""
    until = query.until or call.now
    since = query.since or until - _USUAL_SPAN
    if since >= until:
        raise InvalidRequest("bad_range", "since must be before until")
    metrics = query.metrics.split(",")
    with call.database.read() as session:
        clients.find_latest(session, call.tenant_id, client_id)
        found = series.read(session, call.tenant_id, client_id, metrics, since, until, query.points)
    return {"series": asdict(found)}


@routes.get("/clients/<client_id>/history")
def show_client_history(call: Call, client_id: str) -> dict[str, Any]:
    """List which slots a client had, the latest first."""
    with call.database.read() as session:
        clients.find_latest(session, call.tenant_id, client_id)
        rows = holdings.of_client(session, call.tenant_id, client_id)
    return {"history": [_holding(held) for held in rows]}


@routes.get("/simbank/slots/<int:bank_id>/<int:slot_id>/history")
def show_slot_history(call: Call, bank_id: int, slot_id: int) -> dict[str, Any]:
    """List which clients had a slot, the latest first."""
    with call.database.read() as session:
        inventory.find_bank(session, call.tenant_id, bank_id)
        rows = holdings.of_slot(session, call.tenant_id, (bank_id, slot_id))
    return {"history": [_holding(held) for held in rows]}


@routes.get("/fleet/health")
def show_health(call: Call) -> dict[str, Any]:
    """Count the clients by their grade of health."""
    with call.database.read() as session:
        counted = health.counts(session, call.tenant_id)
    return {"health": {grade.value: number for grade, number in counted.items()}}


@routes.get("/tags")
def list_tags(call: Call) -> dict[str, Any]:
    """List the tags in use and how many clients have each."""
    with call.database.read() as session:
        return {"tags": tags.in_use(session, call.tenant_id)}


@routes.post("/tags", TagsBody)
def change_tags(call: Call, body: TagsBody) -> dict[str, Any]:
    """Add and remove tags of many clients at once."""
    with call.database.write() as session:
        number = tags.change(
            session,
            call.tenant_id,
            body.client_ids,
            add=body.add,
            remove=body.remove,
            actor=call.actor,
            now=call.now,
        )
    return {"changed": number}


def _holding(held: Holding) -> dict[str, Any]:
    moments = {"since": present.moment(held.since), "until": present.moment(held.until)}
    return asdict(held) | moments
