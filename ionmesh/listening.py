"""Sockets that requests arrive at."""

from __future__ import annotations

import errno
import os
import socket

# Where systemd's sockets begin (sd_listen_fds(3)).
_FIRST_GIVEN_FD = 3


def listen(host: str, port: int) -> socket.socket:
    """Return a bound TCP socket; port 0 takes a free one. Raises OSError when the address cannot be had."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def given() -> socket.socket | None:
    """Return the socket that systemd gave this process, None if it gave none (sd_listen_fds(3)).

    Raises OSError for one that is not TCP.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    listener = socket.socket(fileno=_FIRST_GIVEN_FD)
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        raise OSError(errno.EAFNOSUPPORT, "the socket of the unit is not a TCP one")
    return listener


def url_of(host: str, port: int) -> str:
    """Return the URL of what listens there."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
