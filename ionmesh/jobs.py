"""What happens without a request: slot maps, silent clients, samples, alerts, webhooks, pushes, and throwing
old rows away."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import IntegrityError, OperationalError

from ionmesh.background import Repeater
from ionmesh.clock import Clock, utcnow
from ionmesh.config import Config
from ionmesh.courier import Courier, sender
from ionmesh.db import Database
from ionmesh.pusher import Pusher
from ionmesh.reconcile import reconciler
from ionmesh.recorder import Recorder
from ionmesh.services import alerting, alerts, housekeeping, sampling, slotmaps
from ionmesh.services.liveness import offline_after
from ionmesh.sweep import Sweeper
from ionmesh.vapid import Vapid

log = logging.getLogger(__name__)

_SWEEP_INTERVAL_S = 15
_COURIER_INTERVAL_S = 1
_PUSH_INTERVAL_S = 1
_RECORD_INTERVAL_S = 10
_ALERT_INTERVAL_S = 15
_WATCH_INTERVAL_S = 0.5
_HOUSEKEEPING_INTERVAL_S = 3600


class Jobs:
    """The repeating jobs of one process. Of several processes on PostgreSQL, one does each job at a time."""

    def __init__(
        self, database: Database, config: Config, on_death: Callable[[], None], clock: Clock = utcnow
    ) -> None:
        self._database = database
        maps = reconciler(database, config.remsim_timeout_s, loopback_allowed=bool(config.loopback_banks))
        self.slot_maps = Repeater(
            "reconcile", config.reconcile_interval_s, self._alone("reconcile", maps.run), on_death
        )
        silence = offline_after(config.offline_after_s, config.heartbeat_interval_s)
        sweeper = Sweeper(database, silence, clock, self.slot_maps.wake)
        send = sender(private_allowed=bool(config.private_webhooks))
        courier = Courier(database, clock, send, config.key_pepper)
        pusher = Pusher(database, clock, Vapid(database, config, clock), send)
        recorder = Recorder(database, clock)
        watchman = _Watchman(database, clock)
        keeper = _Housekeeper(database, clock)
        self._repeaters = [
            self.slot_maps,
            Repeater("sweep", _SWEEP_INTERVAL_S, self._alone("sweep", sweeper.run), on_death),
            # Deliveries are taken one by one, so several couriers share them out.
            Repeater("courier", _COURIER_INTERVAL_S, _patiently("courier", courier.run), on_death),
            Repeater("push", _PUSH_INTERVAL_S, _patiently("push", pusher.run), on_death),
            Repeater("record", _RECORD_INTERVAL_S, self._alone("record", recorder.run), on_death),
            Repeater("alerts", _ALERT_INTERVAL_S, self._alone("alerts", watchman.run), on_death),
            Repeater("housekeeping", _HOUSEKEEPING_INTERVAL_S, self._alone("keep", keeper.run), on_death),
        ]

    def watch_assignments(self, on_death: Callable[[], None]) -> None:
        """Also notice what other processes assign, within half a second. Before `start`."""
        watch = _AssignmentWatch(self._database, self.slot_maps)
        self._repeaters.append(Repeater("watch", _WATCH_INTERVAL_S, _patiently("watch", watch.run), on_death))

    def start(self) -> None:
        """Start the threads."""
        for repeater in self._repeaters:
            repeater.start()

    def stop(self, timeout_s: float) -> None:
        """Ask all threads to end and wait for each for at most `timeout_s`."""
        for repeater in self._repeaters:
            repeater.stop(timeout_s)

    def _alone(self, name: str, job: Callable[[], bool]) -> Callable[[], bool]:
        def run() -> bool:
            with self._database.exclusive(name) as mine:
                # Somebody else is at it: nothing is wrong.
                return job() if mine else True

        return _patiently(name, run)


def _patiently(name: str, job: Callable[[], bool]) -> Callable[[], bool]:
    """Return a job that outlives an absence of the database, which it warns of once.

    So it does a row that somebody deleted while it was about to be named by another one.
    """
    failing = False

    def run() -> bool:
        nonlocal failing
        try:
            good = job()
        except (OperationalError, IntegrityError) as error:
            level = logging.DEBUG if failing else logging.WARNING
            log.log(level, "the job %s is not done, will try again: %s", name, error.orig)
            failing = True
            return False
        failing = False
        return good

    return run


class _AssignmentWatch:
    def __init__(self, database: Database, slot_maps: Repeater) -> None:
        self._database = database
        self._slot_maps = slot_maps
        self._seen: object = None

    def run(self) -> bool:
        with self._database.read() as session:
            now = slotmaps.fingerprint(session)
        if now != self._seen:
            self._seen = now
            self._slot_maps.wake()
        return True


class _Watchman:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def run(self) -> bool:
        with self._database.write() as session:
            alerting.evaluate(session, self._clock())
        return True


class _Housekeeper:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def run(self) -> bool:
        with self._database.write() as session:
            housekeeping.drop_old(session, self._clock(), timedelta(days=30))
            alerts.drop_old(session, self._clock())
            sampling.drop_old(session, self._clock())
        return True
