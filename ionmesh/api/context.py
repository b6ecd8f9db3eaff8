"""What a request handler works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import current_app

from ionmesh.api.feed import EventFeed
from ionmesh.api.intake import Intake
from ionmesh.api.keyring import KeyRing
from ionmesh.api.places import Places
from ionmesh.clock import Clock
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.metrics import Metrics
from ionmesh.metrics_clients import ClientMetrics
from ionmesh.ratelimit import RateLimit
from ionmesh.vapid import Vapid

EXTENSION = "ionmesh"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The parts `create_app` wired together."""

    config: Config
    database: Database
    clock: Clock
    assignments_changed: Callable[[], object]
    """Called after a transaction that changed assignments; must neither raise nor take long."""
    streams: Places
    feed: EventFeed
    keyring: KeyRing
    intake: Intake
    metrics: Metrics
    client_metrics: ClientMetrics
    client_limit: RateLimit
    """For what routers call, by tenant and client_id: addresses are shared by many behind a carrier's NAT."""
    key_limit: RateLimit
    """For what operators call, by key."""
    vapid: Vapid


def runtime() -> Runtime:
    """Return the runtime of the application that serves this request."""
    found: Runtime = current_app.extensions[EXTENSION]
    return found
