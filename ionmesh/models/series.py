"""What clients report over time: each one's last figures, samples at three resolutions, bytes of each SIM."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Float, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ionmesh.models.base import Base


class ClientSeries(Base):
    """A client's time series over all its assignments, and the figures of its latest sample."""

    __tablename__ = "client_series"
    __table_args__ = (UniqueConstraint("tenant_id", "client_id"),)

    series_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    client_id: Mapped[str] = mapped_column(String(128))
    sampled_at: Mapped[datetime]
    """End of the second of the latest sample: no earlier report makes another one."""
    rssi_dbm: Mapped[float | None] = mapped_column(Float)
    rsrp_dbm: Mapped[float | None] = mapped_column(Float)
    rsrq_db: Mapped[float | None] = mapped_column(Float)
    sinr_db: Mapped[float | None] = mapped_column(Float)
    rx_total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """The client's own counter; the next sample's traffic is counted from it."""
    tx_total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    card_rx_total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """What went over the bank's card alone, where the client tells these apart."""
    card_tx_total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    uptime_s: Mapped[int | None] = mapped_column(BigInteger)


class RawSample(Base):
    """One report. Traffic is that since the client's previous sample."""

    __tablename__ = "metric_samples_raw"
    # Rows come in the order of time: PostgreSQL's block ranges find old ones at almost no cost a row.
    __table_args__ = (Index("ix_metric_samples_raw_at", "at_s", postgresql_using="brin"),)

    series_id: Mapped[int] = mapped_column(ForeignKey("client_series.series_id"), primary_key=True)
    at_s: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Seconds since the epoch."""
    rssi_dbm: Mapped[float | None] = mapped_column(Float)
    rsrp_dbm: Mapped[float | None] = mapped_column(Float)
    rsrq_db: Mapped[float | None] = mapped_column(Float)
    sinr_db: Mapped[float | None] = mapped_column(Float)
    rx_bytes: Mapped[int | None] = mapped_column(BigInteger)
    tx_bytes: Mapped[int | None] = mapped_column(BigInteger)


class _Rollup:
    """Samples of one stretch of time: means and extremes of the signal, the traffic's sum."""

    series_id: Mapped[int] = mapped_column(ForeignKey("client_series.series_id"), primary_key=True)
    at_s: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Begin of the stretch, seconds since the epoch."""
    samples: Mapped[int]
    rssi_dbm: Mapped[float | None] = mapped_column(Float)
    rssi_dbm_min: Mapped[float | None] = mapped_column(Float)
    rssi_dbm_max: Mapped[float | None] = mapped_column(Float)
    rsrp_dbm: Mapped[float | None] = mapped_column(Float)
    rsrp_dbm_min: Mapped[float | None] = mapped_column(Float)
    rsrp_dbm_max: Mapped[float | None] = mapped_column(Float)
    rsrq_db: Mapped[float | None] = mapped_column(Float)
    rsrq_db_min: Mapped[float | None] = mapped_column(Float)
    rsrq_db_max: Mapped[float | None] = mapped_column(Float)
    sinr_db: Mapped[float | None] = mapped_column(Float)
    sinr_db_min: Mapped[float | None] = mapped_column(Float)
    sinr_db_max: Mapped[float | None] = mapped_column(Float)
    rx_bytes: Mapped[int | None] = mapped_column(BigInteger)
    tx_bytes: Mapped[int | None] = mapped_column(BigInteger)


class FiveMinuteSample(_Rollup, Base):
    """Five minutes of a client."""

    __tablename__ = "metric_samples_5m"
    __table_args__ = (Index("ix_metric_samples_5m_at", "at_s", postgresql_using="brin"),)


class HourSample(_Rollup, Base):
    """An hour of a client."""

    __tablename__ = "metric_samples_1h"
    __table_args__ = (Index("ix_metric_samples_1h_at", "at_s", postgresql_using="brin"),)


class RollupProgress(Base):
    """How far raw samples have been rolled up to one resolution."""

    __tablename__ = "rollup_progress"

    resolution_s: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    done_until_s: Mapped[int] = mapped_column(BigInteger)


class SimTraffic(Base):
    """What went over one SIM on one day, whichever client had it."""

    __tablename__ = "sim_traffic"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"), primary_key=True)
    sim: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The ICCID; `bank_id/slot_id` for a slot whose card's ICCID is not known."""
    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Days since 1970-01-01 (UTC), which both databases can count with."""
    rx_bytes: Mapped[int] = mapped_column(BigInteger)
    tx_bytes: Mapped[int] = mapped_column(BigInteger)


class SimAllowance(Base):
    """How much may go over one SIM in a billing month."""

    __tablename__ = "sim_allowances"
    __table_args__ = (UniqueConstraint("tenant_id", "sim"),)

    allowance_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.tenant_id"))
    sim: Mapped[str] = mapped_column(String(32))
    """As in SimTraffic."""
    limit_bytes: Mapped[int] = mapped_column(BigInteger)
    """Both directions together."""
    billing_day: Mapped[int]
    """Day of the month, 1..28 (UTC), on which counting begins anew."""
    created_at: Mapped[datetime]
