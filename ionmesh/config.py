"""Settings: environment variables over an optional TOML file, checked once, immutable afterwards.

A setting `name` is the variable `IONMESH_NAME` and the key `name` in the file that `IONMESH_CONFIG` names.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ionmesh.errors import ConfigError

FILE_VARIABLE = "IONMESH_CONFIG"
_CREDENTIALS = re.compile("//.*@")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything an operator can set."""

    database: str = field(default="sqlite:///ionmesh.db", repr=False)
    """SQLAlchemy URL; a file for SQLite, as an in-memory database is private to one connection."""
    public_url: str | None = None
    """Scheme, host and port under which routers reach this server, told by `discover`. None: the embedded
    server takes the address it listens on, elsewhere only the path is told. Never taken from a request,
    whose sender would choose it."""
    heartbeat_interval_s: int = 60
    """What clients are told, 10..900."""
    offline_after_s: int = 300
    """Silence after which a heartbeating client counts as offline; never below three intervals."""
    reconcile_interval_s: int = 30
    """How often the slot maps of each osmo-remsim-server are compared with the assignments."""
    remsim_timeout_s: int = 2
    """Time for one request to an osmo-remsim-server."""
    loopback_banks: int = 1
    """0: no osmo-remsim-server on this machine's loopback is called, for a server whose tenants are not
    trusted."""
    command_ttl_s: int = 3600
    """Life of a queued command when its creator names none."""
    proxy_hops: int = 0
    """Reverse proxies in front whose X-Forwarded-For is believed."""
    private_webhooks: int = 0
    """1: webhooks may be http and lead into private networks, for a server whose tenants are trusted."""
    event_streams: int = 100
    """Event streams a process serves at once; each holds a thread beside those that answer requests."""
    key_pepper: str = field(default="", repr=False)
    """A secret that API keys are hashed with, at least 32 characters; empty: plain SHA-256."""
    metrics_token: str = field(default="", repr=False)
    """Bearer token for /metrics beside keys of scope platform, at least 16 characters; empty: none."""
    client_requests_per_min: int = 100
    """Requests of one client, in each worker."""
    key_requests_per_min: int = 600
    """Administrative requests with one key, in each worker."""


def load_config(environ: Mapping[str, str], **overrides: str | None) -> Config:
    """Read the settings; a non-None override (from a command line) wins over both sources.

    Raises ConfigError naming the variable, or the file and its key.
    """
    values: dict[str, Any] = {}
    path = environ.get(FILE_VARIABLE)
    if path:
        for key, value in _read_file(path).items():
            if key not in _PARSERS:
                raise ConfigError(f"{path}: {key}", str(value), f"one of {', '.join(_PARSERS)}")
            values[key] = _PARSERS[key](f"{path}: {key}", str(value))
    for key, parse in _PARSERS.items():
        variable = f"IONMESH_{key.upper()}"
        if variable in environ:
            values[key] = parse(variable, environ[variable])
    for key, override in overrides.items():
        if override is not None:
            values[key] = _PARSERS[key](f"--{key.replace('_', '-')}", override)
    return Config(**values)


def _read_file(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(FILE_VARIABLE, path, f"a readable TOML file ({error})") from error


def _database(variable: str, value: str) -> str:
    scheme = value.partition(":")[0].partition("+")[0]
    shown = _CREDENTIALS.sub("//***@", value)
    if scheme not in {"sqlite", "postgresql"} or "://" not in value:
        raise ConfigError(variable, shown, "a sqlite:///FILE or postgresql://... URL")
    if scheme == "sqlite" and (":memory:" in value or value.rstrip("/").endswith(":")):
        raise ConfigError(variable, shown, "a database in a file (threads share it)")
    return value


def _public_url(variable: str, value: str) -> str:
    allowed = "http(s)://HOST[:PORT]"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ConfigError(variable, value, allowed) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ConfigError(variable, value, allowed)
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username is not None:
        raise ConfigError(variable, value, allowed)
    return value.rstrip("/")


def _between(low: int, high: int) -> Callable[[str, str], int]:
    def parse(variable: str, value: str) -> int:
        if not (value.isascii() and value.isdigit()) or not low <= int(value) <= high:
            raise ConfigError(variable, value, f"a whole number {low}..{high}")
        return int(value)

    return parse


def _secret(shortest: int) -> Callable[[str, str], str]:
    def parse(variable: str, value: str) -> str:
        if len(value) < shortest or not value.isascii():
            raise ConfigError(variable, "***", f"at least {shortest} ASCII characters")
        return value

    return parse


_PARSERS: dict[str, Callable[[str, str], Any]] = {
    "database": _database,
    "public_url": _public_url,
    "heartbeat_interval_s": _between(10, 900),
    "offline_after_s": _between(30, 86_400),
    "reconcile_interval_s": _between(1, 3600),
    "remsim_timeout_s": _between(1, 30),
    "loopback_banks": _between(0, 1),
    "command_ttl_s": _between(10, 604_800),
    "proxy_hops": _between(0, 8),
    "private_webhooks": _between(0, 1),
    "event_streams": _between(0, 1000),
    "key_pepper": _secret(32),
    "metrics_token": _secret(16),
    "client_requests_per_min": _between(10, 100_000),
    "key_requests_per_min": _between(10, 100_000),
}
