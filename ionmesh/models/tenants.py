"""Tenants, their API keys and their people."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ionmesh.models.base import Base, enum_column


class Scope(StrEnum):
    """What an API key may do."""

    REMSIM = "remsim"  # register, heartbeat and unregister clients
    READ = "read"  # look at everything of the tenant, IMSI and ICCID masked
    ADMIN = "admin"  # change everything of the tenant; includes REMSIM and READ
    PLATFORM = "platform"  # tenants themselves; includes ADMIN for the key's own tenant


class Role(StrEnum):
    """What a person may do in a tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class Tenant(Base):
    """An operator whose clients, keys and slots are kept apart from everybody else's."""

    __tablename__ = "tenants"

    tenant_id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    enabled: Mapped[bool] = mapped_column(default=True)
    legacy_cidrs: Mapped[list[str]]
    """Networks whose clients may call without a key; empty: none, the key is required."""
    default_hostnames_allowed: Mapped[bool] = mapped_column(default=False)
    """Whether a client_id built from a factory hostname is accepted without a fingerprint."""
    release_grace_s: Mapped[int | None]
    """Silence after which a heartbeating client loses its slot; None: never."""
    created_at: Mapped[datetime]


class ApiKey(Base):
    """A key: the SHA-256 of its text, found by its public prefix. The text itself is not kept."""

    __tablename__ = "api_keys"

    key_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    name: Mapped[str] = mapped_column(String(255))
    prefix: Mapped[str] = mapped_column(String(24), unique=True)
    key_hash: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    """At a resolution of a minute."""

    tenant: Mapped[Tenant] = relationship()


class User(Base):
    """A person of a tenant."""

    __tablename__ = "users"

    user_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """In lower case."""
    name: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    password_hash: Mapped[str] = mapped_column(String(255))
    """argon2id, in its usual encoding."""
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
