"""Processes that answer requests and nothing else: the application behind granian, whose HTTP is compiled.

They share one listening socket, systemd's where it gives one, so that what waits there outlives a process
that crashes and a service that restarts: the deployed client does not try again. granian itself would give
each of them a socket of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import tempfile
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]  # where it can be pickled
from granian.server.mp import MPServer

from ionmesh.config import Config
from ionmesh.listening import given, listen, url_of

if TYPE_CHECKING:
    from flask import Flask

# Most of them wait for the round of registrations they are in: more threads are larger rounds.
_ANSWERING = 132
# Routers that all come back with the power queue here instead of being refused.
_BACKLOG = 2048
_HEADERS_WITHIN_MS = 10_000
_HEADERS_MAX_BYTES = 64 * 1024
_STOP_S = 10
_COUNTERS = "PROMETHEUS_MULTIPROC_DIR"
# Its messages are the log's like all others.
_LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"_granian": {"propagate": True}}}


def serve(config: Config, host: str, port: int, processes: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP replaces the processes one by one. Must run in the main thread.

    `ready` is told the URL once requests wait to be accepted. Raises OSError when the address cannot be had;
    exits with 1 when the processes end again and again.
    """
    listener = given() or listen(host, port)
    listener.listen(_BACKLOG)
    # The socket is inherited, which Python 3.14 does not do of itself.
    multiprocessing.set_start_method("fork", force=True)
    with listener, tempfile.TemporaryDirectory(prefix="ionmesh-metrics-") as counters:
        # So that any process answers for all. Before anything is counted: the library looks for it once.
        os.environ.setdefault(_COUNTERS, counters)
        server = _Server(
            listener,
            target="ionmesh",
            interface=Interfaces.WSGI,
            workers=processes,
            blocking_threads=_ANSWERING + config.event_streams,
            backlog=_BACKLOG,
            backpressure=_BACKLOG,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(_HEADERS_WITHIN_MS, max_buffer_size=_HEADERS_MAX_BYTES),
            websockets=False,
            respawn_failed_workers=True,
            workers_kill_timeout=_STOP_S,
            # What it starts and stops is no news; what ends by itself is.
            log_level=LogLevels.error,
            log_dictconfig=_LOGGING,
        )
        server.on_startup(lambda: ready(url_of(*listener.getsockname()[:2])))
        server.serve(target_loader=partial(_application, config), wrap_loader=False)


class _Server(MPServer):
    """granian on a socket that listens already."""

    def __init__(self, listener: socket.socket, **settings: Any) -> None:
        super().__init__(**settings)
        self._listener = listener

    def _init_shared_socket(self) -> None:
        fd = self._listener.fileno()
        holder: Any = SocketHolder
        # It is made from descriptor, whether that is a Unix socket, and backlog.
        vars(self).update(_ssp=None, _sso=self._listener, _sfd=fd, _shd=holder(fd, False, _BACKLOG))


def _application(config: Config) -> Flask:
    """Return the application of one process; runs there."""
    from ionmesh.app import create_app
    from ionmesh.metrics import forget_ended_processes

    forget_ended_processes()
    return create_app(config)
