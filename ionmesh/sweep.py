"""The periodic look at who has gone quiet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import OperationalError

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.services import figures, liveness
from ionmesh.services.figures import Name

log = logging.getLogger(__name__)


class Sweeper:
    """Marks silent clients and ends leases, in one transaction a run."""

    def __init__(
        self, database: Database, silence: timedelta, clock: Clock, slots_released: Callable[[], object]
    ) -> None:
        self._database = database
        self._silence = silence
        self._clock = clock
        self._slots_released = slots_released
        self._failing = False

    def run(self) -> bool:
        """Sweep once. Returns whether the database let it."""
        try:
            with self._database.write() as session:
                now = self._clock()
                released = liveness.sweep(session, now, self._silence)
                figures.put(session, Name.SWEEPER_LAST_RUN_S, now.timestamp())
        except OperationalError as error:
            log.log(
                logging.DEBUG if self._failing else logging.WARNING,
                "silent clients are not looked for, will try again: %s",
                error.orig,
            )
            self._failing = True
            return False
        self._failing = False
        if released:
            self._slots_released()
        return True
