"""Clients and their commands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint

from ionmesh.api import present
from ionmesh.api.admin_schemas import AuditQuery, ClientChange
from ionmesh.api.prefix import API_PREFIX
from ionmesh.api.routing import Call, Routes, changed
from ionmesh.api.schemas import ClientsQuery, CommandBody, ReassignBody
from ionmesh.models import Connectivity
from ionmesh.services import audit, clients, commands, registration
from ionmesh.services.clients import ClientFilter

routes = Routes(Blueprint("fleet", __name__, url_prefix=API_PREFIX))


@routes.get("/clients", ClientsQuery)
def list_clients(call: Call, query: ClientsQuery) -> dict[str, Any]:
    """List the active clients, by id."""
    connectivity = Connectivity(query.connectivity) if query.connectivity else None
    wanted = ClientFilter(connectivity, query.mapping_mode, query.q)
    interval_s = call.run.config.heartbeat_interval_s
    with call.database.read() as session:
        page, total = clients.list_active(
            session, call.tenant_id, wanted, offset=query.offset, limit=query.per_page
        )
        rows = [present.client(profile, interval_s, masked=call.masked) for profile in page]
    return {"clients": rows, "total": total}


@routes.get("/clients/<client_id>")
def show_client(call: Call, client_id: str) -> dict[str, Any]:
    """Show a client with what it last reported and its latest commands."""
    with call.database.read() as session:
        profile = clients.find_active(session, call.tenant_id, client_id)
        interval_s = call.run.config.heartbeat_interval_s
        document = present.client(profile, interval_s, masked=call.masked) | {
            "notes": profile.notes,
            "fingerprint": profile.fingerprint,
            "software_version": profile.software_version,
            "hardware_info": profile.hardware_info,
            "stats": profile.state.stats,
            "modem_info": profile.state.modem_info,
            "links": profile.state.links,
            "commands": [
                present.command(command) for command in clients.recent_commands(session, profile.profile_id)
            ],
        }
    return {"client": document}


@routes.patch("/clients/<client_id>", ClientChange)
def change_client(call: Call, body: ClientChange, client_id: str) -> dict[str, Any]:
    """Change tags, notes or heartbeat interval of a client."""
    with call.database.write() as session:
        profile = clients.change(session, call.tenant_id, client_id, changed(body), call.actor, call.now)
    document = present.client(profile, call.run.config.heartbeat_interval_s, masked=call.masked)
    return {"client": document | {"notes": profile.notes}}


@routes.get("/clients/<client_id>/logs", AuditQuery)
def show_client_log(call: Call, query: AuditQuery, client_id: str) -> dict[str, Any]:
    """List what the audit log has about a client, newest first."""
    with call.database.read() as session:
        clients.find_latest(session, call.tenant_id, client_id)
        page, total = audit.entries(
            session,
            call.tenant_id,
            action=query.action,
            subject=client_id,
            offset=query.offset,
            limit=query.per_page,
        )
    return {"entries": [present.audit_entry(entry) for entry in page], "total": total}


@routes.get("/clients/<client_id>/commands")
def list_commands(call: Call, client_id: str) -> dict[str, Any]:
    """List the latest commands of a client, newest first."""
    with call.database.read() as session:
        profile = clients.find_active(session, call.tenant_id, client_id)
        rows = clients.recent_commands(session, profile.profile_id)
    return {"commands": [present.command(command) for command in rows]}


@routes.post("/clients/<client_id>/commands", CommandBody, 201)
def queue_command(call: Call, body: CommandBody, client_id: str) -> dict[str, Any]:
    """Queue a command for the client's next heartbeat."""
    life = timedelta(seconds=body.expires_in_s or call.run.config.command_ttl_s)
    with call.database.write() as session:
        profile = clients.find_active(session, call.tenant_id, client_id)
        command = commands.queue(
            session, profile, body.type, body.params, actor=call.actor, now=call.now, life=life
        )
    return {"command": present.command(command)}


@routes.delete("/commands/<command_id>")
def cancel_command(call: Call, command_id: str) -> dict[str, Any]:
    """Cancel a command that no client has confirmed."""
    with call.database.write() as session:
        command = commands.cancel(session, call.tenant_id, command_id, call.actor, call.now)
    return {"command": present.command(command)}


@routes.post("/clients/<client_id>/reassign", ReassignBody)
def reassign_client(call: Call, body: ReassignBody, client_id: str) -> dict[str, Any]:
    """Move a client to a named free slot."""
    place = (body.bank_id, body.slot_id)
    with call.database.write() as session:
        moved = registration.reassign(session, call.tenant_id, client_id, place, call.actor, call.now)
    call.run.assignments_changed()
    return {
        "message": "Client reassigned",
        "new_bank_id": moved.bank_id,
        "new_slot_id": moved.slot_id,
    }
