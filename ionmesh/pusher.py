"""Sending what waits for browsers, encrypted so that only the browser can read it (RFC 8291)."""

from __future__ import annotations

import logging

from ionmesh.clock import Clock
from ionmesh.courier import Send
from ionmesh.db import Database
from ionmesh.errors import Conflict
from ionmesh.models import PushMessage
from ionmesh.services import push
from ionmesh.services.webhooks import Attempt
from ionmesh.vapid import Vapid

log = logging.getLogger(__name__)

_AT_ONCE = 20


class Pusher:
    """Sends due messages, each at least once; one of the same topic replaces another at the push service."""

    def __init__(self, database: Database, clock: Clock, vapid: Vapid, send: Send) -> None:
        self._database = database
        self._clock = clock
        self._vapid = vapid
        self._send = send
        self._failing = False

    def run(self) -> bool:
        """Send everything that is due. Returns whether the server's key could be had.

        Raises OperationalError.
        """
        # Mostly nothing is, and looking needs no writer lock.
        with self._database.read() as session:
            more = push.is_due(session, self._clock())
        try:
            while more:
                more = self._round()
        except Conflict as error:
            level = logging.DEBUG if self._failing else logging.WARNING
            log.log(level, "browsers are not told, will try again: %s", error.message)
            self._failing = True
            return False
        return True

    def _round(self) -> bool:
        with self._database.write() as session:
            taken = push.take_due(session, self._clock(), _AT_ONCE)
        for message in taken:
            attempt = self._attempt(message)
            log.debug("push message %d: %s", message.message_id, attempt)
            with self._database.write() as session:
                push.settle(session, message.message_id, attempt, self._clock())
            self._failing = False
        return len(taken) == _AT_ONCE

    def _attempt(self, message: PushMessage) -> Attempt:
        # It brings an HTTP client of its own, which servers that only answer requests need not load.
        from pywebpush import WebPusher  # type: ignore[import-untyped]  # ships no type information

        found = message.subscription
        keys = {"p256dh": found.p256dh, "auth": found.auth}
        encrypted = WebPusher({"endpoint": found.endpoint, "keys": keys}).encode(message.body.encode())
        headers = {
            "Authorization": self._vapid.authorization(found.endpoint),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(int(push.LIFE.total_seconds())),
            "Topic": message.topic,
            "Urgency": message.urgency,
        }
        return self._send(found.endpoint, headers, encrypted["body"])
