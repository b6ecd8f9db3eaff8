"""Finding out who calls."""

from __future__ import annotations

from flask import request

from ionmesh.api.context import runtime
from ionmesh.models import Scope
from ionmesh.services import keys
from ionmesh.services.keys import Caller


def caller(scope: Scope) -> Caller:
    """Return the caller of this request.

    A key comes as `X-API-Key` or as `Authorization: Bearer`. Without one only clients of tenants that let
    their networks in are known. Raises Unauthorized, and Forbidden when the caller may not do `scope`.
    """
    key = _presented_key()
    with runtime().database.read() as session:
        if key is None:
            found = keys.legacy_caller(session, request.remote_addr)
        else:
            found = keys.authenticate(session, key, runtime().clock())
    found.require(scope)
    return found


def admin_tenant() -> tuple[Caller, int]:
    """Return an administrating caller and its tenant. Raises as `caller`."""
    found = caller(Scope.ADMIN)
    return found, found.tenant(None)


def _presented_key() -> str | None:
    key = request.headers.get("X-API-Key")
    if key is not None:
        return key.strip()
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None
