"""KI-proxy pools and the records of the cards behind them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ionmesh.models.base import Base, enum_column
from ionmesh.models.inventory import ID_MAX, ID_MIN


class CardType(StrEnum):
    """What a card in a slot is used for; the names are those on the wire."""

    KI_PROXY_MASTER = "KI_PROXY_MASTER"  # answers authentications of virtual SIMs; never handed out itself
    REGULAR = "REGULAR"
    VIRTUAL = "VIRTUAL"


class RoutingMode(StrEnum):
    """How a KI proxy picks the master card of an authentication."""

    ROUND_ROBIN = "round-robin"
    LEAST_USED = "least-used"
    RANDOM = "random"


class KiPool(Base):
    """Master cards of one carrier in one bank, and the virtual slots whose SIMs they answer for.

    Its virtual slots are those of kind KI_VIRTUAL in its bank within the virtual range; as many of them as
    the pool may serve at once are in service, the others disabled.
    """

    __tablename__ = "ki_proxy_pools"
    __table_args__ = (
        UniqueConstraint("tenant_id", "pool_name"),
        CheckConstraint(
            f"slot_range_start >= {ID_MIN} AND slot_range_start <= slot_range_end"
            f" AND slot_range_end <= {ID_MAX}",
            name="slot_range",
        ),
        CheckConstraint(
            f"virtual_slot_start >= {ID_MIN} AND virtual_slot_start <= virtual_slot_end"
            f" AND virtual_slot_end <= {ID_MAX}",
            name="virtual_range",
        ),
        CheckConstraint("max_virtual_sims >= 1", name="max_virtual_sims"),
    )

    pool_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    pool_name: Mapped[str] = mapped_column(String(64))
    carrier: Mapped[str] = mapped_column(String(64))
    mcc_mnc: Mapped[str] = mapped_column(String(6))
    bank_id: Mapped[int] = mapped_column(ForeignKey("sim_banks.bank_id"))
    slot_range_start: Mapped[int]
    slot_range_end: Mapped[int]
    virtual_slot_start: Mapped[int]
    virtual_slot_end: Mapped[int]
    max_virtual_sims: Mapped[int]
    routing_mode: Mapped[RoutingMode] = mapped_column(enum_column(RoutingMode))
    enabled: Mapped[bool]
    created_at: Mapped[datetime]


class SimCard(Base):
    """What is known of the card in a slot. Its secret keys have no place here."""

    __tablename__ = "sim_card_metadata"
    __table_args__ = (
        ForeignKeyConstraint(["bank_id", "slot_id"], ["sim_bank_slots.bank_id", "sim_bank_slots.slot_id"]),
    )

    bank_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    slot_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    physical_iccid: Mapped[str | None] = mapped_column(String(22))
    physical_imsi: Mapped[str | None] = mapped_column(String(15))
    carrier: Mapped[str | None] = mapped_column(String(64))
    mcc_mnc: Mapped[str | None] = mapped_column(String(6))
    card_type: Mapped[CardType] = mapped_column(enum_column(CardType))
    pool_id: Mapped[int | None] = mapped_column(ForeignKey("ki_proxy_pools.pool_id"))
    ki_pool_priority: Mapped[int]
    card_metadata: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]
