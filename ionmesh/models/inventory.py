"""SIM banks and their slots."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ionmesh.models.base import Base, enum_column

# RSPRO's BankId, ClientId and SlotNumber are 0..1023, and the deployed C client refuses 0.
ID_MIN = 1
ID_MAX = 1023
_AVAILABLE = text("status = 'available'")


class BankStatus(StrEnum):
    """Whether slots of a bank are handed out."""

    ONLINE = "online"
    MAINTENANCE = "maintenance"  # what is assigned stays, nothing new is


class SlotStatus(StrEnum):
    """What a slot is good for now."""

    AVAILABLE = "available"
    ASSIGNED = "assigned"  # exactly one active service profile names it
    RESERVED = "reserved"
    FAULTY = "faulty"
    DISABLED = "disabled"


class SlotKind(StrEnum):
    """What stands behind a slot number; each mapping mode draws from one kind."""

    PHYSICAL = "physical"  # a card in a reader
    VIRTUAL = "virtual"  # a virtual SIM of its own
    KI_VIRTUAL = "ki-virtual"  # a virtual SIM whose authentication is relayed to a master card


class Bank(Base):
    """One bankd: where routers reach it, and the osmo-remsim-server that controls it."""

    __tablename__ = "sim_banks"
    __table_args__ = (
        CheckConstraint(f"bank_id BETWEEN {ID_MIN} AND {ID_MAX}", name="bank_id"),
        CheckConstraint("bankd_port BETWEEN 1 AND 65535", name="bankd_port"),
        CheckConstraint("server_port BETWEEN 1 AND 65535", name="server_port"),
    )

    bank_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.tenant_id"))
    """The only tenant that gets slots of it; None: shared by all."""
    name: Mapped[str] = mapped_column(String(255))
    status: Mapped[BankStatus] = mapped_column(enum_column(BankStatus), default=BankStatus.ONLINE)
    bankd_host: Mapped[str] = mapped_column(String(200))
    bankd_port: Mapped[int]
    server_host: Mapped[str | None] = mapped_column(String(200))
    server_port: Mapped[int]
    remsim_server_url: Mapped[str | None] = mapped_column(String(255))
    """Base of osmo-remsim-server's REST; None: its slot maps are somebody else's business."""
    bankd_connected: Mapped[bool | None]
    """Whether that server had the bankd connected when last asked; None: never known."""
    created_at: Mapped[datetime]


class Slot(Base):
    """One slot of a bank and the SIM in it."""

    __tablename__ = "sim_bank_slots"
    __table_args__ = (
        CheckConstraint(f"slot_id BETWEEN {ID_MIN} AND {ID_MAX}", name="slot_id"),
        Index("ix_sim_bank_slots_free", "kind", "status", "tenant_id", "mcc_mnc"),
        Index(
            "ix_sim_bank_slots_unused",
            *("kind", "tenant_id", "released_at", "bank_id", "slot_id"),
            sqlite_where=_AVAILABLE,
            postgresql_where=_AVAILABLE,
        ),
    )

    bank_id: Mapped[int] = mapped_column(ForeignKey("sim_banks.bank_id"), primary_key=True)
    slot_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[int | None] = mapped_column(ForeignKey("tenants.tenant_id"))
    kind: Mapped[SlotKind] = mapped_column(enum_column(SlotKind), default=SlotKind.PHYSICAL)
    status: Mapped[SlotStatus] = mapped_column(enum_column(SlotStatus), default=SlotStatus.AVAILABLE)
    iccid: Mapped[str | None] = mapped_column(String(22))
    imsi: Mapped[str | None] = mapped_column(String(15))
    mcc_mnc: Mapped[str | None] = mapped_column(String(6))
    carrier: Mapped[str | None] = mapped_column(String(64))
    released_at: Mapped[datetime | None]
    available_after: Mapped[datetime | None]
    """End of the rest a slot gets when it was taken from a silent client that may still use the SIM."""

    bank: Mapped[Bank] = relationship()
