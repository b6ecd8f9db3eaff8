"""Blocking HTTP calls of one thread; the only module that knows requests."""

import json as json_module
import os
import ssl
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from remsimd import __version__
from remsimd.errors import OrchestratorError
from remsimd.net import TrafficBytes, device_option, root_reason

if TYPE_CHECKING:
    import requests
    from urllib3.poolmanager import ProxyManager

    from remsimd.connections import Contexts, Meter, ResumingContext

MAX_BODY_BYTES = 64 * 1024
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
"""Where OpenWrt (package ca-bundle) and Debian keep the system's certificates."""
IDLE_S = 90.0
"""Connections unused for longer are not trusted to be there: carrier NAT forgets them silently."""

_CHUNK_BYTES = 8192


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer of any status.

    `body` is the JSON object it carried, empty for an error that carried none; the names in
    `headers` are in lower case.
    """

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust and who we are, as PEM files; None is the system's CAs and no certificate.

    `oldest` is the oldest version spoken, 1.2 or 1.3.
    """

    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    oldest: str = "1.2"


@dataclass(frozen=True, slots=True)
class Request:
    """One call, ready to be sent; `timeout_s` is what it may take in all."""

    method: str
    url: str
    interface: str | None
    body: bytes | None
    headers: dict[str, str]
    timeout_s: float
    keep_open: bool

    @property
    def secure(self) -> bool:
        """Whether it goes over TLS."""
        return self.url.startswith("https:")

    def error(self, code: str, reason: str) -> OrchestratorError:
        """A failure that names the call; the url holds no secret, keys travel in headers."""
        through = "" if self.interface is None else f" through {self.interface}"
        return OrchestratorError(f"{self.method} {self.url}{through}: {reason}", code=code)


@dataclass(slots=True)
class Settings:
    """What all threads share; `contexts` are made when TLS is used first."""

    tls: Tls
    proxies_from_environment: bool
    addresses: Mapping[str, str]
    contexts: "Contexts | None" = None

    def tls_context(self, keep_open: bool) -> "ResumingContext":
        """The context for lasting or single calls; raises OSError naming a file that cannot be used."""
        if self.contexts is None:
            from remsimd.connections import Contexts

            ca_cert = self.tls.ca_cert or (SYSTEM_CAS if Path(SYSTEM_CAS).exists() else None)
            self.contexts = Contexts(ca_cert, self.tls.client_cert, self.tls.client_key, self.tls.oldest)
        return self.contexts.pick(keep_open)

    def tls_failed(self, error: Exception) -> None:
        """Have the next connection begin without what the server may have disliked."""
        if self.contexts is not None:
            self.contexts.failed(error)


@dataclass(slots=True)
class _Route:
    """A session through one network device, used last at `used_s` of the loop's clock."""

    session: "requests.Session"
    meter: "Meter"
    used_s: float


class Sessions:
    """The sessions of one thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._routes: dict[tuple[str | None, bool, bool], _Route] = {}
        self._spent = TrafficBytes()

    def send(self, request: Request, now_s: float, left_s: Callable[[], float]) -> HttpAnswer:
        """The answer to one request; raises as `remsimd.http.Http.call`.

        `now_s` is of any clock, `left_s` says the seconds until the call is overdue.
        """
        _import_requests()
        import requests

        try:
            route = self._route(request, now_s)
            with route.session.request(
                request.method,
                request.url,
                data=request.body,
                headers=request.headers,
                timeout=max(left_s(), 0.001),
                allow_redirects=False,
                stream=True,
                proxies=self._proxies(request.url),
            ) as response:
                answer = _read(request, response, left_s)
            route.meter.settle(keep_open=request.keep_open)
            return answer
        except requests.exceptions.SSLError as error:
            self._settings.tls_failed(error)
            self.close()
            raise request.error("tls", root_reason(error, request.interface)) from error
        except requests.exceptions.Timeout as error:
            raise request.error("timeout", f"no answer within {request.timeout_s:g} s") from error
        except requests.exceptions.ConnectionError as error:
            self._settings.tls_failed(error)
            raise request.error("connect", root_reason(error, request.interface)) from error
        except requests.exceptions.RequestException as error:
            raise request.error("protocol", root_reason(error, request.interface)) from error
        except OSError as error:
            raise request.error("tls", str(error.strerror or error)) from error

    def traffic(self) -> TrafficBytes:
        """What was spent since this was asked last."""
        spent, self._spent = self._spent, TrafficBytes()
        for route in tuple(self._routes.values()):
            spent += route.meter.take()
        return spent

    def close(self) -> None:
        """Close every connection; the next call opens one anew."""
        for route in self._routes.values():
            route.session.close()
            self._spent += route.meter.take()
        self._routes.clear()

    def _proxies(self, url: str) -> dict[str, str]:
        named = any(name.lower().endswith("_proxy") for name in os.environ)
        if not self._settings.proxies_from_environment or not named:
            return {}
        import requests

        return requests.utils.get_environ_proxies(url)

    def _route(self, request: Request, now_s: float) -> _Route:
        key = request.interface, request.keep_open, request.secure
        route = self._routes.get(key)
        if route is None:
            route = self._new_route(request, now_s)
            self._routes[key] = route
        elif now_s - route.used_s > IDLE_S:
            route.session.close()
        route.used_s = now_s
        return route

    def _new_route(self, request: Request, now_s: float) -> _Route:
        import requests
        from urllib3.util import SKIP_HEADER

        from remsimd.connections import Meter

        meter = Meter()
        context = self._settings.tls_context(request.keep_open) if request.secure else None
        session = requests.Session()
        # Proxies are given to each call; the environment's .netrc would add passwords, too.
        session.trust_env = False
        session.headers.clear()
        session.headers["User-Agent"] = f"remsimd/{__version__}" if request.keep_open else SKIP_HEADER
        # urllib3 would say `identity`, which is what saying nothing means (RFC 9110, 12.5.3).
        session.headers["Accept-Encoding"] = SKIP_HEADER
        adapter = _adapter(request, context, meter, self._settings.addresses)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return _Route(session, meter, now_s)


def _adapter(
    request: Request, context: ssl.SSLContext | None, meter: "Meter", addresses: Mapping[str, str]
) -> "requests.adapters.HTTPAdapter":
    from requests.adapters import HTTPAdapter

    from remsimd.connections import OPTIONS, use

    options: list[tuple[int, int, int | bytes]] = [*OPTIONS]
    if request.interface is not None:
        try:
            options.append(device_option(request.interface))
        except OSError as error:
            raise request.error("connect", str(error.strerror)) from error

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, socket_options=options, ssl_context=context, **kwargs)
            use(self.poolmanager, meter, addresses)

        def proxy_manager_for(self, proxy: str, **kwargs: Any) -> "ProxyManager":
            pools: ProxyManager = super().proxy_manager_for(
                proxy, socket_options=options, ssl_context=context, **kwargs
            )
            use(pools, meter, addresses)
            return pools

        def cert_verify(self, *args: Any, **kwargs: Any) -> None:
            """The context knows whom to trust and who we are."""

    return Adapter(pool_connections=1, pool_maxsize=1)


def _read(request: Request, response: "requests.Response", left_s: Callable[[], float]) -> HttpAnswer:
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
    names = {name.lower(): value for name, value in response.headers.items()}
    return HttpAnswer(response.status_code, body or {}, names)


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json_module.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _import_requests() -> None:
    """Import requests without 2 MB that JSON and our own TLS contexts need nothing of.

    It does without a detector of character sets where none is installed, and says so in a warning. It
    asks certifi at once where certificates are, and its releases 2.32.0 to 2.32.4 load all of them.
    """
    if "requests" in sys.modules:
        return
    from urllib3.util import ssl_

    certificates = ModuleType("certifi")
    certificates.where = lambda: SYSTEM_CAS  # type: ignore[attr-defined]
    # None makes an import fail (importlib's documentation).
    instead = {"chardet": None, "charset_normalizer": None, "certifi": certificates}
    instead = {name: module for name, module in instead.items() if name not in sys.modules}
    sys.modules.update(instead)  # type: ignore[arg-type]  # typeshed knows modules only
    warnings.filterwarnings("ignore", "Unable to find acceptable character detection")
    create_context = ssl_.create_urllib3_context
    ssl_.create_urllib3_context = _no_context
    try:
        import requests.adapters
    finally:
        ssl_.create_urllib3_context = create_context
        for name in instead:
            del sys.modules[name]
    if hasattr(requests.adapters, "create_urllib3_context"):
        requests.adapters.create_urllib3_context = create_context


def _no_context(*_: Any, **__: Any) -> NoReturn:
    raise ImportError
