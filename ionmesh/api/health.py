"""Whether the process lives, and whether it can work."""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, request
from sqlalchemy import select

from ionmesh.api import auth, wire
from ionmesh.api.context import runtime
from ionmesh.metrics import CONTENT_TYPE
from ionmesh.models import Scope, Tenant

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Answer as long as the process serves requests."""
    return wire.answer({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Answer ok when the database answers with its schema in place, else 503 in the error shape."""
    with runtime().database.read() as session:
        session.execute(select(Tenant.tenant_id).limit(1)).first()
    return wire.answer({"status": "ok"})


@blueprint.get("/metrics")
@blueprint.get("/metrics/prometheus")
def metrics() -> Response:
    """Give Prometheus its figures, of all tenants: for the configured token and keys of scope platform."""
    _let_in_prometheus()
    return Response(runtime().metrics.exposition(), content_type=CONTENT_TYPE)


@blueprint.get("/metrics/clients")
def client_metrics() -> Response:
    """Give Prometheus a few figures of each client, for the same callers."""
    _let_in_prometheus()
    return Response(runtime().client_metrics.exposition(), content_type=CONTENT_TYPE)


def _let_in_prometheus() -> None:
    token = runtime().config.metrics_token
    presented = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not token or not hmac.compare_digest(presented.encode(), token.encode()):
        auth.caller(Scope.PLATFORM)
