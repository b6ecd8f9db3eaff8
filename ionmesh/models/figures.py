"""Figures of processes that serve no requests, for whoever serves /metrics."""

from __future__ import annotations

from sqlalchemy import Float, String
from sqlalchemy.orm import Mapped, mapped_column

from ionmesh.models.base import Base


class Figure(Base):
    """One counter or gauge."""

    __tablename__ = "figures"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    """What it is counted by; empty: nothing."""
    value: Mapped[float] = mapped_column(Float)
