"""A client's figures over time, as the charts take them."""

from __future__ import annotations

from datetime import timedelta

from flask import Response, request

from ionmesh.api import wire
from ionmesh.dashboard.gate import Visit, pages
from ionmesh.services import clients, series

RANGES = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
_USUAL = "24h"
_POINTS = 300


@pages.get("/clients/<client_id>/series.json")
def client_series(visit: Visit, client_id: str) -> Response:
    """Return signal and traffic of a client over a range, in columns."""
    now = visit.call.now
    length = RANGES.get(request.args.get("range", ""), RANGES[_USUAL])
    with visit.database.read() as session:
        clients.find_latest(session, visit.tenant_id, client_id)
        found = series.read(
            session, visit.tenant_id, client_id, series.METRICS, now - length, now, points=_POINTS
        )
    return wire.answer(
        {
            "status": "ok",
            "step_s": found.step_s,
            "from_s": int((now - length).timestamp()),
            "until_s": int(now.timestamp()),
            "times_s": found.times_s,
            "values": {name: [_short(value) for value in found.values[name]] for name in series.METRICS},
        }
    )


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
