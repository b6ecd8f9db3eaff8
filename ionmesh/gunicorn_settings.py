"""Settings for gunicorn: `gunicorn -c python:ionmesh.gunicorn_settings ionmesh.wsgi:app`.

Address and number of workers are the command line's and the environment's (WEB_CONCURRENCY).
"""

from __future__ import annotations

import os
from typing import Any

from ionmesh.config import load_config

worker_class = "gthread"
# Most of them wait for the round of registrations they are in: more threads are larger rounds. Beyond 64 in
# all they only take turns.
_ANSWERING = 32
threads = _ANSWERING + load_config(os.environ).event_streams
# Routers that all come back with the power queue here instead of being refused.
backlog = 2048
# Behind a proxy that keeps connections; routers themselves send one request on each.
keepalive = 30
timeout = 30
graceful_timeout = 10
# Workers write their heartbeat file often; on a disk that would block them.
worker_tmp_dir = "/dev/shm"  # noqa: S108  gunicorn makes an unnamed file there
# Nobody asks for it, and it would stand in the user's home.
control_socket_disable = True


def child_exit(_server: Any, worker: Any) -> None:
    """Drop what a worker that ended counted as present from the metrics all workers share."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # it is unannotated
