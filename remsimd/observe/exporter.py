"""Gives the metrics out: over HTTP, on loopback unless told otherwise, and as a file."""

import asyncio
import contextlib
import fcntl
import socket
import threading
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, start_wsgi_server

from remsimd.config.model import MetricsConfig
from remsimd.errors import RemsimError

SIOCGIFADDR = 0x8915
"""linux/sockios.h: the IPv4 address of a network device."""

TEXTFILE_EVERY_S = 15.0
"""As often as Prometheus usually scrapes."""


class MetricsServer:
    """Serves a registry over HTTP while `run` runs."""

    def __init__(self, config: MetricsConfig, registry: CollectorRegistry) -> None:
        self._config = config
        self._registry = registry

    async def run(self) -> None:
        """Listen until cancelled.

        Raises RemsimError for a device without an IPv4 address, OSError while the port is not to be had.
        """
        address = listen_address(self._config.listen_interface)
        server, thread = start_wsgi_server(self._config.listen_port, address, self._registry)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(_stop, server, thread)


def _stop(server: WSGIServer, thread: threading.Thread) -> None:
    server.shutdown()
    server.server_close()
    thread.join()


def listen_address(interface: str) -> str:
    """The IPv4 address to listen on: of a network device, of `loopback`, or of `any`."""
    fixed = {"loopback": "127.0.0.1", "lo": "127.0.0.1", "any": "0.0.0.0"}  # noqa: S104 - asked for by name
    if interface in fixed:
        return fixed[interface]
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        request = interface.encode()[:15].ljust(256, b"\0")
        try:
            answer = fcntl.ioctl(probe, SIOCGIFADDR, request)
        except OSError as error:
            raise RemsimError(
                f"metrics.listen_interface {interface!r} has no IPv4 address; use loopback or any"
            ) from error
    return socket.inet_ntoa(answer[20:24])


class Textfile:
    """Writes a registry to a file again and again, for a collector that serves it with its own."""

    def __init__(self, path: Path, registry: CollectorRegistry) -> None:
        self._path = path
        self._registry = registry

    async def run(self) -> None:
        """Write every 15 s until cancelled, then remove the file: what is in it is not so any more.

        Raises OSError when it cannot be written.
        """
        try:
            while True:
                write_textfile(self._path, self._registry)
                await asyncio.sleep(TEXTFILE_EVERY_S)
        finally:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def write_textfile(path: Path, registry: CollectorRegistry) -> None:
    """Replace the file as a whole; the collector reads only names that end in .prom."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(generate_latest(registry))
    fresh.replace(path)
