"""The calls to IonMesh: the API key, the way, and what is told about each call."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from remsimd import clock
from remsimd.config.model import IonmeshConfig
from remsimd.errors import OrchestratorError
from remsimd.events import Event, IonmeshCallDone
from remsimd.http import HttpAnswer
from remsimd.orchestrator import wire
from remsimd.orchestrator.policy import KEY
from remsimd.orchestrator.wire import (
    DiscoverAnswer,
    HeartbeatAnswer,
    HeartbeatRequest,
    RefusedError,
    RegisterAnswer,
    RegisterRequest,
)

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
    ) -> HttpAnswer: ...


class Calls:
    """IonMesh's calls, each through the network device that `via` names at that moment.

    All raise `OrchestratorError`: `RefusedError` for an answer that refuses, others where there
    was no usable answer or no usable key.
    """

    def __init__(
        self,
        config: IonmeshConfig,
        http: Caller,
        *,
        via: Callable[[], str | None],
        publish: Callable[[Event], None],
    ) -> None:
        self._config = config
        self._http = http
        self._via = via
        self._publish = publish
        self._key: str | None = None

    @property
    def has_key(self) -> bool:
        """Whether a key is configured, which then says the tenant."""
        return self._config.api_key_file is not None or self._config.api_key is not None

    async def register(self, request: RegisterRequest) -> RegisterAnswer:
        """Ask for our card. The key is read anew, so that a corrected one takes effect."""
        self._key = None
        body = await self._call("register", "POST", wire.REGISTER, request.body())
        return wire.parse_register(body)

    async def heartbeat(self, request: HeartbeatRequest) -> HeartbeatAnswer:
        """Say how we are."""
        return wire.parse_heartbeat(await self._call("heartbeat", "POST", wire.HEARTBEAT, request.body()))

    async def unregister(self, client_id: str, timeout_s: float) -> None:
        """Give our card back; having none is as good."""
        try:
            path = wire.unregister_path(client_id)
            await self._call("unregister", "DELETE", path, timeout_s=timeout_s)
        except RefusedError as error:
            if error.status != 404:
                raise

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
    ) -> Mapping[str, Any]:
        started_s = clock.monotonic()
        failure = "cancelled"
        try:
            if self._config.url is None:
                raise OrchestratorError("ionmesh.url is not set", code="config")
            answer = await self._http.call(
                method,
                self._config.url + path,
                interface=self._via(),
                json=body,
                headers=self._headers(),
                timeout_s=self._config.timeout_s if timeout_s is None else timeout_s,
            )
            accepted = wire.accepted(name, answer)
        except OrchestratorError as error:
            failure = error.code if error.status is None else f"http-{error.status}"
            raise
        else:
            failure = ""
            return accepted
        finally:
            self._publish(IonmeshCallDone(name, clock.monotonic() - started_s, failure or None))

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
