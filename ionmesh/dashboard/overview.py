"""The fleet on one screen."""

from __future__ import annotations

from flask import render_template

from ionmesh.api import present
from ionmesh.dashboard import alert_words, health, wording
from ionmesh.dashboard.gate import Visit, pages
from ionmesh.dashboard.state import state
from ionmesh.services import alerts, events

_EVENTS_SHOWN = 12
_ALERTS_SHOWN = 5
_ALERTS_LOOKED_AT = 200


@pages.get("/")
def overview(visit: Visit) -> str:
    """Show the fleet: how the clients are, the banks, what is wrong, what happened."""
    newest = visit.call.run.feed.newest(visit.tenant_id)
    counts = state().counts.of(visit.tenant_id, newest)
    glance = state().glance.of(visit.tenant_id, newest)
    with visit.database.read() as session:
        firing, _ = alerts.listed(session, visit.tenant_id, acknowledged=False, limit=_ALERTS_LOOKED_AT)
        alerts_shown = alert_words.shown(
            session, visit, sorted(firing, key=alert_words.by_urgency)[:_ALERTS_SHOWN]
        )
        happened = events.latest(session, visit.tenant_id, client_id=None, limit=_EVENTS_SHOWN)
    return render_template(
        "overview.html",
        counts=counts,
        grades=health.names(),
        total=sum(counts.get(grade, 0) for grade, _ in health.names()),
        banks=glance.banks,
        more_banks=glance.more,
        alerts=alerts_shown,
        events=[present.event(event) for event in happened],
        event_names=wording.event_names(),
        events_shown=_EVENTS_SHOWN,
        live_after=max((event.event_id for event in happened), default=0),
    )
