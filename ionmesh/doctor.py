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
from ionmesh.errors import RemsimServerError, SchemaNewer
from ionmesh.models import ApiKey, Slot, SlotStatus, Tenant
from ionmesh.remsim_server import RemsimServer
from ionmesh.services import seals, slotmaps
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
        schema.refuse_newer(at)
        text = f"schema is at {at or 'nothing'}, this version needs {head}"
        yield Finding(at == head, text if at == head else f"{text}: ionmesh db upgrade")
        if at != head:
            return
        with database.read() as session:
            if database.engine.dialect.name == "postgresql" and not roles.is_walled(session.connection()):
                # Not wrong, as the queries' own conditions stand: one wall of two.
                yield Finding(True, "tenants are not kept apart by PostgreSQL: this role owns the tables")
            yield from _inventory(session)
            yield from _secrets(session, config.key_pepper)
            plans = slotmaps.wanted(session)
        for plan in plans:
            yield _server(plan, config)
    except SchemaNewer as error:
        yield Finding(False, str(error))
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


def _secrets(session: Session, pepper: str) -> Iterator[Finding]:
    found = seals.tally(session, pepper)
    if found.sealed:
        yield Finding(True, f"{found.sealed} stored secrets are sealed")
    if found.otherwise:
        text = f"{found.otherwise} stored secrets were sealed with another IONMESH_KEY_PEPPER: set that one"
        yield Finding(False, text)
    if found.readable and pepper:
        yield Finding(False, f"{found.readable} stored secrets are readable: ionmesh db seal")
    elif found.readable:
        # Not wrong, as a server may do without a pepper.
        yield Finding(True, f"{found.readable} stored secrets are readable: IONMESH_KEY_PEPPER is not set")


def _server(plan: ServerPlan, config: Config) -> Finding:
    server = RemsimServer(plan.url, config.remsim_timeout_s, loopback_allowed=bool(config.loopback_banks))
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
