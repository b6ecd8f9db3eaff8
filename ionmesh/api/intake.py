"""Where registrations arrive; those that arrive together share their queries and their commit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.errors import NoSlot, TooManyRequests
from ionmesh.grouping import Group, PassOn
from ionmesh.ratelimit import RateLimit
from ionmesh.seldom import Seldom
from ionmesh.services import enrolment, registration, shortage
from ionmesh.services.allocation import Demand
from ionmesh.services.enrolment import Answer, Recalled, Wanted
from ionmesh.services.registration import Registered, Registration

log = logging.getLogger(__name__)

# More would hold their slots and names for longer without being cheaper.
_MOST_TOGETHER = 100


class Intake:
    """Registers the clients of one process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        limit: RateLimit,
        silence: timedelta,
        claimed: Callable[[float], object],
    ) -> None:
        """`claimed` is told the seconds of each transaction that claims slots."""
        self._claimed = claimed
        self._database = database
        self._clock = clock
        self._limit = limit
        self._silence = silence
        self._shortages = Seldom(shortage.TELL_EVERY)
        # Apart, so that no client that has a slot ever waits for a transaction that writes.
        self._enrolments = Group(self._enrol, _MOST_TOGETHER)
        self._recalls = Group(self._recall, _MOST_TOGETHER, self._enrolments)

    def register(self, tenant_id: int, request: Registration) -> Registered:
        """Give the client its slot; the transaction that did it has ended.

        Raises as `registration.register`, and TooManyRequests for a client without slot that asks too often.
        That there is no slot is told to operators.
        """
        wanted = Wanted(tenant_id, request)
        try:
            return self._settled(wanted, self._recalls.submit(wanted))
        except NoSlot:
            self._note_shortage(registration.demand_of(tenant_id, request))
            raise

    def _settled(self, wanted: Wanted, answer: Answer) -> Registered:
        """Return or raise the answer of a round.

        None: the client is one that is dealt with alone, or the round failed under somebody else.
        """
        if isinstance(answer, Registered):
            return answer
        if answer is not None:
            # Others raise the same one: what it remembers of them is of no use.
            raise answer.with_traceback(None)
        with self._claiming() as session:
            return registration.register(
                session, wanted.tenant_id, wanted.request, self._clock(), self._silence
            )

    @contextmanager
    def _claiming(self) -> Iterator[Session]:
        began_s = time.perf_counter()
        with self._database.write() as session:
            yield session
        self._claimed(time.perf_counter() - began_s)

    def _note_shortage(self, demand: Demand) -> None:
        now = self._clock()
        if self._shortages.is_time(demand, now):
            with self._database.write() as session:
                shortage.note(session, demand, now)

    def _recall(self, wanted: Sequence[Wanted]) -> list[Answer | PassOn]:
        now = self._clock()
        with self._database.glance() as connection:
            recalled = enrolment.recall(connection, wanted, now)
        due = [
            found.registered.assignment.profile_id
            for found in recalled
            if found.touch_due and found.registered is not None
        ]
        if due:
            self._touch(due, now)
        return [self._recalled(item, found, now) for item, found in zip(wanted, recalled, strict=True)]

    def _recalled(self, item: Wanted, found: Recalled, now: datetime) -> Answer | PassOn:
        if found.active:
            return found.registered
        # The deployed client does not try again: one that has a slot is answered however often it asks.
        wait_s = self._limit.wait_s(item.client, now.timestamp())
        return TooManyRequests(wait_s) if wait_s else PassOn.IT

    def _touch(self, profile_ids: Sequence[str], now: datetime) -> None:
        try:
            with self._database.telemetry() as connection:
                enrolment.touch(connection, profile_ids, now)
        except OperationalError as error:
            # Their answers stand without it, and they will come again.
            log.info("%d registrations are not noted: %s", len(profile_ids), error.orig)

    def _enrol(self, wanted: Sequence[Wanted]) -> Sequence[Answer]:
        try:
            with self._claiming() as session:
                return enrolment.enrol(session, wanted, self._clock())
        except DBAPIError as error:
            # One by one those do well that had no part in it.
            log.info("%d registrations are done one by one: %s", len(wanted), error.orig)
            return [None] * len(wanted)
