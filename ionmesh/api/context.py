"""What a request handler works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask import current_app

from ionmesh.api.keyring import KeyRing
from ionmesh.api.places import Places
from ionmesh.clock import Clock
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.metrics import Metrics
from ionmesh.ratelimit import RateLimit
from ionmesh.services import liveness

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
    keyring: KeyRing
    metrics: Metrics
    client_limit: RateLimit
    """For what routers call, by tenant and client_id: addresses are shared by many behind a carrier's NAT."""
    key_limit: RateLimit
    """For what operators call, by key."""

    @property
    def silence(self) -> timedelta:
        """Silence that counts as offline."""
        return liveness.offline_after(self.config.offline_after_s, self.config.heartbeat_interval_s)


def runtime() -> Runtime:
    """Return the runtime of the application that serves this request."""
    found: Runtime = current_app.extensions[EXTENSION]
    return found
