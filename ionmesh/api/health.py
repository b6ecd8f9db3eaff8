"""Whether the process lives, and whether it can work."""

from __future__ import annotations

from flask import Blueprint, Response
from sqlalchemy import select

from ionmesh.api import wire
from ionmesh.api.context import runtime
from ionmesh.models import Tenant

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
