"""One TCP connection that carries RSPRO, for the one life it has."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from remsimd.assignment import Endpoint
from remsimd.errors import RsproError
from remsimd.net import forget_route
from remsimd.rspro.ipa import Deframer, Frame

READ_OCTETS = 4096


class Opener(Protocol):
    """Opens TCP connections; the daemon's binds them to the interface they are to use."""

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connected pair; raises OSError where none came about."""


class Connection:
    """Frames to and from one endpoint.

    `on_opened` is called once with the peer's address, `on_frame` with each frame; both run
    in the event loop and must not block.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        opener: Opener,
        *,
        on_opened: Callable[[str | None], None],
        on_frame: Callable[[Frame], None],
    ) -> None:
        self._endpoint = endpoint
        self._opener = opener
        self._on_opened = on_opened
        self._on_frame = on_frame
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> str:
        """Open, read until the connection ends, and say why it ended.

        Cancelling closes it; what was sent before is still delivered.
        """
        try:
            reader, writer = await self._opener.open(self._endpoint.host, self._endpoint.port)
        except OSError as error:
            return _reason(error)
        try:
            _no_delay(writer)
            self._writer = writer
            self._on_opened(_peer_host(writer))
            return await self._read(reader)
        except OSError as error:
            return _reason(error)
        except RsproError as error:
            return f"protocol broken: {error}"
        finally:
            self._writer = None
            writer.close()

    def send(self, frame: bytes) -> None:
        """Send one frame with one write, in one piece: deployed bankds take a split one for the end.

        Does nothing on a connection that is not open; its end is reported by `run`.
        """
        if self._writer is not None:
            sock = self._writer.get_extra_info("socket")
            if sock is not None:
                forget_route(sock)
            self._writer.write(frame)

    async def _read(self, reader: asyncio.StreamReader) -> str:
        deframer = Deframer()
        while chunk := await reader.read(READ_OCTETS):
            for frame in deframer.feed(chunk):
                self._on_frame(frame)
        return "closed by the peer"


def _no_delay(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        # A peer that is already gone shows at the first read, not here.
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reason(error: OSError) -> str:
    """What went wrong, without the addresses that asyncio puts into the text."""
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


def _peer_host(writer: asyncio.StreamWriter) -> str | None:
    name = writer.get_extra_info("peername")
    return name[0] if isinstance(name, tuple) else None
