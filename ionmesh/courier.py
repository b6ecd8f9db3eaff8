"""Sending what waits for webhooks."""

from __future__ import annotations

import http.client
import random
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from ionmesh.addresses import is_public
from ionmesh.clock import Clock
from ionmesh.connecting import connect, http_over
from ionmesh.db import Database
from ionmesh.deadline import cut_off
from ionmesh.errors import AddressRefused, Conflict
from ionmesh.models import WebhookDelivery
from ionmesh.sealing import unseal
from ionmesh.services import webhooks
from ionmesh.services.webhooks import Attempt

_TIMEOUT_S = 10.0
# What one receiver may take of the time in which all others wait.
_ATTEMPT_S = 20.0
_AT_ONCE = 20
_HTTPS_PORT = 443
_HTTP_PORT = 80

Send = Callable[[str, dict[str, str], str | bytes], Attempt]
"""URL, headers and body of a POST, and what came of it."""


class Courier:
    """Sends due deliveries, each at least once: receivers know a repetition by its webhook-id.

    `pepper` is what the webhooks' secrets are sealed with.
    """

    def __init__(self, database: Database, clock: Clock, send: Send, pepper: str = "") -> None:
        self._database = database
        self._clock = clock
        self._send = send
        self._pepper = pepper

    def run(self) -> bool:
        """Send everything that is due. Raises OperationalError."""
        while self._round():
            pass
        return True

    def _round(self) -> bool:
        with self._database.write() as session:
            taken = webhooks.take_due(session, self._clock(), _AT_ONCE)
        for delivery in taken:
            attempt = self._attempt(delivery)
            jitter = random.random()  # noqa: S311  it spreads load, it protects nothing
            with self._database.write() as session:
                webhooks.settle(session, delivery.delivery_id, attempt, jitter, self._clock())
        return len(taken) == _AT_ONCE

    def _attempt(self, delivery: WebhookDelivery) -> Attempt:
        webhook, timestamp = delivery.webhook, int(self._clock().timestamp())
        try:
            secret = unseal(webhook.sealed, self._pepper)
        except Conflict as error:
            # Tried again like any other failure, and shown beside it: the right pepper may come back.
            return Attempt(None, error.message)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "ionmesh",
            "webhook-id": delivery.delivery_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": webhooks.sign(secret, delivery.delivery_id, timestamp, delivery.body),
        }
        return self._send(webhook.url, headers, delivery.body)


def sender(*, private_allowed: bool, limit_s: float = _ATTEMPT_S) -> Send:
    """Return a function that POSTs over HTTP without following redirects, and gives up after `limit_s`."""
    allowed: Callable[[str], bool] = (lambda _: True) if private_allowed else is_public

    def send(url: str, headers: dict[str, str], body: str | bytes) -> Attempt:
        payload = body.encode() if isinstance(body, str) else body
        try:
            plain = connect(*_place(url), _TIMEOUT_S, allowed)
            with plain, cut_off(plain, limit_s):
                return Attempt(_posted(plain, url, headers, payload), None)
        except AddressRefused:
            return Attempt(None, "the name leads into a private network")
        except (OSError, ValueError, http.client.HTTPException) as error:
            return Attempt(None, str(error) or type(error).__name__)

    return send


def _posted(plain: socket.socket, url: str, headers: dict[str, str], payload: bytes) -> int:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http_over(plain, parts.scheme, *_place(url))
    try:
        connection.request("POST", path, payload, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _place(url: str) -> tuple[str, int]:
    """Return host and port of a URL. Raises ValueError for a port that is none."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (_HTTPS_PORT if parts.scheme == "https" else _HTTP_PORT)
