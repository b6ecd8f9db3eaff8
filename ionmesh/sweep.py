"""The periodic look at who has gone quiet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.services import figures, liveness
from ionmesh.services.figures import Name


class Sweeper:
    """Marks silent clients and ends leases, in one transaction a run."""

    def __init__(
        self, database: Database, silence: timedelta, clock: Clock, slots_released: Callable[[], object]
    ) -> None:
        self._database = database
        self._silence = silence
        self._clock = clock
        self._slots_released = slots_released

    def run(self) -> bool:
        """Sweep once. Raises OperationalError."""
        with self._database.write() as session:
            now = self._clock()
            released = liveness.sweep(session, now, self._silence)
            figures.put(session, Name.SWEEPER_LAST_RUN_S, now.timestamp())
        if released:
            self._slots_released()
        return True
