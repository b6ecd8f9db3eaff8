"""The calls to IonMesh: the API key, the way, and what is told about each call."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from remsimd import clock
from remsimd.config.model import IonmeshConfig
from remsimd.config.readers import is_mdns
from remsimd.errors import OrchestratorError
from remsimd.events import Event
from remsimd.http import HttpAnswer
from remsimd.orchestrator import wire
from remsimd.orchestrator.events import IonmeshCallDone
from remsimd.orchestrator.policy import KEY
from remsimd.orchestrator.requests import HeartbeatRequest, RegisterRequest
from remsimd.orchestrator.wire import DiscoverAnswer, HeartbeatAnswer, RefusedError, RegisterAnswer

log = logging.getLogger(__name__)

_KEY_CHARS = 256


class Caller(Protocol):
    """Makes HTTP calls; see `remsimd.http.Http.call`."""

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
    ) -> HttpAnswer: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Way:
    """How calls travel at the moment of asking.

    `device` is the network device to bind to (None: normal routing), `link` the name of the
    link that it belongs to, `metered` whether that link has a data limit.
    """

    device: Callable[[], str | None]
    link: Callable[[], str | None]
    metered: Callable[[], bool]


class Calls:
    """IonMesh's calls, each the way that is right at that moment.

    `find` looks the orchestrator's url up where the configured one says only how (`mdns`).

    All raise `OrchestratorError`: `RefusedError` for an answer that refuses, others where there
    was no usable answer or no usable key.
    """

    def __init__(
        self,
        config: IonmeshConfig,
        http: Caller,
        *,
        way: Way,
        publish: Callable[[Event], None],
        find: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        self._config = config
        self._http = http
        self._way = way
        self._publish = publish
        self._find = find
        self._found: str | None = None
        self._key: str | None = None
        self._waiting: tuple[str | None, asyncio.Task[HttpAnswer]] | None = None

    @property
    def has_key(self) -> bool:
        """Whether a key is configured, which then says the tenant."""
        return self._config.api_key_file is not None or self._config.api_key is not None

    async def register(self, request: RegisterRequest) -> RegisterAnswer:
        """Ask for our card. The key is read anew, so that a corrected one takes effect."""
        self._key = None
        self._found = None
        body = await self._call("register", "POST", wire.REGISTER, request.body())
        return wire.parse_register(body)

    async def heartbeat(self, request: HeartbeatRequest, *, keep_open: bool = True) -> HeartbeatAnswer:
        """Say how we are; `keep_open` keeps the connection for the next call."""
        body = await self._call("heartbeat", "POST", wire.HEARTBEAT, request.body(), keep_open=keep_open)
        return wire.parse_heartbeat(body)

    async def unregister(self, client_id: str, timeout_s: float) -> None:
        """Give our card back; having none is as good."""
        try:
            path = wire.unregister_path(client_id)
            await self._call("unregister", "DELETE", path, timeout_s=timeout_s)
        except RefusedError as error:
            if error.status != 404:
                raise

    def way_changed(self) -> None:
        """A link's health changed: do not wait for an answer over a way that is not ours any more."""
        if self._waiting is not None and self._waiting[0] != self._way.device():
            self._waiting[1].cancel()

    def close(self) -> None:
        """Close the connections; a later call opens its own."""
        self._http.close()

    async def discover(self) -> DiscoverAnswer:
        """Ask what is there."""
        return wire.parse_discover(await self._call("discover", "GET", wire.DISCOVER))

    async def _call(
        self,
        name: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        keep_open: bool = True,
    ) -> Mapping[str, Any]:
        started_s = clock.monotonic()
        failure = "cancelled"
        try:
            url = await self._url() + path
            limit_s = self._config.timeout_s if timeout_s is None else timeout_s
            answer = await self._ask(method, url, body, limit_s, keep_open=keep_open)
            accepted = wire.accepted(name, answer)
        except OrchestratorError as error:
            if error.status is None:
                self._found = None
            failure = error.code if error.status is None else f"http-{error.status}"
            raise
        else:
            failure = ""
            return accepted
        finally:
            self._publish(IonmeshCallDone(name, clock.monotonic() - started_s, failure or None))

    async def _ask(
        self, method: str, url: str, body: Mapping[str, Any] | None, timeout_s: float, *, keep_open: bool
    ) -> HttpAnswer:
        """One call, begun anew where its way leads elsewhere before it is answered."""
        headers = self._headers()
        while True:
            device = self._way.device()
            asking = asyncio.ensure_future(
                self._http.call(
                    method,
                    url,
                    interface=device,
                    json=body,
                    headers=headers,
                    timeout_s=timeout_s,
                    keep_open=keep_open,
                )
            )
            self._waiting = device, asking
            try:
                return await asking
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling() or self._way.device() == device:
                    raise
                log.info("asked again through %s", self._way.device() or "any device")
            finally:
                self._waiting = None

    async def _url(self) -> str:
        """Where the orchestrator is: as configured, or as it was found since it was lost last."""
        url = self._config.url
        if url is None:
            raise OrchestratorError("ionmesh.url is not set", code="config")
        if not is_mdns(url):
            return url
        if self._find is None:
            raise OrchestratorError(f"nothing here can look {url} up", code="config")
        if self._found is None:
            self._found = await self._find(url)
        return self._found

    def _headers(self) -> dict[str, str]:
        if not self.has_key:
            return {"Content-Type": "application/json"}
        if self._key is None:
            self._key = _configured_key(self._config)
        return {"Content-Type": "application/json", "X-API-Key": self._key}


def _configured_key(config: IonmeshConfig) -> str:
    """The API key; the file wins. Raises `OrchestratorError` (key) without ever showing it."""
    if config.api_key_file is None:
        return config.api_key or ""
    path = Path(config.api_key_file)
    try:
        key = path.read_text("ascii").strip()
    except OSError as error:
        raise OrchestratorError(
            f"the API key in {path} cannot be read: {error.strerror}", code=KEY
        ) from error
    except UnicodeDecodeError as error:
        raise OrchestratorError(f"{path} does not hold an API key: not ASCII text", code=KEY) from error
    if not key or len(key) > _KEY_CHARS or not all("!" <= character <= "~" for character in key):
        raise OrchestratorError(f"{path} does not hold an API key: one word is expected", code=KEY)
    return key
