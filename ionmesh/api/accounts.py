"""Tenants, API keys and users."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from ionmesh.api import present
from ionmesh.api.admin_schemas import (
    KeyBody,
    RotateBody,
    TenantBody,
    TenantChange,
    UserBody,
    UserChange,
)
from ionmesh.api.prefix import API_PREFIX
from ionmesh.api.routing import Call, Routes, changed
from ionmesh.errors import Conflict, InvalidRequest, NotFound
from ionmesh.models import ApiKey, Scope, Tenant
from ionmesh.services import keys, second_factor, tenants, users

routes = Routes(Blueprint("accounts", __name__, url_prefix=API_PREFIX))


@routes.get("/tenants")
def list_tenants(call: Call) -> dict[str, Any]:
    """List the caller's tenant, or with scope platform all of them."""
    with call.database.read() as session:
        if call.caller.may(Scope.PLATFORM):
            rows = list(tenants.listed(session))
        else:
            rows = [tenants.find(session, call.tenant_id)]
    return {"tenants": [present.tenant(tenant) for tenant in rows]}


@routes.post("/tenants", TenantBody, 201, Scope.PLATFORM)
def create_tenant(call: Call, body: TenantBody) -> dict[str, Any]:
    """Create a tenant with its first admin key, whose text is shown this once."""
    with call.database.write() as session:
        values = body.model_dump() | {"name": body.name or body.slug}
        tenant = tenants.create(session, **values, now=call.now, actor=call.actor)
        key, text = _issue(call, session, tenant, KeyBody(name="first", scopes=[Scope.ADMIN]))
    return {"tenant": present.tenant(tenant), "key": present.key(key), "secret": text}


@routes.get("/tenants/<int:tenant_id>")
def show_tenant(call: Call, tenant_id: int) -> dict[str, Any]:
    """Show a tenant."""
    with call.database.read() as session:
        tenant = tenants.find(session, _visible(call, tenant_id))
    return {"tenant": present.tenant(tenant)}


@routes.patch("/tenants/<int:tenant_id>", TenantChange)
def change_tenant(call: Call, body: TenantChange, tenant_id: int) -> dict[str, Any]:
    """Change a tenant's settings, or with scope platform let it no longer in."""
    values = changed(body)
    if "enabled" in values:
        call.caller.require(Scope.PLATFORM)
    if tenant_id == call.tenant_id and not body.enabled:
        raise Conflict("own_tenant", "nobody shuts himself out")
    with call.database.write() as session:
        tenant = tenants.change(session, _visible(call, tenant_id), values, call.actor, call.now)
    call.run.keyring.forget()
    return {"tenant": present.tenant(tenant)}


@routes.get("/api-keys")
def list_keys(call: Call) -> dict[str, Any]:
    """List the API keys, ended ones included."""
    with call.database.read() as session:
        rows = keys.listed(session, call.tenant_id)
    return {"keys": [present.key(key) for key in rows]}


@routes.post("/api-keys", KeyBody, 201)
def create_key(call: Call, body: KeyBody) -> dict[str, Any]:
    """Create an API key, whose text is shown this once."""
    for scope in body.scopes:
        call.caller.require(scope)
    if body.expires_at is not None and body.expires_at <= call.now:
        raise InvalidRequest("bad_expires_at", "expires_at is in the past")
    with call.database.write() as session:
        key, text = _issue(call, session, tenants.find(session, call.tenant_id), body)
    return {"key": present.key(key), "secret": text}


@routes.post("/api-keys/<int:key_id>/rotate", RotateBody, 201)
def rotate_key(call: Call, body: RotateBody, key_id: int) -> dict[str, Any]:
    """Make a key like this one, which itself ends after the overlap."""
    overlap = timedelta(seconds=body.overlap_s)
    with call.database.write() as session:
        old = keys.find(session, call.tenant_id, key_id)
        for scope in old.scopes:
            call.caller.require(Scope(scope))
        pepper = call.run.config.key_pepper
        key, text = keys.rotate(session, old, overlap=overlap, now=call.now, pepper=pepper, actor=call.actor)
    call.run.keyring.forget()
    return {"key": present.key(key), "secret": text}


@routes.delete("/api-keys/<int:key_id>")
def revoke_key(call: Call, key_id: int) -> dict[str, Any]:
    """End an API key."""
    with call.database.write() as session:
        key = keys.find(session, call.tenant_id, key_id)
        keys.revoke(session, key, call.now, call.actor)
    call.run.keyring.forget()
    return {"key": present.key(key)}


@routes.get("/users")
def list_users(call: Call) -> dict[str, Any]:
    """List the users, by address."""
    with call.database.read() as session:
        rows = users.listed(session, call.tenant_id)
    return {"users": [present.user(user) for user in rows]}


@routes.post("/users", UserBody, 201)
def create_user(call: Call, body: UserBody) -> dict[str, Any]:
    """Create a user."""
    with call.database.write() as session:
        user = users.create(session, call.tenant_id, **body.model_dump(), actor=call.actor, now=call.now)
    return {"user": present.user(user)}


@routes.patch("/users/<int:user_id>", UserChange)
def change_user(call: Call, body: UserChange, user_id: int) -> dict[str, Any]:
    """Change name, role, password or admission of a user."""
    with call.database.write() as session:
        user = users.change(session, call.tenant_id, user_id, changed(body), call.actor, call.now)
    return {"user": present.user(user)}


@routes.delete("/users/<int:user_id>/second-factor")
def reset_second_factor(call: Call, user_id: int) -> dict[str, Any]:
    """Turn off the second factor of a user who lost it; signing in asks for the password alone then."""
    with call.database.write() as session:
        user = users.find(session, call.tenant_id, user_id)
        second_factor.disable(session, user, call.actor, call.now)
    return {"message": "Second factor turned off"}


@routes.delete("/users/<int:user_id>")
def delete_user(call: Call, user_id: int) -> dict[str, Any]:
    """Delete a user."""
    with call.database.write() as session:
        users.delete(session, call.tenant_id, user_id, call.actor, call.now)
    return {"message": "User deleted"}


def _visible(call: Call, tenant_id: int) -> int:
    if tenant_id != call.tenant_id and not call.caller.may(Scope.PLATFORM):
        raise NotFound("no_tenant", f"no tenant {tenant_id}")
    return tenant_id


def _issue(call: Call, session: Session, tenant: Tenant, body: KeyBody) -> tuple[ApiKey, str]:
    return keys.issue(
        session,
        tenant,
        name=body.name,
        scopes=body.scopes,
        now=call.now,
        expires_at=body.expires_at,
        pepper=call.run.config.key_pepper,
        actor=call.actor,
    )
