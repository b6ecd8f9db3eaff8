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


def report(session: Session, profile_id: str, results: Sequence[CommandResult], now: datetime) -> None:
    """Take a client's results; ids that are not its own are ignored."""
    if not results:
        return
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


def expire(session: Session, now: datetime) -> None:
    """End commands whose time ran out, those of silent clients included."""
    session.execute(
        update(ClientCommand)
        .where(ClientCommand.state.in_(_OPEN), ClientCommand.expires_at <= now)
        .values(state=CommandState.EXPIRED, finished_at=now)
        .execution_options(synchronize_session=False)
    )
