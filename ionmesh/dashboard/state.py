"""What the dashboard keeps in a process between requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import current_app

from ionmesh.api.context import Runtime
from ionmesh.dashboard import slots
from ionmesh.dashboard.shared import Shared
from ionmesh.dashboard.slots import BankSummary
from ionmesh.db import Database
from ionmesh.ratelimit import RateLimit
from ionmesh.services import alerts, health, inventory, occupancy

EXTENSION = "ionmesh.dashboard"
_SIGN_INS_PER_MIN = 10
# More banks would be longer than a screen; their own page has all.
_BANKS_AT_A_GLANCE = 6


@dataclass(frozen=True, slots=True)
class Glance:
    """The first banks, and how many more there are."""

    banks: list[BankSummary]
    more: int


@dataclass(frozen=True, slots=True)
class DashboardState:
    """The parts `site.register` makes."""

    sign_in_limit: RateLimit
    """Attempts to sign in, by address of the network and by account."""
    counts: Shared[Mapping[str, int]]
    """Clients by grade, and `alerts` that nobody has acknowledged."""
    glance: Shared[Glance]


def new_state(run: Runtime) -> DashboardState:
    """Return the state of an application that starts."""
    database = run.database
    return DashboardState(
        RateLimit(_SIGN_INS_PER_MIN),
        Shared(lambda tenant_id: _count(database, tenant_id)),
        Shared(lambda tenant_id: _glance(database, tenant_id)),
    )


def state() -> DashboardState:
    """Return the state of the application that serves this request."""
    found: DashboardState = current_app.extensions[EXTENSION]
    return found


def _count(database: Database, tenant_id: int) -> Mapping[str, int]:
    with database.read() as session:
        clients = health.counts(session, tenant_id)
        firing = sum(alerts.firing(session, tenant_id).values())
    return {grade.value: number for grade, number in clients.items()} | {"alerts": firing}


def _glance(database: Database, tenant_id: int) -> Glance:
    with database.read() as session:
        banks = inventory.list_banks(session, tenant_id)
        shown = banks[:_BANKS_AT_A_GLANCE]
        places = occupancy.places(session, tenant_id, [bank.bank_id for bank in shown])
    return Glance(slots.summaries(shown, places), len(banks) - len(shown))
