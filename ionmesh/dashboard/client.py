"""One client: who it is, what it has and why, how it does, what it is to do."""

from __future__ import annotations

from typing import Any

from flask import render_template
from sqlalchemy.orm import Session

from ionmesh.api import fleet, present
from ionmesh.api.admin_schemas import ClientChange
from ionmesh.api.schemas import CommandBody, ReassignBody
from ionmesh.api.wire import values_as
from ionmesh.dashboard import alert_words, wording
from ionmesh.dashboard.clients import row
from ionmesh.dashboard.forms import form_as, text
from ionmesh.dashboard.gate import Done, Visit, pages, to
from ionmesh.dashboard.listing import number
from ionmesh.models import ID_MAX, ID_MIN, MappingMode, ProfileStatus, Role, ServiceProfile
from ionmesh.services import alerts, allocation, audit, events, holdings, inventory, policies, tags
from ionmesh.services import clients as service
from ionmesh.services.commands import CommandType

EVENTS_SHOWN = 20
_ASSIGNMENTS_SHOWN = 10
_AUDIT_LOOKED_AT = 50
_FREE_SHOWN = 200
# What a router does at the press of a button; commands with parameters are the REST API's.
_BUTTONS = (CommandType.MODEM_RESET, CommandType.REREGISTER, CommandType.LOG_TAIL)
_ASSIGNING = frozenset({"client_registered", "client_moved"})


@pages.get("/clients/<client_id>")
def client(visit: Visit, client_id: str) -> str:
    """Show a client, also one that has no slot any more."""
    with visit.database.read() as session:
        profile = service.find_latest(session, visit.tenant_id, client_id)
        commands = service.recent_commands(session, profile.profile_id)
        happened = events.latest(session, visit.tenant_id, client_id=client_id, limit=EVENTS_SHOWN)
        firing, _ = alerts.listed(session, visit.tenant_id, subject=client_id)
        mutes = alerts.mutes(session, visit.tenant_id, visit.call.now)
        return render_template(
            "client.html",
            client=row(visit, profile) | _more(profile),
            active=profile.status is ProfileStatus.ACTIVE,
            buttons=_BUTTONS,
            commands=[present.command(command) for command in commands],
            events=[present.event(event) for event in happened],
            event_names=wording.event_names(),
            events_shown=EVENTS_SHOWN,
            live_after=max((event.event_id for event in happened), default=0),
            alerts=alert_words.shown(session, visit, firing),
            mute=next((mute for mute in mutes if mute.subject == client_id), None),
            reason=_reason(session, visit, profile),
            held=holdings.of_client(session, visit.tenant_id, client_id, limit=_ASSIGNMENTS_SHOWN),
            tags=list(tags.in_use(session, visit.tenant_id)),
        )


@pages.get("/clients/<client_id>/reassign", Role.OPERATOR)
def reassign_picker(visit: Visit, client_id: str) -> str:
    """Show the slots the client can be moved to, and only those."""
    bank_id = number("bank", ID_MIN, ID_MAX)
    with visit.database.read() as session:
        profile = service.find_active(session, visit.tenant_id, client_id)
        free = allocation.free_slots(
            session, visit.tenant_id, visit.call.now, bank_id=bank_id, limit=_FREE_SHOWN
        )
        return render_template(
            "reassign.html",
            client=row(visit, profile),
            free=[present.slot(slot, masked=visit.call.masked) for slot in free],
            banks=inventory.list_banks(session, visit.tenant_id),
            chosen_bank=bank_id,
            most=_FREE_SHOWN,
        )


@pages.post("/clients/<client_id>/reassign", Role.OPERATOR)
def reassign(visit: Visit, client_id: str) -> Done:
    """Move a client to the slot that was chosen."""
    bank_id, _, slot_id = text("place").partition("/")
    body = values_as(ReassignBody, {"bank_id": bank_id, "slot_id": slot_id})
    fleet.reassign_client(visit.call, body, client_id)
    return Done(to("client", client_id=client_id), "reassigned")


@pages.post("/clients/<client_id>/commands", Role.OPERATOR)
def queue_command(visit: Visit, client_id: str) -> Done:
    """Queue a command for the client's next heartbeat."""
    fleet.queue_command(visit.call, form_as(CommandBody), client_id)
    kind = text("type")
    return Done(to("client", client_id=client_id), "restarted" if kind == "restart" else "queued")


@pages.post("/clients/<client_id>/commands/<command_id>/cancel", Role.OPERATOR)
def cancel_command(visit: Visit, client_id: str, command_id: str) -> Done:
    """Cancel a command the client has not confirmed."""
    fleet.cancel_command(visit.call, command_id)
    return Done(to("client", client_id=client_id), "cancelled")


@pages.post("/clients/<client_id>/notes", Role.OPERATOR)
def note_client(visit: Visit, client_id: str) -> Done:
    """Replace notes, tags and heartbeat interval of a client."""
    values: dict[str, Any] = {
        "notes": text("notes").replace("\r\n", "\n") or None,
        "tags": text("tags").replace(",", " ").split(),
        "heartbeat_interval_s": text("heartbeat_interval_s") or None,
    }
    fleet.change_client(visit.call, values_as(ClientChange, values), client_id)
    return Done(to("client", client_id=client_id), "noted")


def _more(profile: ServiceProfile) -> dict[str, Any]:
    state = profile.state
    return {
        "notes": profile.notes,
        "heartbeat_interval_s": profile.heartbeat_interval_s,
        "fingerprint": profile.fingerprint,
        "software_version": profile.software_version,
        "hardware_info": profile.hardware_info or {},
        "stats": state.stats or {},
        "modem_info": state.modem_info or {},
        "links": wording.links(state.links),
        "bank": profile.slot.bank,
        "first_heartbeat": state.first_heartbeat,
        "created_at": profile.created_at,
    }


def _reason(session: Session, visit: Visit, profile: ServiceProfile) -> dict[str, Any]:
    """Return why the client has its slot: who gave it when, and which policy speaks for it now."""
    entries, _ = audit.entries(
        session, visit.tenant_id, subject=profile.client_id, offset=0, limit=_AUDIT_LOOKED_AT
    )
    given = next((entry for entry in entries if entry.action in _ASSIGNING), None)
    trace = policies.judge(
        policies.listed(session, visit.tenant_id), profile.slot.mcc_mnc, None, visit.call.now
    )
    applies = trace[-1].policy if trace and trace[-1].reason is None else None
    return {
        "at": given.at if given else profile.created_at,
        "by_itself": given is None or given.actor == profile.client_id,
        "actor": given.actor if given else profile.client_id,
        "moved": given is not None and given.action == "client_moved",
        "policy": applies.name if applies else None,
        "limits": wording.mode_limits(MappingMode(profile.mapping_mode)),
    }
