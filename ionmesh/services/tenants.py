"""Creating and finding tenants."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ionmesh.errors import Conflict, InvalidRequest, NotFound
from ionmesh.models import Tenant

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
) -> Tenant:
    """Create a tenant. Raises InvalidRequest for a bad slug or network, Conflict for a taken slug."""
    if not _SLUG.match(slug):
        raise InvalidRequest("bad_slug", f"slug {slug!r} is not lower-case letters, digits and dashes")
    try:
        networks = [str(ipaddress.ip_network(cidr)) for cidr in legacy_cidrs]
    except ValueError as error:
        raise InvalidRequest("bad_cidr", f"not a network: {error}") from error
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
    return tenant


def by_slug(session: Session, slug: str) -> Tenant:
    """Return the tenant of that name. Raises NotFound."""
    tenant = session.scalar(select(Tenant).where(Tenant.slug == slug))
    if tenant is None:
        raise NotFound("no_tenant", f"no tenant {slug!r}")
    return tenant
