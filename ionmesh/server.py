"""The embedded server: waitress and the jobs in one process."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import replace

from waitress import wasyncore  # type: ignore[import-untyped]  # ships no type information
from waitress.server import TcpWSGIServer, create_server  # type: ignore[import-untyped]  # same

from ionmesh.app import create_app
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.ending import Ending
from ionmesh.jobs import Jobs
from ionmesh.listening import listen, url_of

log = logging.getLogger(__name__)

_HTTP_THREADS = 8
_BACKLOG = 1024
# Below the usual limit of 1024 open files, with room for the database.
_CONNECTION_LIMIT = 900
_IDLE_CONNECTION_S = 30
# The application refuses far less in its own words; this only bounds what is buffered for it.
_BUFFERED_BODY_BYTES = 1024 * 1024
_ANY_HOST = ("0.0.0.0", "::")  # noqa: S104  compared with, not bound to
# How long a registration waits for its slot map, so that it stands when the router reads the answer.
_SETTLE_S = 1.0
# Shares of the two seconds in which the process must end.
_DRAIN_S = 0.8
_THREAD_STOP_S = 0.2


def serve(config: Config, host: str, port: int, ready: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status. Must run in the main thread.

    `ready` is told the URL once requests are accepted; port 0 takes a free one. Raises OSError when the
    address cannot be had.
    """
    listener = listen(host, port)
    host, port = listener.getsockname()[:2]
    if config.public_url is None:
        config = replace(config, public_url=url_of(socket.gethostname() if host in _ANY_HOST else host, port))
    database = Database(config.database)
    ending = Ending()
    jobs = Jobs(database, config, ending.on_death)
    app = create_app(config, database=database, assignments_changed=lambda: jobs.slot_maps.wake(_SETTLE_S))
    front = _HttpFront(app, listener, _HTTP_THREADS + config.event_streams)
    jobs.start()
    front.start()
    ready(url_of(host, port))
    ending.wait()
    log.info("stopping")
    front.stop(_DRAIN_S, _THREAD_STOP_S)
    jobs.stop(_THREAD_STOP_S)
    database.close()
    return ending.status


class _HttpFront:
    """waitress on a listening socket, its loop in a thread so that the main thread is free for signals."""

    def __init__(self, app: Callable[..., object], listener: socket.socket, threads: int) -> None:
        self._sockets: dict[int, object] = {}
        # A burst is no news: requests wait their turn for a moment.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._server: TcpWSGIServer = create_server(
            app,
            map=self._sockets,
            sockets=[listener],
            threads=threads,
            backlog=_BACKLOG,
            connection_limit=_CONNECTION_LIMIT,
            asyncore_use_poll=True,
            channel_timeout=_IDLE_CONNECTION_S,
            max_request_body_size=_BUFFERED_BODY_BYTES,
            # Whose X-Forwarded-For counts is the application's setting.
            clear_untrusted_proxy_headers=False,
            ident="ionmesh",
        )
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, drain_s: float, join_s: float) -> None:
        """Let requests being served finish, then close every socket, which ends the loop."""
        self._server.task_dispatcher.shutdown(timeout=drain_s)
        self._server.trigger.pull_trigger(self._close)
        self._thread.join(join_s)

    def _close(self) -> None:
        for channel in list(self._server.active_channels.values()):
            if channel.total_outbufs_len:
                channel.handle_write()
        wasyncore.close_all(self._sockets)
