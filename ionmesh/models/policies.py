"""Rules that say from which bank, and in which order, slots are given."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from ionmesh.models.base import Base, enum_column


class Balancing(StrEnum):
    """Which of several free slots is given."""

    ROUND_ROBIN = "round-robin"  # the longest unused
    LEAST_LOADED = "least-loaded"  # of the bank with the smallest share of its slots assigned
    PACK = "pack"  # of the bank with the largest share
    RANDOM = "random"


class SlotPolicy(Base):
    """One rule of a tenant; the first one in order of priority whose conditions all hold is applied."""

    __tablename__ = "slot_assignment_policies"
    __table_args__ = (Index("ix_slot_assignment_policies_order", "tenant_id", "priority"),)

    policy_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    name: Mapped[str] = mapped_column(String(64))
    priority: Mapped[int]
    """Small numbers first."""
    enabled: Mapped[bool]
    carrier_mcc_mnc: Mapped[str | None] = mapped_column(String(6))
    client_location: Mapped[str | None] = mapped_column(String(64))
    time_of_day_start: Mapped[str | None] = mapped_column(String(5))
    """HH:MM in `timezone`; a window whose end is before its start goes over midnight."""
    time_of_day_end: Mapped[str | None] = mapped_column(String(5))
    timezone: Mapped[str] = mapped_column(String(64))
    preferred_bank_id: Mapped[int | None]
    load_balancing_mode: Mapped[Balancing] = mapped_column(enum_column(Balancing))
