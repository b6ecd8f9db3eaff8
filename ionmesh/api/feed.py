"""The latest events of each tenant, read from the database once for all who follow them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.models import Event
from ionmesh.services import events

# Events get their number before their transaction ends: a late one has a smaller number than its followers.
OVERLAP = timedelta(seconds=2)
_KEPT_S = 0.3
_LOOK_EVERY_S = 0.4
_TAIL = 100
_BATCH = 500


@dataclass(frozen=True, slots=True)
class _Tail:
    read_at_s: float
    events: tuple[Event, ...]
    """Oldest first."""
    complete_after: int
    """Every event with a larger number is among them."""
    version: int
    """Another one when others are among them."""


class EventFeed:
    """Hands out events behind a number; however many ask, each tenant's are read three times a second."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._tails: dict[int, _Tail] = {}
        self._news = threading.Condition()
        self._looked_for: set[int] = set()

    def fresh(self, tenant_id: int, after: int) -> Sequence[Event]:
        """Return the tenant's events behind `after`, oldest first, and late ones of the last two seconds.

        Who asks again and again must know what it has: late events come more than once. While the database
        is away there are none.
        """
        try:
            tail = self._tail(tenant_id)
            since = self._clock() - OVERLAP
            if after < tail.complete_after:
                with self._database.read() as session:
                    return events.after(session, tenant_id, after, limit=_BATCH, since=since)
        except OperationalError:
            # Streams outlive a restart of the database; requests report that it is away.
            return []
        return [event for event in tail.events if event.event_id > after or event.at >= since]

    def wait(self, tenant_id: int, version: int, timeout_s: float) -> int:
        """Wait until the tenant's events are of another version, at most so long; returns the version then.

        Of all who wait one looks into the database, the others sleep until it found something.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._news:
            while self._version(tenant_id) == version:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    break
                if tenant_id in self._looked_for:
                    self._news.wait(left_s)
                    continue
                self._looked_for.add(tenant_id)
                try:
                    self._news.wait(min(left_s, _LOOK_EVERY_S))
                    self._look(tenant_id)
                finally:
                    self._looked_for.discard(tenant_id)
            # Who is woken looks from now on, if it was this one that did.
            self._news.notify()
            return self._version(tenant_id)

    def newest(self, tenant_id: int) -> int:
        """Return the number of the tenant's latest event, 0 when there is none. Raises OperationalError."""
        tail = self._tail(tenant_id)
        return tail.events[-1].event_id if tail.events else tail.complete_after

    def _version(self, tenant_id: int) -> int:
        known = self._tails.get(tenant_id)
        return known.version if known else 0

    def _look(self, tenant_id: int) -> None:
        before = self._version(tenant_id)
        try:
            self._tail(tenant_id)
        except OperationalError:
            return
        if self._version(tenant_id) != before:
            self._news.notify_all()

    def _tail(self, tenant_id: int) -> _Tail:
        # Held over the query, so that all who wait get the one answer.
        with self._lock:
            now_s = time.monotonic()
            known = self._tails.get(tenant_id)
            if known is not None and now_s < known.read_at_s + _KEPT_S:
                return known
            with self._database.read() as session:
                tail = self._grown(session, tenant_id, known, now_s) if known else None
                tail = tail or self._whole(session, tenant_id, now_s, self._version(tenant_id) + 1)
            self._tails[tenant_id] = tail
            return tail

    def _grown(self, session: Session, tenant_id: int, known: _Tail, now_s: float) -> _Tail | None:
        """Return the tail with what came since; None: more came than is read at once."""
        newest = known.events[-1].event_id if known.events else known.complete_after
        since = self._clock() - OVERLAP
        fresh = events.after(session, tenant_id, newest, limit=_BATCH, since=since)
        if len(fresh) == _BATCH:
            return None
        merged = {event.event_id: event for event in (*known.events, *fresh)}
        rows = [merged[number] for number in sorted(merged)]
        left_out = rows[:-_TAIL]
        complete_after = left_out[-1].event_id if left_out else known.complete_after
        version = known.version + (len(rows) > len(known.events))
        return _Tail(now_s, tuple(rows[-_TAIL:]), complete_after, version)

    def _whole(self, session: Session, tenant_id: int, now_s: float, version: int) -> _Tail:
        rows = events.latest(session, tenant_id, client_id=None, limit=_TAIL + 1)
        complete_after = rows[-1].event_id if len(rows) > _TAIL else 0
        return _Tail(now_s, tuple(reversed(rows[:_TAIL])), complete_after, version)
