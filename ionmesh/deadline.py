"""A limit to the whole of an exchange over a connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def cut_off(connected: socket.socket, limit_s: float) -> Iterator[None]:
    """Shut the connection down, in both directions, when the block takes longer.

    A socket's own timeout begins anew with each byte: a peer that sends one now and then would hold its
    caller for ever.
    """
    # The descriptor of its own survives what TLS does with the socket, and outlives a close.
    line = connected.dup()
    timer = threading.Timer(limit_s, _shut_down, (line,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        line.close()


def _shut_down(line: socket.socket) -> None:
    # The peer may have gone in the same moment.
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
