"""Events over HTTP as they happen. Each stream holds a thread, so a process serves only so many."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator

from flask import Response

from ionmesh.api import present
from ionmesh.api.routing import Call
from ionmesh.errors import TooManyRequests
from ionmesh.models import Event

# Only a failing write tells that a browser went to another page, and that its thread is free.
_PING_S = 4.0
# What comes beside an event can be a moment late.
_SOON_S = 1.2
_RETRY_S = 15
# A browser reconnects by itself; a client that vanished must not hold its thread for ever.
_LIFE_S = 300
_WRITTEN = 512


def _nothing_else() -> str:
    return ""


def event_stream(call: Call, after: int | None, also: Callable[[], str] = _nothing_else) -> Response:
    """Return a response that sends the tenant's events behind `after`, or from now on.

    `also` returns messages to send beside them and is asked after each event and every few seconds. Raises
    TooManyRequests when this process has as many streams as it may, OperationalError.
    """
    if after is None:
        after = call.run.feed.newest(call.tenant_id)
    # Last, as only the end of the response gives the place back.
    places = call.run.streams
    if not places.take():
        raise TooManyRequests(_RETRY_S)
    response = Response(_follow(call, after, also), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(places.give_back)
    return response


def message(kind: str, document: object) -> str:
    """Return a message of a stream."""
    return f"event: {kind}\ndata: {json.dumps(document, separators=(',', ':'))}\n\n"


def _follow(call: Call, after: int, also: Callable[[], str]) -> Iterator[str]:
    feed, sent, version = call.run.feed, set[int](), 0
    first, quiet = True, False
    # Sent at once, so that the client knows that it is connected.
    yield ": connected\n\n"
    end_s = time.monotonic() + _LIFE_S
    while time.monotonic() < end_s:
        fresh = feed.fresh(call.tenant_id, after)
        new = [event for event in fresh if event.event_id > after or not (first or event.event_id in sent)]
        yield from map(_message, new)
        sent = {event.event_id for event in fresh}
        after, first = max([after, *sent]), False
        others = also()
        if others or quiet:
            yield others or ": ping\n\n"
        before, version = version, feed.wait(call.tenant_id, version, _SOON_S if new else _PING_S)
        quiet = before == version


@functools.lru_cache(maxsize=_WRITTEN)
def _message(event: Event) -> str:
    # Those who follow are given the same objects.
    return f"id: {event.event_id}\n" + message(event.type.value, present.event(event))
