"""Throwing away what nobody asks for any more. The audit log and past assignments stay."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from ionmesh.models import ClientCommand, CommandState, DeliveryState, Event, WebhookDelivery
from ionmesh.services import sessions

_OVER = (CommandState.DONE, CommandState.FAILED, CommandState.EXPIRED)


def drop_old(session: Session, now: datetime, age: timedelta) -> None:
    """Delete events, finished commands and settled deliveries older than `age`, and sessions that ended."""
    limit = now - age
    for statement in (
        delete(Event).where(Event.at < limit),
        delete(ClientCommand).where(ClientCommand.state.in_(_OVER), ClientCommand.created_at < limit),
        delete(WebhookDelivery).where(
            WebhookDelivery.state != DeliveryState.PENDING, WebhookDelivery.created_at < limit
        ),
    ):
        session.execute(statement.execution_options(synchronize_session=False))
    sessions.drop_old(session, now)
