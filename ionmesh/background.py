"""Work that repeats in a thread of its own, inside the embedded server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Repeater:
    """Runs `job` at start, every `interval_s`, and at once when woken; never twice at the same time.

    `job` returns whether everything is as it should be and translates its own failures. Should it raise all
    the same, the thread ends and `on_death` is called, so that the process can end and be restarted.
    """

    def __init__(
        self, name: str, interval_s: float, job: Callable[[], bool], on_death: Callable[[], None]
    ) -> None:
        self._interval_s = interval_s
        self._job = job
        self._on_death = on_death
        self._condition = threading.Condition()
        self._wanted = 1
        self._finished = 0
        self._healthy = True
        self._stopping = False
        # A job may sit in a network timeout when the process must end: `stop` does not wait for it for ever.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread, whose first act is a run."""
        self._thread.start()

    def wake(self, wait_s: float = 0.0) -> bool:
        """Ask for a run that begins after this call; wait for its end for at most `wait_s`.

        After a run failed, or somebody waited in vain, nobody waits until a run ends well: the caller's own
        work does not depend on it. Returns whether the run ended well in time.
        """
        with self._condition:
            self._wanted += 1
            mine = self._wanted
            self._condition.notify_all()
            if not self._healthy:
                return False
            over = self._condition.wait_for(lambda: self._finished >= mine or self._stopping, timeout=wait_s)
            if wait_s and not over:
                self._healthy = False
            return self._finished >= mine and self._healthy

    def stop(self, timeout_s: float) -> None:
        """Ask the thread to end and wait for it for at most `timeout_s`."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while True:
                with self._condition:
                    if self._stopping:
                        return
                    taken = self._wanted
                healthy = self._job()
                with self._condition:
                    self._finished, self._healthy = taken, healthy
                    self._condition.notify_all()
                    self._condition.wait_for(
                        lambda: self._wanted > self._finished or self._stopping, timeout=self._interval_s
                    )
        finally:
            with self._condition:
                died = not self._stopping
                self._stopping, self._healthy = True, False
                self._condition.notify_all()
            if died:
                log.error("the %s thread died", self._thread.name)
                self._on_death()
