"""Figures for Prometheus that the database knows, the same whichever process is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.models import (
    Bank,
    ClientCommand,
    ClientState,
    DeliveryState,
    ProfileStatus,
    ServiceProfile,
    Slot,
    SlotStatus,
    WebhookDelivery,
)
from ionmesh.services import figures, pools
from ionmesh.services.figures import Name
from ionmesh.version import VERSION

# Around the usual intervals of 60 and 300 seconds, and what counts as silence.
_AGES_S = (15, 30, 60, 90, 120, 180, 300, 600, 1800, 3600, 86_400)


class DatabaseCollector(Collector):
    """Asks the database each time it is asked."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        """Return nothing."""
        # Without this the database would be asked when the collector is registered already.
        return []

    def collect(self) -> Iterator[Metric]:
        """Return the families."""
        with self._database.read() as session:
            yield from _documented(session)
            yield from _labelled(session)
            yield from _of_pools(session)
            yield from _of_jobs(session)
            yield _ages(session, self._clock())
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


def _of_pools(session: Session) -> Iterator[Metric]:
    used, sizes = [], []
    for pool, number in pools.usage(session, None):
        name = (str(pool.tenant_id), pool.pool_name)
        used.append((name, number))
        sizes.append((name, pools.capacity(pool)))
    label = ("tenant_id", "pool")
    yield _family("ionmesh_ki_pool_virtual_sims", "Virtual SIMs of a KI pool assigned.", label, used)
    yield _family("ionmesh_ki_pool_capacity", "Virtual SIMs a KI pool serves at once.", label, sizes)


def _of_jobs(session: Session) -> Iterator[Metric]:
    waiting = session.scalar(
        select(func.count())
        .select_from(WebhookDelivery)
        .where(WebhookDelivery.state == DeliveryState.PENDING)
    )
    yield GaugeMetricFamily("ionmesh_webhook_queue", "Webhook deliveries to be sent.", value=waiting or 0)
    deliveries = CounterMetricFamily(
        "ionmesh_webhook_deliveries",
        "Attempts to deliver to webhooks, by what they came to.",
        labels=["result"],
    )
    for result, value in sorted(figures.kept(session, Name.WEBHOOK_DELIVERIES).items()):
        deliveries.add_metric([result], value)
    yield deliveries
    for name, exported, text in (
        (Name.SLOTMAP_DRIFT, "ionmesh_slotmap_drift", "Slot maps that the last look found missing or stale."),
        (
            Name.SWEEPER_LAST_RUN_S,
            "ionmesh_sweeper_last_run_timestamp_seconds",
            "When silent clients were looked for.",
        ),
    ):
        for value in figures.kept(session, name).values():
            yield GaugeMetricFamily(exported, text, value=value)


def _ages(session: Session, now: datetime) -> Metric:
    """Count heartbeating clients by the time since their last heartbeat."""
    moments = session.scalars(
        select(ClientState.last_heartbeat)
        .join(ClientState.profile)
        .where(ServiceProfile.status == ProfileStatus.ACTIVE, ClientState.last_heartbeat.is_not(None))
    )
    ages_s = [max(0.0, (now - moment).total_seconds()) for moment in moments if moment is not None]
    buckets = [(f"{limit}.0", float(sum(age <= limit for age in ages_s))) for limit in _AGES_S]
    family = HistogramMetricFamily("ionmesh_heartbeat_age_seconds", "Time since clients' last heartbeats.")
    family.add_metric([], buckets=[*buckets, ("+Inf", float(len(ages_s)))], sum_value=sum(ages_s))
    return family


def _family(
    name: str, text: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], int]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, number in sorted(rows):
        family.add_metric(values, number)
    return family
