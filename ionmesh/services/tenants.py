"""Tenants and their settings."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ionmesh.errors import Conflict, InvalidRequest, NotFound
from ionmesh.models import Tenant
from ionmesh.services import audit

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_DAY_S = 86_400


def create(
    session: Session,
    *,
    slug: str,
    name: str,
    now: datetime,
    legacy_cidrs: Sequence[str] = (),
    default_hostnames_allowed: bool = False,
    release_grace_s: int | None = _DAY_S,
    actor: str = audit.CLI,
) -> Tenant:
    """Create a tenant. Raises InvalidRequest for a bad slug or network, Conflict for a taken slug."""
    if not _SLUG.match(slug):
        raise InvalidRequest("bad_slug", f"slug {slug!r} is not lower-case letters, digits and dashes")
    networks = _networks(legacy_cidrs)
    tenant = Tenant(
        slug=slug,
        name=name,
        legacy_cidrs=networks,
        default_hostnames_allowed=default_hostnames_allowed,
        release_grace_s=release_grace_s,
        created_at=now,
    )
    session.add(tenant)
    try:
        session.flush()
    except IntegrityError as error:
        raise Conflict("tenant_exists", f"tenant {slug!r} exists already") from error
    _record(
        session,
        tenant,
        "tenant_created",
        actor,
        now,
        legacy_cidrs=networks,
        default_hostnames_allowed=default_hostnames_allowed,
        release_grace_s=release_grace_s,
    )
    return tenant


def by_slug(session: Session, slug: str) -> Tenant:
    """Return the tenant of that name. Raises NotFound."""
    tenant = session.scalar(select(Tenant).where(Tenant.slug == slug))
    if tenant is None:
        raise NotFound("no_tenant", f"no tenant {slug!r}")
    return tenant


def listed(session: Session) -> Sequence[Tenant]:
    """Return all tenants by id."""
    return session.scalars(select(Tenant).order_by(Tenant.tenant_id)).all()


def find(session: Session, tenant_id: int) -> Tenant:
    """Return one tenant. Raises NotFound."""
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound("no_tenant", f"no tenant {tenant_id}")
    return tenant


def change(session: Session, tenant_id: int, values: dict[str, Any], actor: str, now: datetime) -> Tenant:
    """Change some of a tenant's settings. Raises NotFound, InvalidRequest for a bad network."""
    tenant = find(session, tenant_id)
    if "legacy_cidrs" in values:
        values = values | {"legacy_cidrs": _networks(values["legacy_cidrs"])}
    for name, value in values.items():
        setattr(tenant, name, value)
    _record(session, tenant, "tenant_changed", actor, now, **values)
    return tenant


def _networks(cidrs: Sequence[str]) -> list[str]:
    try:
        return [str(ipaddress.ip_network(cidr)) for cidr in cidrs]
    except ValueError as error:
        raise InvalidRequest("bad_cidr", f"not a network: {error}") from error


def _record(
    session: Session, tenant: Tenant, action: str, actor: str, now: datetime, **details: object
) -> None:
    audit.record(
        session,
        tenant_id=tenant.tenant_id,
        actor=actor,
        action=action,
        subject=f"tenant {tenant.slug}",
        now=now,
        **details,
    )
