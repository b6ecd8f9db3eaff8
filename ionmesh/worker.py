"""`ionmesh worker`: the jobs beside application servers that only answer requests."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.ending import Ending
from ionmesh.jobs import Jobs

log = logging.getLogger(__name__)

_THREAD_STOP_S = 0.3


def work(config: Config, ready: Callable[[], None]) -> int:
    """Work until SIGTERM or SIGINT; returns the exit status. Must run in the main thread."""
    database = Database(config.database)
    ending = Ending()
    jobs = Jobs(database, config, ending.on_death)
    jobs.watch_assignments(ending.on_death)
    jobs.start()
    ready()
    ending.wait()
    log.info("stopping")
    jobs.stop(_THREAD_STOP_S)
    database.close()
    return ending.status
