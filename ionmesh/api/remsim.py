"""The four calls routers make, as the deployed client expects them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from ionmesh import version
from ionmesh.api import auth, wire
from ionmesh.api.context import runtime
from ionmesh.api.prefix import API_PREFIX
from ionmesh.api.schemas import HeartbeatBody, RegisterBody
from ionmesh.clock import rfc3339
from ionmesh.errors import InvalidRequest, ServiceError
from ionmesh.models import ClientCommand, CommandState, MappingMode, Scope
from ionmesh.services import heartbeat, registration
from ionmesh.services.commands import CommandResult
from ionmesh.services.events import Report
from ionmesh.services.heartbeat import Heartbeat
from ionmesh.services.registration import Outcome, Registration

# A slot serves one client at a time in every mode.
MAX_SWSIMS_PER_SLOT = 1

blueprint = Blueprint("remsim", __name__, url_prefix=f"{API_PREFIX}/remsim")


@blueprint.post("/register-client")
def register_client() -> Response:
    """Give the client its slot."""
    caller = auth.caller(Scope.REMSIM)
    body = wire.body_as(RegisterBody)
    tenant_id = caller.tenant(body.tenant_id)
    run = runtime()
    try:
        registered = run.intake.register(tenant_id, _registration(body))
    except ServiceError as error:
        run.metrics.registrations.labels(body.mapping_mode.value, error.code).inc()
        raise
    run.metrics.registrations.labels(body.mapping_mode.value, registered.outcome.value).inc()
    if registered.outcome is not Outcome.EXISTING:
        run.assignments_changed()
    return wire.register_answer(
        registered.assignment,
        registered.assignment.heartbeat_interval_s or run.config.heartbeat_interval_s,
        existing=registered.outcome is Outcome.EXISTING,
    )


@blueprint.post("/heartbeat")
def take_heartbeat() -> Response:
    """Keep what the client says; give it what waits for it."""
    caller = auth.caller(Scope.REMSIM)
    body = wire.body_as(HeartbeatBody)
    tenant_id = caller.tenant(body.tenant_id)
    run = runtime()
    auth.spend(run.client_limit, tenant_id, body.client_id)
    beat, now = _beat(body), run.clock()
    run.metrics.heartbeats.labels(body.status).inc()
    with run.database.telemetry() as connection:
        noted = heartbeat.note(connection, tenant_id, beat, now)
    if noted is not None:
        interval_s = noted.interval_s or run.config.heartbeat_interval_s
        return wire.answer({"status": "ok", "next_heartbeat_interval": interval_s, "commands": []})
    with run.database.write() as session:
        reply = heartbeat.receive(session, tenant_id, beat, now)
    interval_s = reply.interval_s or run.config.heartbeat_interval_s
    document: dict[str, Any] = {
        "status": "ok",
        "next_heartbeat_interval": interval_s,
        "commands": [_command(command) for command in reply.commands],
    }
    if reply.assignment is not None:
        document["assignment"] = wire.assignment_fields(reply.assignment, interval_s)
    return wire.answer(document)


@blueprint.delete("/unregister/<path:client_id>")
def unregister(client_id: str) -> Response:
    """End the client's assignment."""
    caller = auth.caller(Scope.REMSIM)
    tenant_id = caller.tenant(None)
    run = runtime()
    with run.database.write() as session:
        registration.unregister(session, tenant_id, client_id, caller.name, run.clock())
    run.assignments_changed()
    return wire.answer({"status": "ok", "message": "Client unregistered and slot released"})


@blueprint.get("/discover")
def discover() -> Response:
    """Say what this server is; open to all, as routers probe it for reachability."""
    config = runtime().config
    return wire.answer(
        {
            "service": "ionmesh-orchestrator",
            "version": version.VERSION,
            "api_endpoint": (config.public_url or "") + API_PREFIX,
            "capabilities": [
                "slot-assignment",
                "ki-proxy",
                "multi-tenant",
                "mcc-mnc-routing",
                "health-monitoring",
            ],
            "supported_mapping_modes": [mode.value for mode in MappingMode],
            "heartbeat_interval": config.heartbeat_interval_s,
            "max_swsims_per_slot": MAX_SWSIMS_PER_SLOT,
        }
    )


def _registration(body: RegisterBody) -> Registration:
    if body.mapping_mode is MappingMode.KI_PROXY_SWSIM and body.mcc_mnc is None:
        raise InvalidRequest("mcc_mnc_required", "mcc_mnc is required for KI_PROXY_SWSIM")
    return Registration(
        client_id=body.client_id,
        mode=body.mapping_mode,
        mcc_mnc=body.mcc_mnc,
        carrier=body.carrier,
        preferred_bank_id=body.preferred_bank_id,
        region=body.region,
        fingerprint=body.fingerprint,
        source_ip=request.remote_addr,
        software_version=body.software_version,
        hardware_info=body.hardware_info,
    )


def _beat(body: HeartbeatBody) -> Heartbeat:
    return Heartbeat(
        client_id=body.client_id,
        status=body.status,
        source_ip=request.remote_addr,
        stats=body.stats,
        modem_info=body.modem_info,
        links=body.links,
        interval_s=body.interval,
        assignment_version=body.assignment_version,
        command_results=tuple(
            CommandResult(result.id, CommandState(result.state), result.detail)
            for result in body.command_results
        ),
        reports=tuple(
            Report(datetime.fromtimestamp(told.at, UTC), told.kind, told.severity, told.subject, told.text)
            for told in body.events
        ),
        reports_left_out=body.events_left_out,
    )


def _command(command: ClientCommand) -> dict[str, Any]:
    return {
        "id": command.command_id,
        "type": command.type,
        "params": command.params,
        "expires_at": rfc3339(command.expires_at),
    }
