"""HTTP calls through a given network device; the only module that knows requests.

requests blocks, so one thread of this module makes the calls, one after the other. A call
that is cancelled or overdue is left behind in its thread and the next one gets a new thread:
neither a dead link nor the end of the daemon waits for it.
"""

import asyncio
import contextlib
import errno
import json as json_module
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remsimd import __version__, clock
from remsimd.errors import OrchestratorError
from remsimd.net import bind_error, device_option

if TYPE_CHECKING:
    import requests

MAX_BODY_BYTES = 64 * 1024
MAX_STUCK = 4
"""Threads left behind at most, so that a peer that trickles its answers cannot collect them."""

SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
"""Where OpenWrt (package ca-bundle) and Debian keep the system's certificates."""

_CHUNK_BYTES = 8192


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer of any status.

    `body` is the JSON object it carried, empty for an error that carried none; the names in
    `headers` are in lower case. The byte counts are those of HTTP: head and body, without TLS,
    TCP and IP.
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

    def __init__(self, tls: Tls | None = None, *, proxies_from_environment: bool = False) -> None:
        self._tls = Tls() if tls is None else tls
        self._proxies_from_environment = proxies_from_environment
        self._worker: _Worker | None = None
        self._stuck: list[_Worker] = []
        self._turn = asyncio.Lock()

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

        Redirects are not followed. Raises `OrchestratorError` with code timeout (no complete
        answer within `timeout_s`), connect, tls, or protocol (not an answer we can use: larger
        than 64 KiB, compressed, or a success without a JSON object).
        """
        body = None if json is None else json_module.dumps(json, separators=(",", ":")).encode()
        request = _Request(method, url, interface, body, dict(headers or {}), timeout_s)
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

    async def _run(self, request: "_Request") -> HttpAnswer:
        worker = self._ready_worker(request)
        try:
            return await worker.run(request)
        finally:
            if worker.busy:
                worker.stop()
                self._stuck.append(worker)
                self._worker = None

    def _ready_worker(self, request: "_Request") -> "_Worker":
        self._stuck = [worker for worker in self._stuck if worker.alive]
        if self._worker is None:
            if len(self._stuck) >= MAX_STUCK:
                raise request.error("timeout", f"{MAX_STUCK} earlier calls still wait for their answers")
            self._worker = _Worker(_Sessions(self._tls, self._proxies_from_environment))
            self._worker.start()
        return self._worker


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    interface: str | None
    body: bytes | None
    headers: dict[str, str]
    timeout_s: float

    def error(self, code: str, reason: str) -> OrchestratorError:
        """A failure that names the call; the url holds no secret, keys travel in headers."""
        through = "" if self.interface is None else f" through {self.interface}"
        return OrchestratorError(f"{self.method} {self.url}{through}: {reason}", code=code)


class _Worker:
    """A thread that makes one call at a time.

    It is a daemon thread and not one of an executor, because the interpreter waits for those.
    """

    def __init__(self, sessions: "_Sessions") -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._sessions = sessions
        self._thread = threading.Thread(name="http", target=self._serve, daemon=True)
        self.busy = False

    @property
    def alive(self) -> bool:
        """Whether the thread has not ended yet."""
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    async def run(self, request: _Request) -> HttpAnswer:
        """The answer, or the `OrchestratorError` raised; `busy` stays set when cancelled."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[HttpAnswer] = loop.create_future()
        deadline_s = clock.monotonic() + request.timeout_s

        def deliver(result: HttpAnswer | OrchestratorError) -> None:
            self.busy = False
            if outcome.done():
                return
            if isinstance(result, HttpAnswer):
                outcome.set_result(result)
            else:
                outcome.set_exception(result)

        def job() -> None:
            result: HttpAnswer | OrchestratorError = request.error("unknown", "the calling thread failed")
            try:
                result = self._sessions.send(request, lambda: deadline_s - loop.time())
            except OrchestratorError as error:
                result = error
            finally:
                # The loop is closed when the daemon ended while this call was left behind.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(deliver, result)

        self.busy = True
        self._jobs.put(job)
        return await outcome

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._sessions.close()

    def stop(self) -> None:
        """Let the thread end after the call in hand; does not wait for it."""
        self._jobs.put(None)


class _Sessions:
    """The requests sessions, one for each network device; used in the worker's thread only."""

    def __init__(self, tls: Tls, proxies_from_environment: bool) -> None:
        self._tls = tls
        self._proxies_from_environment = proxies_from_environment
        self._sessions: dict[str | None, requests.Session] = {}

    def send(self, request: _Request, left_s: Callable[[], float]) -> HttpAnswer:
        import requests

        try:
            session = self._session(request)
            with session.request(
                request.method,
                request.url,
                data=request.body,
                headers=request.headers,
                timeout=max(left_s(), 0.001),
                allow_redirects=False,
                stream=True,
            ) as response:
                return _read(request, response, left_s)
        except requests.exceptions.SSLError as error:
            raise request.error("tls", _reason(error, request)) from error
        except requests.exceptions.Timeout as error:
            raise request.error("timeout", f"no answer within {request.timeout_s:g} s") from error
        except requests.exceptions.ConnectionError as error:
            raise request.error("connect", _reason(error, request)) from error
        except requests.exceptions.RequestException as error:
            raise request.error("protocol", _reason(error, request)) from error
        except OSError as error:
            # requests looks for the certificate files itself and raises a bare OSError.
            raise request.error("tls", str(error)) from error

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def _session(self, request: _Request) -> "requests.Session":
        known = self._sessions.get(request.interface)
        if known is not None:
            return known
        import requests

        session = requests.Session()
        session.trust_env = self._proxies_from_environment
        session.headers.clear()
        session.headers["User-Agent"] = f"remsimd/{__version__}"
        session.verify = self._tls.ca_cert or (SYSTEM_CAS if Path(SYSTEM_CAS).exists() else True)
        if self._tls.client_cert is not None and self._tls.client_key is not None:
            session.cert = (self._tls.client_cert, self._tls.client_key)
        if request.interface is not None:
            adapter = _bound_adapter(request, request.interface)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
        self._sessions[request.interface] = session
        return session


def _bound_adapter(request: _Request, interface: str) -> "requests.adapters.HTTPAdapter":
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection

    try:
        options = [*HTTPConnection.default_socket_options, device_option(interface)]
    except OSError as error:
        raise request.error("connect", str(error.strerror)) from error

    class BoundAdapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, socket_options=options, **kwargs)

    return BoundAdapter(pool_connections=1, pool_maxsize=1)


def _read(request: _Request, response: "requests.Response", left_s: Callable[[], float]) -> HttpAnswer:
    """The answer out of a response whose head was read."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise request.error("protocol", "the answer is compressed, which was not asked for")
    raw = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise request.error("protocol", f"the answer is larger than {MAX_BODY_BYTES} bytes")
        if left_s() <= 0:
            raise request.error("timeout", f"no answer within {request.timeout_s:g} s")
    body = _json_object(bytes(raw))
    if body is None and response.ok and response.status_code < 300:
        raise request.error("protocol", f"HTTP {response.status_code} without a JSON object")
    sent = response.request
    line = f"{sent.method} {sent.path_url} HTTP/1.1\r\n"
    return HttpAnswer(
        response.status_code,
        body or {},
        {name.lower(): value for name, value in response.headers.items()},
        len(line) + _head_bytes(sent.headers) + len(request.body or b""),
        len(f"HTTP/1.1 {response.status_code} {response.reason}\r\n")
        + _head_bytes(response.headers)
        + len(raw),
    )


def _head_bytes(headers: Mapping[str, str | bytes]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.items()) + 2


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json_module.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _reason(error: BaseException, request: _Request) -> str:
    """The operating system's words at the root of a failure, without the libraries' wrappings."""
    root: BaseException = error
    while (below := root.__cause__ or root.__context__) is not None:
        root = below
    if not isinstance(root, OSError) or not root.strerror:
        return str(root)
    if request.interface is not None and root.errno in (errno.EPERM, errno.EACCES, errno.ENODEV):
        root = bind_error(root, request.interface)
    return str(root.strerror)
