"""The periodic making of samples, and rolling them up."""

from __future__ import annotations

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.services import sampling


class Recorder:
    """Turns what clients reported into samples, in short transactions that heartbeats hardly notice."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def run(self) -> bool:
        """Record everything that is new, then roll up what is complete. Raises OperationalError."""
        more = True
        while more:
            with self._database.write() as session:
                more = sampling.record(session) == sampling.BATCH
        more = True
        while more:
            with self._database.write() as session:
                more = sampling.roll_up(session, self._clock())
        return True
