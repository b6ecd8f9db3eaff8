"""Clients: the slot each one holds, what it last said, and what it is to do."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ionmesh.models.base import Base, JsonDocument, enum_column
from ionmesh.models.inventory import ID_MAX, Slot

_ACTIVE = text("status = 'active'")
_OPEN = text("state IN ('queued', 'delivered')")


class MappingMode(StrEnum):
    """How a client is mapped to a SIM; the names are those on the wire."""

    ONE_TO_ONE_SWSIM = "ONE_TO_ONE_SWSIM"
    ONE_TO_ONE_VSIM = "ONE_TO_ONE_VSIM"
    KI_PROXY_SWSIM = "KI_PROXY_SWSIM"


class ProfileStatus(StrEnum):
    """Whether a service profile holds its slot."""

    ACTIVE = "active"
    RELEASED = "released"  # the client unregistered
    EXPIRED = "expired"  # the client was silent longer than its tenant's grace


class Connectivity(StrEnum):
    """What the timestamps say about a client."""

    UNKNOWN = "unknown"  # never heartbeated: the deployed C client does not
    ONLINE = "online"
    OFFLINE = "offline"


class CommandState(StrEnum):
    """How far a command has come."""

    QUEUED = "queued"
    DELIVERED = "delivered"  # sent in at least one heartbeat answer, not confirmed
    ACKED = "acked"  # the client has it; it is not sent again
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"  # its time ran out before the client confirmed it


class ServiceProfile(Base):
    """One assignment of a slot to a client; at most one active per client and per slot."""

    __tablename__ = "service_profiles"
    __table_args__ = (
        ForeignKeyConstraint(["bank_id", "slot_id"], ["sim_bank_slots.bank_id", "sim_bank_slots.slot_id"]),
        Index(
            "uq_service_profiles_active_client",
            "tenant_id",
            "client_id",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
        Index(
            "uq_service_profiles_active_slot",
            "bank_id",
            "slot_id",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
        Index("ix_service_profiles_history", "tenant_id", "client_id", "assignment_version"),
        CheckConstraint(f"rspro_client_id BETWEEN 0 AND {ID_MAX}", name="rspro_client_id"),
        CheckConstraint(f"rspro_client_slot BETWEEN 0 AND {ID_MAX}", name="rspro_client_slot"),
    )

    profile_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    client_id: Mapped[str] = mapped_column(String(128))
    status: Mapped[ProfileStatus] = mapped_column(enum_column(ProfileStatus))
    mapping_mode: Mapped[MappingMode] = mapped_column(enum_column(MappingMode))
    bank_id: Mapped[int]
    slot_id: Mapped[int]
    rspro_client_id: Mapped[int]
    rspro_client_slot: Mapped[int]
    assignment_version: Mapped[int]
    """Grows with every assignment of the same client, over all its profiles."""
    fingerprint: Mapped[str | None] = mapped_column(String(128))
    source_ip: Mapped[str | None] = mapped_column(String(45))
    software_version: Mapped[str | None] = mapped_column(String(64))
    hardware_info: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    registered_at: Mapped[datetime]
    """The last registration seen, at a resolution of a minute."""
    deactivated_at: Mapped[datetime | None]
    tags: Mapped[list[str]] = mapped_column(default=list)
    notes: Mapped[str | None] = mapped_column(String(1024))
    heartbeat_interval_s: Mapped[int | None]
    """What this client is told; None: what all are told."""

    slot: Mapped[Slot] = relationship()
    state: Mapped[ClientState] = relationship(back_populates="profile")


class ClientState(Base):
    """The row a heartbeat writes, apart from the profile so that no index is touched."""

    __tablename__ = "client_state"

    profile_id: Mapped[str] = mapped_column(ForeignKey("service_profiles.profile_id"), primary_key=True)
    connectivity: Mapped[Connectivity] = mapped_column(enum_column(Connectivity))
    first_heartbeat: Mapped[datetime | None]
    last_heartbeat: Mapped[datetime | None]
    reported_status: Mapped[str | None] = mapped_column(String(16))
    source_ip: Mapped[str | None] = mapped_column(String(45))
    stats: Mapped[dict[str, Any] | None]
    modem_info: Mapped[dict[str, Any] | None]
    stats_at: Mapped[datetime | None]
    """When `stats` were reported; not every heartbeat has some."""
    links: Mapped[Any] = mapped_column(JsonDocument, nullable=True)
    reported_interval_s: Mapped[int | None]
    """How often the client says it heartbeats; a metered link makes it rarer than it is told."""

    profile: Mapped[ServiceProfile] = relationship(back_populates="state")


class ClientCommand(Base):
    """One command for a client."""

    __tablename__ = "client_commands"
    __table_args__ = (
        Index(
            "ix_client_commands_open",
            "profile_id",
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )

    command_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    profile_id: Mapped[str] = mapped_column(ForeignKey("service_profiles.profile_id"))
    type: Mapped[str] = mapped_column(String(32))
    params: Mapped[dict[str, Any]]
    state: Mapped[CommandState] = mapped_column(enum_column(CommandState))
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    detail: Mapped[str | None] = mapped_column(String(1024))
