"""Alerts: the rules that raise them, each one's life, and who is not to be told."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Float, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ionmesh.models.base import Base, enum_column
from ionmesh.models.events import Severity

_OPEN = text("state != 'resolved'")


class AlertKind(StrEnum):
    """What a rule looks at."""

    CLIENT_OFFLINE = "client_offline"  # threshold: seconds without a heartbeat
    SIGNAL_BELOW = "signal_below"  # threshold: dBm or dB of the rule's signal
    POOL_UTILISATION_ABOVE = "pool_utilisation_above"  # threshold: per cent of a KI pool's capacity
    AUTH_FAILURES = "auth_failures"  # threshold: refused challenges within the rule's window
    ALLOWANCE_REACHED = "allowance_reached"  # threshold: per cent of a SIM's allowance
    BANK_DOWN = "bank_down"  # no threshold: the bankd is not connected to its osmo-remsim-server


class SignalMetric(StrEnum):
    """Which figure of the signal (3GPP TS 36.214 and 38.215; SINR as modems report it)."""

    RSSI = "rssi_dbm"
    RSRP = "rsrp_dbm"
    RSRQ = "rsrq_db"
    SINR = "sinr_db"


class AlertState(StrEnum):
    """How far an alert has come."""

    PENDING = "pending"  # the condition holds, not yet for as long as the rule wants
    FIRING = "firing"
    RESOLVED = "resolved"


class AlertRule(Base):
    """One condition of a tenant's; each client, pool, SIM or bank that meets it has an alert of its own."""

    __tablename__ = "alert_rules"
    __table_args__ = (Index("ix_alert_rules_tenant", "tenant_id"),)

    rule_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[AlertKind] = mapped_column(enum_column(AlertKind))
    signal: Mapped[SignalMetric | None] = mapped_column(enum_column(SignalMetric))
    """For SIGNAL_BELOW only."""
    threshold: Mapped[float] = mapped_column(Float)
    hysteresis: Mapped[float] = mapped_column(Float)
    """How far back behind the threshold the figure must come to end the alert, in the threshold's unit."""
    for_s: Mapped[int]
    """How long the condition must hold without a break before the alert fires."""
    window_s: Mapped[int | None]
    """For AUTH_FAILURES only: how far back failures count."""
    severity: Mapped[Severity] = mapped_column(enum_column(Severity))
    enabled: Mapped[bool]
    muted_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Alert(Base):
    """One subject that met a rule, from then on; kept as history when it is over."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index(
            "uq_alerts_open",
            "rule_id",
            "subject",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        Index("ix_alerts_tenant", "tenant_id", "alert_id"),
    )

    alert_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    rule_id: Mapped[int | None] = mapped_column(ForeignKey("alert_rules.rule_id", ondelete="SET NULL"))
    """None: the rule is gone; what follows is as it was when the alert began."""
    rule_name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[AlertKind] = mapped_column(enum_column(AlertKind))
    severity: Mapped[Severity] = mapped_column(enum_column(Severity))
    subject: Mapped[str] = mapped_column(String(128))
    """The client_id, or `bank N`, `pool NAME`, `allowance N`."""
    state: Mapped[AlertState] = mapped_column(enum_column(AlertState))
    value: Mapped[float | None] = mapped_column(Float)
    """The figure when last looked at, in the threshold's unit."""
    since: Mapped[datetime]
    """When the condition was first seen."""
    fired_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(160))
    resolved_at: Mapped[datetime | None]
    told: Mapped[bool]
    """Whether anybody was told that it fires; a muted alert is told when the mute ends."""


class AlertMute(Base):
    """A subject whose alerts nobody is told of for a while."""

    __tablename__ = "alert_mutes"
    __table_args__ = (UniqueConstraint("tenant_id", "subject"),)

    mute_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    subject: Mapped[str] = mapped_column(String(128))
    """As in Alert."""
    until: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(160))
    created_at: Mapped[datetime]
