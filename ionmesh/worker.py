"""`ionmesh worker`: the jobs beside application servers that only answer requests."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable

from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.jobs import Jobs

log = logging.getLogger(__name__)

_THREAD_STOP_S = 0.3


def work(config: Config, ready: Callable[[], None]) -> int:
    """Work until SIGTERM or SIGINT; returns the exit status. Must run in the main thread."""
    stop, died = threading.Event(), threading.Event()

    def on_death() -> None:
        died.set()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    database = Database(config.database)
    jobs = Jobs(database, config, on_death)
    jobs.watch_assignments(on_death)
    jobs.start()
    ready()
    stop.wait()
    log.info("stopping")
    jobs.stop(_THREAD_STOP_S)
    database.close()
    return 1 if died.is_set() else 0
