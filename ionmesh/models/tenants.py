"""Tenants and their API keys."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ionmesh.models.base import Base


class Scope(StrEnum):
    """What an API key may do."""

    REMSIM = "remsim"  # register, heartbeat and unregister clients
    ADMIN = "admin"  # inventory, client list, commands; includes REMSIM


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

    tenant: Mapped[Tenant] = relationship()
