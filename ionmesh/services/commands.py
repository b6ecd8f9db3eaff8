"""The queue of commands for clients: delivered at least once, until the client confirms."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ionmesh.errors import Conflict, NotFound
from ionmesh.models import ClientCommand, CommandState, ServiceProfile
from ionmesh.services import audit

DETAIL_LENGTH = 1024

_OPEN = (CommandState.QUEUED, CommandState.DELIVERED)
_FINAL = (CommandState.DONE, CommandState.FAILED)


class CommandType(StrEnum):
    """What a client can be asked to do; params are the client's business."""

    RESTART = "restart"
    MODEM_RESET = "modem-reset"
    SIM_SWITCH = "sim-switch"
    FAILOVER = "failover"
    REREGISTER = "reregister"
    SET_INTERVAL = "set-interval"
    CONFIG_SET = "config-set"
    LOG_TAIL = "log-tail"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a client says about a command it was given."""

    command_id: str
    state: CommandState
    """ACKED, DONE or FAILED."""
    detail: str | None = None


def next_state(current: CommandState, reported: CommandState) -> CommandState:
    """Return the state after a report.

    Final states stay. An expired command that ran all the same counts as what it became. An acknowledgement
    revives nothing.
    """
    if current in _FINAL or (current is CommandState.EXPIRED and reported not in _FINAL):
        return current
    return reported


def queue(
    session: Session,
    profile: ServiceProfile,
    kind: CommandType,
    params: dict[str, Any],
    *,
    actor: str,
    now: datetime,
    life: timedelta,
) -> ClientCommand:
    """Queue a command for the client's next heartbeat."""
    command = ClientCommand(
        command_id=str(uuid.uuid4()),
        profile_id=profile.profile_id,
        type=kind.value,
        params=params,
        state=CommandState.QUEUED,
        created_by=actor,
        created_at=now,
        expires_at=now + life,
    )
    session.add(command)
    audit.record(
        session,
        tenant_id=profile.tenant_id,
        actor=actor,
        action="command_queued",
        subject=profile.client_id,
        now=now,
        command_id=command.command_id,
        type=kind.value,
    )
    return command


def deliver(session: Session, profile_id: str, now: datetime) -> list[ClientCommand]:
    """Return the commands to put into a heartbeat answer, oldest first, and mark them delivered."""
    waiting = session.scalars(
        select(ClientCommand)
        .where(ClientCommand.profile_id == profile_id, ClientCommand.state.in_(_OPEN))
        .order_by(ClientCommand.created_at, ClientCommand.command_id)
    ).all()
    given = []
    for command in waiting:
        if command.expires_at <= now:
            command.state = CommandState.EXPIRED
            command.finished_at = now
            continue
        command.state = CommandState.DELIVERED
        command.delivered_at = command.delivered_at or now
        given.append(command)
    return given


def cancel(session: Session, tenant_id: int, command_id: str, actor: str, now: datetime) -> ClientCommand:
    """End a command no client has confirmed. Raises NotFound, and Conflict when one has."""
    found = session.execute(
        select(ClientCommand, ServiceProfile.client_id)
        .join(ServiceProfile, ServiceProfile.profile_id == ClientCommand.profile_id)
        .where(ClientCommand.command_id == command_id, ServiceProfile.tenant_id == tenant_id)
        .with_for_update(of=ClientCommand)
    ).one_or_none()
    if found is None:
        raise NotFound("no_command", "Command not found")
    command, client_id = found
    if command.state not in _OPEN:
        raise Conflict("command_over", f"the command is {command.state.value} already")
    command.state = CommandState.EXPIRED
    command.finished_at = now
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="command_cancelled",
        subject=client_id,
        now=now,
        command_id=command_id,
        type=command.type,
    )
    return command


def report(
    session: Session, profile: ServiceProfile, results: Sequence[CommandResult], now: datetime
) -> None:
    """Take a client's results; ids that are not its own are ignored."""
    if not results:
        return
    profile_id = profile.profile_id
    known = {
        command.command_id: command
        for command in session.scalars(
            select(ClientCommand).where(
                ClientCommand.profile_id == profile_id,
                ClientCommand.command_id.in_({result.command_id for result in results}),
            )
        )
    }
    for result in results:
        command = known.get(result.command_id)
        if command is None:
            continue
        state = next_state(command.state, result.state)
        if state is command.state:
            continue
        command.state = state
        command.detail = result.detail[:DETAIL_LENGTH] if result.detail else None
        if state in _FINAL:
            command.finished_at = now
            audit.record(
                session,
                tenant_id=profile.tenant_id,
                actor=profile.client_id,
                action="command_finished",
                subject=profile.client_id,
                now=now,
                command_id=command.command_id,
                type=command.type,
                state=state.value,
            )


def expire(session: Session, now: datetime) -> None:
    """End commands whose time ran out, those of silent clients included."""
    # Commands a heartbeat is working on are left to it: waiting for them could deadlock.
    due = (
        select(ClientCommand.command_id)
        .where(ClientCommand.state.in_(_OPEN), ClientCommand.expires_at <= now)
        .with_for_update(skip_locked=True)
    )
    session.execute(
        update(ClientCommand)
        .where(ClientCommand.command_id.in_(due))
        .values(state=CommandState.EXPIRED, finished_at=now)
        .execution_options(synchronize_session=False)
    )
