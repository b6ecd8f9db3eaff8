"""Finding out who calls."""

from __future__ import annotations

from flask import request

from ionmesh.api import headers
from ionmesh.api.context import runtime
from ionmesh.errors import TooManyRequests
from ionmesh.models import Scope
from ionmesh.ratelimit import RateLimit
from ionmesh.services.keys import Caller


def caller(scope: Scope) -> Caller:
    """Return the caller of this request.

    A key comes as `X-API-Key` or as `Authorization: Bearer`. Without one only clients of tenants that let
    their networks in are known. Raises Unauthorized, and Forbidden when the caller may not do `scope`.
    """
    key = _presented_key()
    run = runtime()
    if key is not None:
        found = run.keyring.caller(key)
    else:
        found = run.keyring.legacy_caller(request.remote_addr)
        headers.deprecate()
    found.require(scope)
    return found


def spend(limit: RateLimit, *name: object) -> None:
    """Count a request against a limit. Raises TooManyRequests."""
    quota = limit.take(name, runtime().clock().timestamp())
    headers.remember_quota(quota)
    if quota.wait_s:
        raise TooManyRequests(quota.wait_s)


def _presented_key() -> str | None:
    key = request.headers.get("X-API-Key")
    if key is not None:
        return key.strip()
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None
