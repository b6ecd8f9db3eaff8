"""Taking a heartbeat: what the client says is kept, what is waiting for it is given."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Label,
    Select,
    String,
    bindparam,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.dml import ReturningUpdate

from ionmesh.errors import NotFound
from ionmesh.models import (
    ClientCommand,
    ClientState,
    CommandState,
    Connectivity,
    ProfileStatus,
    ServiceProfile,
)
from ionmesh.models.base import JsonDocument, UtcDateTime
from ionmesh.services import audit, commands, events
from ionmesh.services.assignment import Assignment, active_profile, describe
from ionmesh.services.commands import CommandResult
from ionmesh.services.events import Report

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
    interval_s: int | None = None
    """How often it heartbeats."""
    assignment_version: int | None = None
    command_results: tuple[CommandResult, ...] = ()
    reports: tuple[Report, ...] = ()
    """What happened to it, oldest first."""
    reports_left_out: int = 0
    """How many older ones it does not tell."""


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """What the client gets back."""

    commands: tuple[ClientCommand, ...]
    assignment: Assignment | None
    """Present when the client said it knows an older one."""
    interval_s: int | None
    """The client's own heartbeat interval; None: what all are told."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What the quick way found out."""

    interval_s: int | None


def note(connection: Connection, tenant_id: int, beat: Heartbeat, now: datetime) -> Noted | None:
    """Keep a heartbeat of a client for which nothing waits, in one statement.

    None: there is more to do than that (the client is unknown, was offline, reports results or events, has
    commands waiting or an outdated assignment), and `receive` does it all. The figures become a sample later,
    see `sampling`: here that costs nothing.
    """
    if beat.command_results or beat.reports:
        return None
    row = connection.execute(
        _NOTE,
        {
            "tenant": tenant_id,
            "client": beat.client_id,
            "now": now,
            "reported": beat.status,
            "ip": beat.source_ip,
            "new_stats": beat.stats,
            "new_stats_at": now if beat.stats is not None else None,
            "new_modem_info": beat.modem_info,
            "new_links": beat.links,
            "new_interval_s": beat.interval_s,
        },
    ).one_or_none()
    if row is None or row.waiting:
        return None
    if beat.assignment_version is not None and beat.assignment_version < row.assignment_version:
        return None
    return Noted(row.heartbeat_interval_s)


def _note_statement() -> ReturningUpdate[Any]:
    profile = (
        select(ServiceProfile.profile_id)
        .where(
            ServiceProfile.tenant_id == bindparam("tenant"),
            ServiceProfile.client_id == bindparam("client"),
            ServiceProfile.status == ProfileStatus.ACTIVE,
        )
        .scalar_subquery()
    )
    # For SQLite SQLAlchemy leaves the table out of a RETURNING: the bare name is the subquery's own column.
    updated: ColumnElement[str] = literal_column("client_state.profile_id", String())
    own = select(ServiceProfile).where(ServiceProfile.profile_id == updated)
    waiting = (
        select(ClientCommand.command_id)
        .where(
            ClientCommand.profile_id == updated,
            ClientCommand.state.in_([CommandState.QUEUED, CommandState.DELIVERED]),
        )
        .exists()
    )
    return (
        update(ClientState)
        .where(ClientState.profile_id == profile, ClientState.connectivity != Connectivity.OFFLINE)
        .values(
            connectivity=Connectivity.ONLINE,
            first_heartbeat=func.coalesce(ClientState.first_heartbeat, _moment("now")),
            last_heartbeat=_moment("now"),
            reported_status=bindparam("reported"),
            source_ip=bindparam("ip"),
            stats=func.coalesce(_document("new_stats"), ClientState.stats),
            stats_at=func.coalesce(_moment("new_stats_at"), ClientState.stats_at),
            modem_info=func.coalesce(_document("new_modem_info"), ClientState.modem_info),
            links=func.coalesce(_document("new_links"), ClientState.links),
            reported_interval_s=func.coalesce(
                bindparam("new_interval_s", type_=Integer()), ClientState.reported_interval_s
            ),
        )
        .returning(
            _column(own, ServiceProfile.assignment_version),
            _column(own, ServiceProfile.heartbeat_interval_s),
            waiting.label("waiting"),
        )
    )


def _column(query: Select[Any], column: InstrumentedAttribute[Any]) -> Label[Any]:
    return query.with_only_columns(column).scalar_subquery().label(column.key)


def _moment(name: str) -> BindParameter[datetime]:
    return bindparam(name, type_=UtcDateTime())


def _document(name: str) -> BindParameter[Any]:
    return bindparam(name, type_=JsonDocument)


_NOTE = _note_statement()


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
    if beat.stats is not None:
        state.stats_at = now
    state.reported_interval_s = beat.interval_s or state.reported_interval_s
    commands.report(session, profile, beat.command_results, now)
    events.record_reported_events(
        session, tenant_id, beat.client_id, beat.reports, now, left_out=beat.reports_left_out
    )
    known = beat.assignment_version
    outdated = known is not None and known < profile.assignment_version
    return HeartbeatAnswer(
        commands=tuple(commands.deliver(session, profile.profile_id, now)),
        assignment=describe(profile) if outdated else None,
        interval_s=profile.heartbeat_interval_s,
    )
