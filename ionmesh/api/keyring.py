"""Recognising keys without asking the database each time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.errors import KeyEnded
from ionmesh.services import audit, keys
from ionmesh.services.keys import Caller

# A key revoked in another process works here for so long.
_REMEMBERED = timedelta(seconds=5)
_TOUCH_EVERY = timedelta(minutes=1)
_TRACKED_MAX = 20_000


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    until: datetime


class KeyRing:
    """The keys seen lately, by the hash of their text."""

    def __init__(self, database: Database, clock: Clock, pepper: str) -> None:
        self._database = database
        self._clock = clock
        self._pepper = pepper
        self._known: dict[bytes, _Known] = {}
        self._noted: dict[object, datetime] = {}

    def caller(self, text: str) -> Caller:
        """Return whom a key stands for, and note once a minute that it was used. Raises as `authenticate`.

        That a key was used after its end is recorded in its tenant's audit log, once a minute too.
        """
        now = self._clock()
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        known = self._known.get(digest)
        if known is None or known.until <= now:
            known = self._look_up(text, now)
            if len(self._known) >= _TRACKED_MAX:
                self._known.clear()
            self._known[digest] = known
        key_id = known.caller.key_id
        if key_id is not None and self._is_time(key_id, now):
            with self._database.write() as session:
                keys.touch(session, key_id, now)
        return known.caller

    def forget(self) -> None:
        """Ask the database again about every key."""
        self._known.clear()

    def _look_up(self, text: str, now: datetime) -> _Known:
        try:
            with self._database.read() as session:
                caller = keys.authenticate(session, text, now, self._pepper)
        except KeyEnded as error:
            if self._is_time(error.prefix, now):
                self._record_end(error, now)
            raise
        until = now + _REMEMBERED
        return _Known(caller, min(until, caller.expires_at) if caller.expires_at else until)

    def _record_end(self, error: KeyEnded, now: datetime) -> None:
        with self._database.write() as session:
            audit.record(
                session,
                tenant_id=error.tenant_id,
                actor=error.prefix,
                action="key_refused",
                subject=f"key {error.prefix}",
                now=now,
            )

    def _is_time(self, name: object, now: datetime) -> bool:
        last = self._noted.get(name)
        if last is not None and now - last < _TOUCH_EVERY:
            return False
        if len(self._noted) >= _TRACKED_MAX:
            self._noted.clear()
        self._noted[name] = now
        return True
