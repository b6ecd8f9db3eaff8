"""Taking a heartbeat: what the client says is kept, what is waiting for it is given."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from ionmesh.errors import NotFound
from ionmesh.models import ClientCommand, Connectivity
from ionmesh.services import audit, commands
from ionmesh.services.assignment import Assignment, active_profile, describe
from ionmesh.services.commands import CommandResult

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a client says; None means it said nothing about it and the last word stands."""

    client_id: str
    status: str
    source_ip: str | None
    stats: dict[str, Any] | None = None
    modem_info: dict[str, Any] | None = None
    links: Any = None
    assignment_version: int | None = None
    command_results: tuple[CommandResult, ...] = ()


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """What the client gets back."""

    commands: tuple[ClientCommand, ...]
    assignment: Assignment | None
    """Present when the client said it knows an older one."""


def receive(session: Session, tenant_id: int, beat: Heartbeat, now: datetime) -> HeartbeatAnswer:
    """Keep a heartbeat and answer it. Raises NotFound when the client has no slot: it is to register."""
    profile = active_profile(session, tenant_id, beat.client_id)
    if profile is None:
        raise NotFound("client_not_registered", "Client not registered")
    state = profile.state
    if state.connectivity is Connectivity.OFFLINE:
        log.info("client %s is online again", beat.client_id)
        audit.record(
            session,
            tenant_id=tenant_id,
            actor=beat.client_id,
            action="client_recovered",
            subject=beat.client_id,
            now=now,
        )
    state.connectivity = Connectivity.ONLINE
    state.first_heartbeat = state.first_heartbeat or now
    state.last_heartbeat = now
    state.reported_status = beat.status
    state.source_ip = beat.source_ip
    for name in ("stats", "modem_info", "links"):
        value = getattr(beat, name)
        if value is not None:
            setattr(state, name, value)
    commands.report(session, profile.profile_id, beat.command_results, now)
    known = beat.assignment_version
    outdated = known is not None and known < profile.assignment_version
    return HeartbeatAnswer(
        commands=tuple(commands.deliver(session, profile.profile_id, now)),
        assignment=describe(profile) if outdated else None,
    )
