"""Sending what waits for webhooks. The only place that opens connections to addresses tenants name."""

from __future__ import annotations

import http.client
import random
import socket
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.deadline import cut_off
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
    """Sends due deliveries, each at least once: receivers know a repetition by its webhook-id."""

    def __init__(self, database: Database, clock: Clock, send: Send) -> None:
        self._database = database
        self._clock = clock
        self._send = send

    def run(self) -> bool:
        """Send everything that is due. Raises OperationalError."""
        while self._round():
            pass
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


def sender(*, private_allowed: bool, limit_s: float = _ATTEMPT_S) -> Send:
    """Return a function that POSTs over HTTP without following redirects, and gives up after `limit_s`.

    The name is looked up once and the connection goes to the address that was judged, so a name that
    changes its answer gains nothing.
    """

    def send(url: str, headers: dict[str, str], body: str | bytes) -> Attempt:
        payload = body.encode() if isinstance(body, str) else body
        try:
            plain = _connected(url, private_allowed)
            with plain, cut_off(plain, limit_s):
                return Attempt(_posted(plain, url, headers, payload), None)
        except (OSError, ValueError, http.client.HTTPException) as error:
            return Attempt(None, str(error) or type(error).__name__)

    return send


def _connected(url: str, private_allowed: bool) -> socket.socket:
    host, port = _place(url)
    address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
    if not private_allowed and not webhooks.is_public(address):
        raise ValueError("the name leads into a private network")
    return socket.create_connection((address, port), timeout=_TIMEOUT_S)


def _posted(plain: socket.socket, url: str, headers: dict[str, str], payload: bytes) -> int:
    parts, (host, port) = urlsplit(url), _place(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(host, port)
    connection.sock = plain
    if parts.scheme == "https":
        connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    try:
        connection.request("POST", path, payload, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _place(url: str) -> tuple[str, int]:
    """Return host and port of a URL. Raises ValueError for a port that is none."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (_HTTPS_PORT if parts.scheme == "https" else _HTTP_PORT)
