"""Connections to places that somebody else named: to addresses that were judged, and no others."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable

from ionmesh.errors import AddressRefused


def connect(host: str, port: int, timeout_s: float, allowed: Callable[[str], bool]) -> socket.socket:
    """Return a connection to the first of a host's addresses that is allowed and answers.

    The name is looked up once and the connection goes to the address that was judged, so a name that changes
    its answer gains nothing. All attempts together take at most `timeout_s`, which is then the socket's
    timeout. Raises AddressRefused when none of the addresses is allowed, OSError.
    """
    addresses = _looked_up(host, port)
    good = [address for address in addresses if allowed(address)]
    if not good:
        raise AddressRefused(host, addresses[0])
    failures = []
    for address in good:
        try:
            connected = socket.create_connection((address, port), timeout=timeout_s / len(good))
        except OSError as error:
            failures.append(error)
        else:
            connected.settimeout(timeout_s)
            return connected
    raise failures[-1]


def http_over(connected: socket.socket, scheme: str, host: str, port: int) -> http.client.HTTPConnection:
    """Return HTTP over a connection, for https in TLS with the host's certificate checked. Raises OSError."""
    if scheme != "https":
        connection = http.client.HTTPConnection(host, port)
        connection.sock = connected
        return connection
    context = ssl.create_default_context()
    secured = http.client.HTTPSConnection(host, port, context=context)
    secured.sock = context.wrap_socket(connected, server_hostname=host)
    return secured


def _looked_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "this can be no name") from error
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
