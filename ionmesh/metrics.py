"""Figures for Prometheus: what this process counted, and what the database says at the time of asking.

With several processes PROMETHEUS_MULTIPROC_DIR must name an empty folder; then any of them answers for all.
`ionmesh web` sees to that.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.metrics_database import DatabaseCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """What the processes of one host count."""

    def __init__(self, database: Database, clock: Clock) -> None:
        # When a series began doubles the number of series and answers nobody's question.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it is unannotated
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
            "Registrations by what they came to; refused ones by the code of the refusal.",
            ["mode", "result"],
            registry=self._registry,
        )
        self.slot_claims = Histogram(
            "ionmesh_slot_claim_duration_seconds",
            "Time of the transactions that claim slots, each for one client or for many.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.heartbeats = Counter(
            "ionmesh_heartbeats", "Heartbeats taken.", ["result"], registry=self._registry
        )
        self.streams = Gauge(
            "ionmesh_sse_clients",
            "Event streams that are open.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._connections = Gauge(
            "ionmesh_db_pool_in_use",
            "Database connections in use.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._connections_max = Gauge(
            "ionmesh_db_pool_size",
            "Database connections there can be.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._gauges = CollectorRegistry()
        self._gauges.register(DatabaseCollector(database, clock))
        database.watch_connections(self._connections.inc, self._connections.dec)
        self._connections_max.set(database.connections_max)

    def exposition(self) -> bytes:
        """Return everything in the text format 0.0.4."""
        registry = self._registry
        if _FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it is unannotated
        return generate_latest(registry) + generate_latest(self._gauges)


def forget_ended_processes() -> None:
    """Drop what processes that are no more counted as present from the figures that all share."""
    folder = os.environ.get(_FOLDER)
    if folder is None:
        return
    for path in Path(folder).glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]  # it is unannotated
