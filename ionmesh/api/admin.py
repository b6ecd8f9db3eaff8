"""What an operator's programs call: clients, their commands, banks and slots of the key's own tenant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response

from ionmesh.api import auth, wire
from ionmesh.api.context import runtime
from ionmesh.api.remsim import API_PREFIX
from ionmesh.api.schemas import BankBody, ClientsQuery, CommandBody, ReassignBody, SlotsBody, SlotsQuery
from ionmesh.clock import rfc3339
from ionmesh.models import Bank, ClientCommand, Connectivity, ServiceProfile, Slot
from ionmesh.services import clients, commands, inventory, registration
from ionmesh.services.assignment import describe
from ionmesh.services.clients import ClientFilter
from ionmesh.services.inventory import NewBank, NewSlots, SlotFilter

blueprint = Blueprint("admin", __name__, url_prefix=API_PREFIX)


@blueprint.get("/clients")
def list_clients() -> Response:
    """List the tenant's active clients."""
    _, tenant_id = auth.admin_tenant()
    query = wire.query_as(ClientsQuery)
    wanted = ClientFilter(
        Connectivity(query.connectivity) if query.connectivity else None, query.mapping_mode
    )
    with runtime().database.read() as session:
        page, total = clients.list_active(
            session, tenant_id, wanted, offset=query.offset, limit=query.per_page
        )
        rows = [_client(profile) for profile in page]
    return wire.answer({"status": "ok", "clients": rows, "total": total})


@blueprint.get("/clients/<client_id>")
def show_client(client_id: str) -> Response:
    """Show one client with what it last reported and its latest commands."""
    _, tenant_id = auth.admin_tenant()
    with runtime().database.read() as session:
        profile = clients.find_active(session, tenant_id, client_id)
        document = _client(profile) | {
            "fingerprint": profile.fingerprint,
            "software_version": profile.software_version,
            "hardware_info": profile.hardware_info,
            "stats": profile.state.stats,
            "modem_info": profile.state.modem_info,
            "links": profile.state.links,
            "commands": [
                _command(command) for command in clients.recent_commands(session, profile.profile_id)
            ],
        }
    return wire.answer({"status": "ok", "client": document})


@blueprint.post("/clients/<client_id>/commands")
def queue_command(client_id: str) -> Response:
    """Queue a command for the client's next heartbeat."""
    caller, tenant_id = auth.admin_tenant()
    body = wire.body_as(CommandBody)
    run = runtime()
    life = timedelta(seconds=body.expires_in_s or run.config.command_ttl_s)
    with run.database.write() as session:
        profile = clients.find_active(session, tenant_id, client_id)
        command = commands.queue(
            session, profile, body.type, body.params, actor=caller.name, now=run.clock(), life=life
        )
    return wire.answer({"status": "ok", "command": _command(command)}, 201)


@blueprint.post("/clients/<client_id>/reassign")
def reassign_client(client_id: str) -> Response:
    """Move the client to a named free slot."""
    caller, tenant_id = auth.admin_tenant()
    body = wire.body_as(ReassignBody)
    run = runtime()
    place = (body.bank_id, body.slot_id)
    with run.database.write() as session:
        moved = registration.reassign(session, tenant_id, client_id, place, caller.name, run.clock())
    run.assignments_changed()
    document = {"status": "ok", "message": "Client reassigned"}
    return wire.answer(document | {"new_bank_id": moved.bank_id, "new_slot_id": moved.slot_id})


@blueprint.get("/simbank/banks")
def list_banks() -> Response:
    """List the banks the tenant gets slots from."""
    _, tenant_id = auth.admin_tenant()
    with runtime().database.read() as session:
        rows = [_bank(bank) for bank in inventory.list_banks(session, tenant_id)]
    return wire.answer({"status": "ok", "banks": rows})


@blueprint.post("/simbank/banks")
def create_bank() -> Response:
    """Create a bank of the tenant's own."""
    caller, tenant_id = auth.admin_tenant()
    body = wire.body_as(BankBody)
    run = runtime()
    new = NewBank(body.bank_id, body.bankd, body.server, body.remsim_server_url, body.name)
    with run.database.write() as session:
        bank = inventory.add_bank(session, tenant_id, new, caller.name, run.clock())
    return wire.answer({"status": "ok", "bank": _bank(bank)}, 201)


@blueprint.post("/simbank/banks/<int:bank_id>/slots")
def create_slots(bank_id: int) -> Response:
    """Create a range of slots in one of the tenant's own banks."""
    caller, tenant_id = auth.admin_tenant()
    body = wire.body_as(SlotsBody)
    run = runtime()
    new = NewSlots(
        bank_id=bank_id,
        slot_ids=inventory.parse_slot_range(body.slots),
        kind=body.kind,
        iccids=tuple(body.iccids),
        imsis=tuple(body.imsis),
        mcc_mnc=body.mcc_mnc,
        carrier=body.carrier,
    )
    with run.database.write() as session:
        slots = inventory.add_slots(session, tenant_id, new, caller.name, run.clock())
    return wire.answer({"status": "ok", "slots": [_slot(slot) for slot in slots]}, 201)


@blueprint.get("/simbank/slots")
def list_slots() -> Response:
    """List slots, filtered by status, bank, network and carrier."""
    _, tenant_id = auth.admin_tenant()
    query = wire.query_as(SlotsQuery)
    wanted = SlotFilter(query.status, query.bank_id, query.mcc_mnc, query.carrier)
    with runtime().database.read() as session:
        page, total = inventory.list_slots(
            session, tenant_id, wanted, offset=query.offset, limit=query.per_page
        )
        rows = [_slot(slot) for slot in page]
    return wire.answer({"status": "ok", "slots": rows, "total": total})


def _client(profile: ServiceProfile) -> dict[str, Any]:
    assignment = describe(profile)
    return {
        "client_id": profile.client_id,
        "connectivity": profile.state.connectivity.value,
        "reported_status": profile.state.reported_status,
        "last_heartbeat": _moment(profile.state.last_heartbeat),
        "registered_at": _moment(profile.registered_at),
        "source_ip": profile.state.source_ip or profile.source_ip,
        **wire.assignment_fields(assignment, runtime().config.heartbeat_interval_s),
    }


def _command(command: ClientCommand) -> dict[str, Any]:
    return {
        "id": command.command_id,
        "type": command.type,
        "params": command.params,
        "state": command.state.value,
        "created_by": command.created_by,
        "created_at": _moment(command.created_at),
        "expires_at": _moment(command.expires_at),
        "delivered_at": _moment(command.delivered_at),
        "finished_at": _moment(command.finished_at),
        "detail": command.detail,
    }


def _bank(bank: Bank) -> dict[str, Any]:
    return {
        "bank_id": bank.bank_id,
        "name": bank.name,
        "shared": bank.tenant_id is None,
        "status": bank.status.value,
        "bankd_endpoint": f"http://{bank.bankd_host}:{bank.bankd_port}",
        "server_endpoint": f"{bank.server_host}:{bank.server_port}" if bank.server_host else None,
        "remsim_server_url": bank.remsim_server_url,
        "bankd_connected": bank.bankd_connected,
    }


def _slot(slot: Slot) -> dict[str, Any]:
    return {
        "bank_id": slot.bank_id,
        "slot_id": slot.slot_id,
        "status": slot.status.value,
        "kind": slot.kind.value,
        "iccid": slot.iccid,
        "imsi": slot.imsi,
        "mcc_mnc": slot.mcc_mnc,
        "carrier": slot.carrier,
        "available_after": _moment(slot.available_after),
    }


def _moment(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
