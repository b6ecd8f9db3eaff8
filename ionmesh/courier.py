"""Sending what waits for webhooks. The only place that opens connections to addresses tenants name."""

from __future__ import annotations

import http.client
import logging
import random
import socket
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from sqlalchemy.exc import OperationalError

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.services import webhooks
from ionmesh.services.webhooks import Attempt

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_AT_ONCE = 20
_HTTPS_PORT = 443
_HTTP_PORT = 80

Send = Callable[[str, dict[str, str], str | bytes], Attempt]
"""URL, headers and body of a POST, and what came of it."""


class Courier:
    """Sends due deliveries, each at least once: receivers know a repetition by its webhook-id."""

    def __init__(self, database: Database, clock: Clock, send: Send) -> None:
        self._database = database
        self._clock = clock
        self._send = send
        self._failing = False

    def run(self) -> bool:
        """Send everything that is due. Returns whether the database let it."""
        try:
            while self._round():
                pass
        except OperationalError as error:
            level = logging.DEBUG if self._failing else logging.WARNING
            log.log(level, "webhooks are not told, will try again: %s", error.orig)
            self._failing = True
            return False
        self._failing = False
        return True

    def _round(self) -> bool:
        with self._database.write() as session:
            taken = webhooks.take_due(session, self._clock(), _AT_ONCE)
        for delivery in taken:
            webhook, timestamp = delivery.webhook, int(self._clock().timestamp())
            headers = {
                "Content-Type": "application/json",
                "User-Agent": "ionmesh",
                "webhook-id": delivery.delivery_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": webhooks.sign(
                    webhook.secret, delivery.delivery_id, timestamp, delivery.body
                ),
            }
            attempt = self._send(webhook.url, headers, delivery.body)
            jitter = random.random()  # noqa: S311  it spreads load, it protects nothing
            with self._database.write() as session:
                webhooks.settle(session, delivery.delivery_id, attempt, jitter, self._clock())
        return len(taken) == _AT_ONCE


def sender(*, private_allowed: bool) -> Send:
    """Return a function that POSTs over HTTP without following redirects.

    The name is looked up once and the connection goes to the address that was judged, so a name that
    changes its answer gains nothing.
    """

    def send(url: str, headers: dict[str, str], body: str | bytes) -> Attempt:
        try:
            connection = _connected(url, private_allowed)
        except (OSError, ValueError) as error:
            return Attempt(None, str(error))
        try:
            parts = urlsplit(url)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            payload = body.encode() if isinstance(body, str) else body
            connection.request("POST", path, payload, headers)
            return Attempt(connection.getresponse().status, None)
        except (OSError, http.client.HTTPException) as error:
            return Attempt(None, str(error) or type(error).__name__)
        finally:
            connection.close()

    return send


def _connected(url: str, private_allowed: bool) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (_HTTPS_PORT if secure else _HTTP_PORT)
    address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
    if not private_allowed and not webhooks.is_public(address):
        raise ValueError("the name leads into a private network")
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    plain = socket.create_connection((address, port), timeout=_TIMEOUT_S)
    try:
        context = ssl.create_default_context() if secure else None
        connection.sock = context.wrap_socket(plain, server_hostname=host) if context else plain
    except OSError:
        plain.close()
        raise
    return connection
