"""Looking for what is wrong with an installation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ionmesh import roles, schema
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.errors import RemsimServerError
from ionmesh.models import ApiKey, Slot, SlotStatus, Tenant
from ionmesh.remsim_server import RemsimServer
from ionmesh.services import slotmaps
from ionmesh.services.slotmaps import ServerPlan


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `text` says what is so and, when it is bad, what to do."""

    good: bool
    text: str


def examine(config: Config) -> Iterator[Finding]:
    """Look at database, schema, inventory and servers; ends where looking on makes no sense."""
    database = Database(config.database)
    try:
        at, head = schema.current(database), schema.head()
        yield Finding(at == head, f"schema is at {at or 'nothing'}, this version needs {head}")
        if at != head:
            return
        with database.read() as session:
            if database.engine.dialect.name == "postgresql" and not roles.is_walled(session.connection()):
                # Not wrong, as the queries' own conditions stand: one wall of two.
                yield Finding(True, "tenants are not kept apart by PostgreSQL: this role owns the tables")
            yield from _inventory(session)
            plans = slotmaps.wanted(session)
        for plan in plans:
            yield _server(plan, config.remsim_timeout_s)
    except OperationalError as error:
        yield Finding(False, f"database: {error.orig}")
    finally:
        database.close()


def _inventory(session: Session) -> Iterator[Finding]:
    tenants = session.scalar(select(func.count()).select_from(Tenant)) or 0
    yield Finding(tenants > 0, f"{tenants} tenants" + ("" if tenants else ": ionmesh tenant create"))
    keys = session.scalar(select(func.count()).select_from(ApiKey).where(ApiKey.revoked_at.is_(None))) or 0
    yield Finding(keys > 0, f"{keys} API keys" + ("" if keys else ": ionmesh key create"))
    slots = session.scalar(select(func.count()).select_from(Slot)) or 0
    free = (
        session.scalar(select(func.count()).select_from(Slot).where(Slot.status == SlotStatus.AVAILABLE)) or 0
    )
    yield Finding(slots > 0, f"{slots} slots, {free} available" + ("" if slots else ": ionmesh slot add"))


def _server(plan: ServerPlan, timeout_s: float) -> Finding:
    server = RemsimServer(plan.url, timeout_s)
    try:
        connected = server.connected_banks()
        repair = slotmaps.repair(plan, server.slotmaps())
    except RemsimServerError as error:
        return Finding(False, f"osmo-remsim-server {error}")
    missing = sorted(plan.bank_ids - connected)
    text = f"osmo-remsim-server {plan.url}: {len(plan.maps)} maps wanted"
    if repair:
        text += f", {len(repair.create)} missing, {len(repair.delete)} stale (a running server repairs this)"
    if missing:
        text += f", no bankd connected for bank {', '.join(map(str, missing))}"
    return Finding(not repair and not missing, text)
