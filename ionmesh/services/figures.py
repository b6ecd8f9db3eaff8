"""Counters and gauges kept in the database: jobs write them, /metrics reads them."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from ionmesh.db import insert_or
from ionmesh.models import Figure


class Name(StrEnum):
    """What is kept."""

    WEBHOOK_DELIVERIES = "webhook_deliveries"  # attempts, by what they came to
    SLOTMAP_DRIFT = "slotmap_drift"  # steps to repair, at the last look
    SWEEPER_LAST_RUN_S = "sweeper_last_run_s"  # seconds since 1970


def count(session: Session, name: Name, label: str = "") -> None:
    """Add one to a counter."""
    one = insert_or(session, Figure).values(name=name.value, label=label, value=1)
    more = {"value": Figure.value + one.excluded.value}
    session.execute(one.on_conflict_do_update(index_elements=["name", "label"], set_=more))


def put(session: Session, name: Name, value: float) -> None:
    """Set a gauge."""
    row = insert_or(session, Figure).values(name=name.value, label="", value=value)
    session.execute(row.on_conflict_do_update(index_elements=["name", "label"], set_={"value": value}))


def kept(session: Session, name: Name) -> dict[str, float]:
    """Return a figure by its labels; one that was never written is not there."""
    rows = session.execute(select(Figure.label, Figure.value).where(Figure.name == name.value))
    return {row.label: row.value for row in rows}
