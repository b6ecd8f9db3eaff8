"""What happens, as it happens: a stream, and the same in answers to questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response
from sqlalchemy.exc import OperationalError

from ionmesh.api import present, wire
from ionmesh.api.prefix import NUMBER_MAX
from ionmesh.api.stream import event_stream, message
from ionmesh.dashboard.gate import Visit, pages
from ionmesh.dashboard.listing import number
from ionmesh.dashboard.state import state
from ionmesh.models import Event


@pages.get("/live/stream")
def live_stream(visit: Visit) -> Response:
    """Send events and counters as they change (server-sent events)."""
    shared, feed = state().counts, visit.call.run.feed
    told: Mapping[str, int] = {}

    def news() -> str:
        nonlocal told
        try:
            counts = shared.of(visit.tenant_id, feed.newest(visit.tenant_id))
        except OperationalError:
            # Streams outlive a restart of the database; requests report that it is away.
            return ""
        if counts == told:
            return ""
        told = counts
        return message("counts", counts)

    return event_stream(visit.call, number("after", 0, NUMBER_MAX), news)


@pages.get("/live/events.json")
def live_poll(visit: Visit) -> Response:
    """Return the events behind `after` and the counters, for browsers without a stream."""
    feed = visit.call.run.feed
    after = number("after", 0, NUMBER_MAX)
    fresh: Sequence[Event] = [] if after is None else feed.fresh(visit.tenant_id, after)
    document: dict[str, Any] = {
        "events": [present.event(event) for event in fresh],
        "counts": dict(state().counts.of(visit.tenant_id, feed.newest(visit.tenant_id))),
        "after": feed.newest(visit.tenant_id) if after is None else _last(fresh, after),
    }
    return wire.answer({"status": "ok"} | document)


def _last(fresh: Sequence[Event], after: int) -> int:
    return max([after, *(event.event_id for event in fresh)])
