"""API keys; the text of one is shown when it is made, and never again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import render_template

from ionmesh.api import accounts as api
from ionmesh.api import present
from ionmesh.api.admin_schemas import KeyBody, RotateBody
from ionmesh.dashboard.forms import form_as, text
from ionmesh.dashboard.gate import Done, Visit, pages, to
from ionmesh.errors import InvalidRequest
from ionmesh.models import ApiKey, Role, Scope
from ionmesh.services import keys as service

_LIVES = {"30": timedelta(days=30), "90": timedelta(days=90), "365": timedelta(days=365), "": None}
# A person makes keys for their tenant; platform keys are the command line's.
_SCOPES = (Scope.REMSIM, Scope.READ, Scope.ADMIN)


@pages.get("/api-keys", Role.ADMIN)
def api_keys(visit: Visit) -> str:
    """List the API keys."""
    with visit.database.read() as session:
        rows = [_shown(visit, key) for key in service.listed(session, visit.tenant_id)]
    return render_template("api_keys.html", keys=rows, scopes=[scope.value for scope in _SCOPES])


@pages.post("/api-keys", Role.ADMIN)
def create_key(visit: Visit) -> str:
    """Make a key and show its text, this once."""
    life = text("life")
    if life not in _LIVES:
        raise InvalidRequest("bad_life", "life: not one of those offered")
    length = _LIVES[life]
    made = api.create_key(
        visit.call, form_as(KeyBody, expires_at=visit.call.now + length if length else None)
    )
    return _secret(made)


@pages.post("/api-keys/<int:key_id>/rotate", Role.ADMIN)
def rotate_key(visit: Visit, key_id: int) -> str:
    """Make a successor of a key, which itself ends after a day, and show its text, this once."""
    return _secret(api.rotate_key(visit.call, RotateBody(), key_id))


@pages.post("/api-keys/<int:key_id>/revoke", Role.ADMIN)
def revoke_key(visit: Visit, key_id: int) -> Done:
    """End a key."""
    api.revoke_key(visit.call, key_id)
    return Done(to("api_keys"), "revoked")


def _secret(made: Any) -> str:
    name = made["key"]["name"] or made["key"]["prefix"]
    return render_template("secret.html", what="key", name=name, secret=made["secret"])


def _shown(visit: Visit, key: ApiKey) -> dict[str, Any]:
    ended = key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= visit.call.now)
    return present.key(key) | {"ended": ended}
