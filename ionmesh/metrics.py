"""Figures for Prometheus: what this process counted, and what the database says at the time of asking.

With gunicorn's several workers PROMETHEUS_MULTIPROC_DIR must name an empty folder; then any worker answers
for all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ionmesh.db import Database
from ionmesh.models import (
    Bank,
    ClientCommand,
    ClientState,
    DeliveryState,
    KiPool,
    ProfileStatus,
    ServiceProfile,
    Slot,
    SlotStatus,
    WebhookDelivery,
)
from ionmesh.services import pools
from ionmesh.version import VERSION

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """The counters of one application."""

    def __init__(self, database: Database) -> None:
        self._registry = CollectorRegistry()
        self.requests = Histogram(
            "ionmesh_http_request_duration_seconds",
            "Time to answer a request.",
            ["route", "method", "code"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.registrations = Counter(
            "ionmesh_registrations",
            "Registrations by what they came to.",
            ["mode", "result"],
            registry=self._registry,
        )
        self.heartbeats = Counter(
            "ionmesh_heartbeats", "Heartbeats taken.", ["result"], registry=self._registry
        )
        self._database = database

    def exposition(self) -> bytes:
        """Return everything in the text format 0.0.4."""
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it is unannotated
        gauges = CollectorRegistry()
        gauges.register(_DatabaseCollector(self._database))
        return generate_latest(registry) + generate_latest(gauges)


class _DatabaseCollector(Collector):
    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[Metric]:
        # Without this the database would be asked when the collector is registered already.
        return []

    def collect(self) -> Iterator[Metric]:
        with self._database.read() as session:
            yield from _documented(session)
            yield from _labelled(session)
        yield _family("ionmesh_build_info", "The version that runs.", ("version",), [((VERSION,), 1)])


def _documented(session: Session) -> Iterator[Metric]:
    """The gauges of the documented dashboard; their names are contract."""
    states = dict.fromkeys(("online", "offline"), 0)
    clients = session.execute(
        select(ClientState.connectivity, func.count())
        .join(ServiceProfile, ServiceProfile.profile_id == ClientState.profile_id)
        .where(ServiceProfile.status == ProfileStatus.ACTIVE)
        .group_by(ClientState.connectivity)
    )
    states |= {row[0].value: row[1] for row in clients}
    slots = {
        row[0]: row[1] for row in session.execute(select(Slot.status, func.count()).group_by(Slot.status))
    }
    banks = session.scalar(select(func.count()).select_from(Bank).where(Bank.bankd_connected.is_(True)))
    for name, text, value in (
        ("ionmesh_clients_online", "Clients that heartbeat.", states["online"]),
        ("ionmesh_clients_offline", "Clients that stopped to heartbeat.", states["offline"]),
        ("ionmesh_banks_online", "Banks whose bankd is connected.", banks or 0),
        ("ionmesh_slots_available", "Slots in service that nobody has.", slots.get(SlotStatus.AVAILABLE, 0)),
        ("ionmesh_slots_assigned", "Slots that a client has.", slots.get(SlotStatus.ASSIGNED, 0)),
    ):
        yield GaugeMetricFamily(name, text, value=value)


def _labelled(session: Session) -> Iterator[Metric]:
    mode = (ServiceProfile.tenant_id, ClientState.connectivity, ServiceProfile.mapping_mode)
    clients = session.execute(
        select(*mode, func.count())
        .join(ServiceProfile.state)
        .where(ServiceProfile.status == ProfileStatus.ACTIVE)
        .group_by(*mode)
    )
    rows = [((str(row[0]), row[1].value, row[2].value), row[3]) for row in clients]
    yield _family("ionmesh_clients", "Clients with a slot.", ("tenant_id", "state", "mapping_mode"), rows)
    slots = session.execute(
        select(Slot.bank_id, Slot.status, func.count()).group_by(Slot.bank_id, Slot.status)
    )
    by_status = [((str(row[0]), row[1].value), row[2]) for row in slots]
    yield _family("ionmesh_slots", "Slots by bank and status.", ("bank_id", "status"), by_status)
    commands = session.execute(select(ClientCommand.state, func.count()).group_by(ClientCommand.state))
    by_state = [((row[0].value,), row[1]) for row in commands]
    yield _family("ionmesh_commands", "Commands by state.", ("state",), by_state)
    used, sizes = [], []
    for pool in session.scalars(select(KiPool)):
        name = (str(pool.tenant_id), pool.pool_name)
        used.append((name, pools.used(session, pool)))
        sizes.append((name, pools.capacity(pool)))
    label = ("tenant_id", "pool")
    yield _family("ionmesh_ki_pool_virtual_sims", "Virtual SIMs of a KI pool assigned.", label, used)
    yield _family("ionmesh_ki_pool_capacity", "Virtual SIMs a KI pool serves at once.", label, sizes)
    waiting = session.scalar(
        select(func.count())
        .select_from(WebhookDelivery)
        .where(WebhookDelivery.state == DeliveryState.PENDING)
    )
    yield GaugeMetricFamily("ionmesh_webhook_queue", "Webhook deliveries to be sent.", value=waiting or 0)


def _family(
    name: str, text: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], int]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family
