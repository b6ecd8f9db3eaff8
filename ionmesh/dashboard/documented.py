"""The paths under which IonMesh's existing documents know the pages, so that bookmarks go on.

Their two forms, restart and reassign, are the REST API's.
"""

from __future__ import annotations

from flask import redirect, request
from werkzeug.wrappers import Response

from ionmesh.dashboard.gate import Visit, pages, to

_BASE = "/admin/openwrt-clients"
_STATES = {"online": "ok", "offline": "critical"}


@pages.get(f"{_BASE}/")
def documented_clients(visit: Visit) -> Response:
    """Lead to the table of clients, with the documented filters."""
    filters = {
        "state": _STATES.get(request.args.get("status", "")),
        "mode": request.args.get("mapping_mode"),
    }
    return redirect(to("clients", **filters), 302)


@pages.get(f"{_BASE}/<client_id>/details")
def documented_client(visit: Visit, client_id: str) -> Response:
    """Lead to a client's page."""
    return redirect(to("client", client_id=client_id), 302)
