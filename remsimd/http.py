"""HTTP calls through a given network device; the only module that knows requests.

requests blocks, so one thread of this module makes the calls, one after the other. A call
that is cancelled or overdue is left behind in its thread and the next one gets a new thread:
neither a dead link nor the end of the daemon waits for it.
"""

import asyncio
import json as json_module
import logging
import queue
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from remsimd import __version__, clock
from remsimd.errors import OrchestratorError
from remsimd.net import device_option

if TYPE_CHECKING:
    import requests

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
MAX_STUCK = 4
"""Threads left behind at most, so that a peer that trickles its answers cannot collect them."""

SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
"""Where OpenWrt (package ca-bundle) and Debian keep the system's certificates."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer of any status.

    `body` is the JSON object it carried, empty for an error that carried none. The byte counts
    are those of HTTP: head and body, without TLS, TCP and IP.
    """

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    sent_bytes: int = 0
    received_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust and who we are, as PEM files; None is the system's CAs and no certificate."""

    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


class Http:
    """Makes calls and keeps their connections, for each network device its own."""

    def __init__(self, tls: Tls = Tls(), *, proxies_from_environment: bool = False) -> None:
        self._tls = tls
        self._proxies_from_environment = proxies_from_environment
        self._worker: _Worker | None = None
        self._stuck: list[_Worker] = []

    async def call(
        self,
        method: str,
        url: str,
        *,
        interface: str | None = None,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> HttpAnswer:
        """The answer to one request, sent through the network device `interface` (None: any).

        Redirects are not followed. Raises `OrchestratorError` with code timeout (nothing
        complete within `timeout_s`), connect, tls, or protocol (not an answer we can use:
        larger than 64 KiB, compressed, or a success without a JSON object).
        """
        body = None if json is None else json_module.dumps(json, separators=(",", ":")).encode()
        request = _Request(method, url, interface, body, dict(headers or {}), timeout_s)
        worker = self._ready_worker(request)
        try:
            async with asyncio.timeout(timeout_s):
                return await worker.run(request)
        except TimeoutError as error:
            raise request.error("timeout", f"no answer within {timeout_s:g} s") from error
        finally:
            if worker.busy:
                self._leave_behind(worker)

    def close(self) -> None:
        """Close every connection; a later call opens them anew."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _ready_worker(self, request: "_Request") -> "_Worker":
        self._stuck = [worker for worker in self._stuck if worker.is_alive()]
        if self._worker is None:
            if len(self._stuck) >= MAX_STUCK:
                raise request.error("timeout", f"{MAX_STUCK} earlier calls still wait for their answers")
            self._worker = _Worker(self._tls, self._proxies_from_environment)
            self._worker.start()
        return self._worker

    def _leave_behind(self, worker: "_Worker") -> None:
        worker.stop()
        self._stuck.append(worker)
        if self._worker is worker:
            self._worker = None


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    interface: str | None
    body: bytes | None
    headers: dict[str, str]
    timeout_s: float

    def error(self, code: str, reason: str, status: int | None = None) -> OrchestratorError:
        """The failure, naming the call; the url holds no secret, keys travel in headers."""
        through = "" if self.interface is None else f" through {self.interface}"
        return OrchestratorError(f"{self.method} {self.url}{through}: {reason}", status=status, code=code)


class _Worker(threading.Thread):
    """A thread and its sessions. Not a thread of an executor: Python would wait for it at the end."""

    def __init__(self, tls: Tls, proxies_from_environment: bool) -> None:
        super().__init__(name="http", daemon=True)
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._sessions = _Sessions(tls, proxies_from_environment)
        self._waiting = 0

    @property
    def busy(self) -> bool:
        """Whether a call was given to it that has not ended."""
        return self._waiting > 0

    async def run(self, request: _Request) -> HttpAnswer:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[HttpAnswer] = loop.create_future()
        deadline_s = clock.monotonic() + request.timeout_s

        def job() -> None:
            try:
                answer = self._sessions.send(request, lambda: deadline_s - loop.time())
            except OrchestratorError as error:
                self._deliver(loop, answered.set_exception, answered, error)
            else:
                self._deliver(loop, answered.set_result, answered, answer)

        self._waiting += 1
        self._jobs.put(job)
        return await answered

    def stop(self) -> None:
        """End after the call in hand; does not wait."""
        self._jobs.put(None)

    def run_jobs(self) -> None: ...
