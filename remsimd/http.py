"""HTTP calls through a given network device, for asyncio.

What makes them blocks, so one thread of this module makes the calls, one after the other. A call
that is cancelled or overdue is left behind in its thread and the next one gets a new thread:
neither a dead link nor the end of the daemon waits for it.
"""

import asyncio
import json as json_module
from collections.abc import Callable, Mapping
from typing import Any

from remsimd import clock
from remsimd.httpsession import HttpAnswer, Request, Sessions, Settings, Tls
from remsimd.net import TrafficBytes
from remsimd.worker import Worker

__all__ = ["MAX_STUCK", "Http", "HttpAnswer", "Tls"]

MAX_STUCK = 4
"""Threads left behind at most, so that a peer that trickles its answers cannot collect them."""


class Http:
    """Makes calls and keeps their connections, for each network device its own.

    `on_traffic` hears after each call, failed ones included, which device (None: any) it went
    through and what it cost on the wire. `addresses` says where hosts are that DNS does not
    know; it may change between calls. Proxies are those of the environment (`https_proxy`,
    `no_proxy`), where asked for.
    """

    def __init__(
        self,
        tls: Tls | None = None,
        *,
        proxies_from_environment: bool = False,
        on_traffic: Callable[[str | None, TrafficBytes], None] = lambda _device, _traffic: None,
        addresses: Mapping[str, str] | None = None,
    ) -> None:
        known = {} if addresses is None else addresses
        self._settings = Settings(tls or Tls(), proxies_from_environment, known)
        self._on_traffic = on_traffic
        self._worker: Worker[HttpAnswer] | None = None
        self._stuck: list[Worker[HttpAnswer]] = []
        self._turn = asyncio.Lock()
        self._sessions: Sessions | None = None

    async def call(
        self,
        method: str,
        url: str,
        *,
        interface: str | None = None,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
        keep_open: bool = True,
    ) -> HttpAnswer:
        """The answer to one request, sent through the network device `interface` (None: any).

        Redirects are not followed. Without `keep_open` the connection is for this call alone and
        as cheap as can be: TLS 1.2 where the server speaks it, which resumes a session in half
        the bytes of TLS 1.3, and one RST at the end. Raises `OrchestratorError` with code timeout
        (no complete answer within `timeout_s`), connect, tls, or protocol (not an answer we can
        use: larger than 64 KiB, compressed, or a success without a JSON object).
        """
        body = None if json is None else json_module.dumps(json, separators=(",", ":")).encode()
        request = Request(method, url, interface, body, dict(headers or {}), timeout_s, keep_open)
        try:
            async with asyncio.timeout(timeout_s), self._turn:
                return await self._run(request)
        except TimeoutError as error:
            raise request.error("timeout", f"no answer within {timeout_s:g} s") from error

    def close(self) -> None:
        """Close every connection; a later call opens them anew."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    async def _run(self, request: Request) -> HttpAnswer:
        worker, sessions = self._ready_worker(request)
        loop = asyncio.get_running_loop()
        deadline_s = clock.monotonic() + request.timeout_s
        try:
            return await worker.run(
                lambda: sessions.send(request, loop.time(), lambda: deadline_s - loop.time())
            )
        finally:
            if worker.busy:
                worker.stop()
                self._stuck.append(worker)
                self._worker = None
            spent = sessions.traffic()
            if spent != TrafficBytes():
                self._on_traffic(request.interface, spent)

    def _ready_worker(self, request: Request) -> tuple[Worker[HttpAnswer], Sessions]:
        self._stuck = [worker for worker in self._stuck if worker.alive]
        if self._worker is None or self._sessions is None:
            if len(self._stuck) >= MAX_STUCK:
                raise request.error("timeout", f"{MAX_STUCK} earlier calls still wait for their answers")
            self._sessions = Sessions(self._settings)
            self._worker = Worker("http", self._sessions.close)
            self._worker.start()
        return self._worker, self._sessions
