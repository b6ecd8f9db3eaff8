"""Recognising keys without asking the database each time."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.errors import KeyEnded, KeyRefused, Unauthorized
from ionmesh.ratelimit import RateLimit
from ionmesh.seldom import Seldom
from ionmesh.services import audit, keys
from ionmesh.services.keys import Caller, LegacyNetworks

log = logging.getLogger(__name__)

# A key revoked in another process works here for so long.
_REMEMBERED = timedelta(seconds=5)
# More refusals than a program with an outdated key causes.
_FAILURES_PER_MIN = 20
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
        self._legacy: LegacyNetworks = ()
        self._legacy_until = datetime.min.replace(tzinfo=UTC)
        self._used = Seldom(timedelta(minutes=1))
        self._ended = Seldom(timedelta(minutes=1))
        self._failures = RateLimit(_FAILURES_PER_MIN)
        self._told = Seldom(timedelta(hours=1))

    def caller(self, text: str) -> Caller:
        """Return whom a key stands for, and note once a minute that it was used. Raises as `authenticate`.

        That a key was used after its end is recorded in its tenant's audit log, once a minute too; that wrong
        ones with its prefix are tried without pause is told to the tenant's operators, once an hour.
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
        if key_id is not None and self._used.is_time(key_id, now):
            with self._database.write() as session:
                keys.touch(session, key_id, now)
        return known.caller

    def legacy_caller(self, source_ip: str | None) -> Caller:
        """Return whom an address stands for that comes without a key. Raises as `keys.legacy_caller`."""
        now = self._clock()
        if now < self._legacy_until:
            try:
                return keys.legacy_caller(self._legacy, source_ip)
            except Unauthorized:
                # Its network may have been let in just now.
                log.debug("%s is not let in, looking again", source_ip)
        with self._database.read() as session:
            self._legacy = keys.legacy_networks(session)
        self._legacy_until = now + _REMEMBERED
        return keys.legacy_caller(self._legacy, source_ip)

    def forget(self) -> None:
        """Ask the database again about every key and network."""
        self._known.clear()
        self._legacy_until = datetime.min.replace(tzinfo=UTC)

    def _look_up(self, text: str, now: datetime) -> _Known:
        try:
            with self._database.read() as session:
                caller = keys.authenticate(session, text, now, self._pepper)
        except KeyRefused as error:
            self._note_refusal(error, now)
            raise
        until = now + _REMEMBERED
        return _Known(caller, min(until, caller.expires_at) if caller.expires_at else until)

    def _note_refusal(self, error: KeyRefused, now: datetime) -> None:
        if isinstance(error, KeyEnded) and self._ended.is_time(error.prefix, now):
            self._record(error, "key_refused", now)
        if self._failures.wait_s(error.prefix, now.timestamp()) and self._told.is_time(error.prefix, now):
            self._record(error, "auth_failures", now)

    def _record(self, error: KeyRefused, action: str, now: datetime) -> None:
        with self._database.write() as session:
            audit.record(
                session,
                tenant_id=error.tenant_id,
                actor=error.prefix,
                action=action,
                subject=f"key {error.prefix}",
                now=now,
            )
