"""Events over HTTP as they happen. Each stream holds a thread, so a process serves only a few."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta

from flask import Response
from sqlalchemy.exc import OperationalError

from ionmesh.api import present
from ionmesh.api.routing import Call
from ionmesh.db import Database
from ionmesh.errors import TooManyRequests
from ionmesh.models import Event
from ionmesh.services import events

_POLL_S = 0.5
_POLLS_A_PING = 30
# A browser reconnects by itself; a client that vanished must not hold its thread for ever.
_POLLS_A_STREAM = 600
# Events get their number before their transaction ends: a late one has a smaller number than its followers.
_OVERLAP = timedelta(seconds=2)
_BATCH = 500


def event_stream(call: Call, after: int | None) -> Response:
    """Return a response that sends the tenant's events behind `after`, or from now on.

    Raises TooManyRequests when this process has as many streams as it may.
    """
    places = call.run.streams
    if not places.take():
        raise TooManyRequests(_POLL_S * _POLLS_A_PING)
    if after is None:
        with call.database.read() as session:
            newest = events.latest(session, call.tenant_id, client_id=None, limit=1)
        after = newest[0].event_id if newest else 0
    response = Response(_follow(call, after), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(places.give_back)
    return response


def _follow(call: Call, after: int) -> Iterator[str]:
    pause = threading.Event()
    sent: set[int] = set()
    # Sent at once, so that the client knows that it is connected.
    yield ": connected\n\n"
    for poll in range(_POLLS_A_STREAM):
        if poll:
            pause.wait(_POLL_S)
        fresh = _fresh(call.database, call, after, first=poll == 0)
        for event in fresh:
            if event.event_id not in sent:
                yield _message(event)
        sent = {event.event_id for event in fresh}
        after = max([after, *sent])
        if poll % _POLLS_A_PING == _POLLS_A_PING - 1:
            yield ": ping\n\n"


def _fresh(database: Database, call: Call, after: int, *, first: bool) -> list[Event]:
    since = None if first else call.run.clock() - _OVERLAP
    try:
        with database.read() as session:
            return list(events.after(session, call.tenant_id, after, limit=_BATCH, since=since))
    except OperationalError:
        # Streams outlive a restart of the database; requests report that it is away.
        return []


def _message(event: Event) -> str:
    data = json.dumps(present.event(event), separators=(",", ":"))
    return f"id: {event.event_id}\nevent: {event.type.value}\ndata: {data}\n\n"
