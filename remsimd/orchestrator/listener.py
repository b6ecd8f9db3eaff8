"""A small HTTP/1.x server for local programs: one request a connection, everything bounded."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
HEAD_BYTES = 8 * 1024
BODY_BYTES = 64 * 1024
READ_WITHIN_S = 10.0
CONNECTIONS = 16
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict"}


@dataclass(frozen=True, slots=True)
class Request:
    """`body` is as it was sent."""

    method: str
    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """Sent as compact ASCII JSON in the order of `body`: some clients search the text."""

    status: int
    body: Mapping[str, Any]

    def packet(self) -> bytes:
        """The whole answer."""
        body = json.dumps(self.body, separators=(",", ":"), ensure_ascii=True).encode()
        reason = _REASONS.get(self.status, "Error" if self.status >= 400 else "OK")
        head = (
            f"HTTP/1.1 {self.status} {reason}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


class BadRequestError(ValueError):
    """Not a request that can be read."""


class Listener:
    """Answers requests on a loopback port (0: a free one, then in `port`) with what `answer` returns."""

    def __init__(self, port: int, answer: Callable[[Request], Awaitable[Reply]]) -> None:
        self.port = port
        self._answer = answer
        self._clients: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Serve until cancelled; raises OSError where the port is taken."""
        server = await asyncio.start_server(self._accept, HOST, self.port, limit=HEAD_BYTES)
        try:
            self.port = server.sockets[0].getsockname()[1]
            log.info("the older client's contract is served on %s:%d", HOST, self.port)
            self.ready.set()
            await asyncio.Event().wait()
        finally:
            # Not serve_forever(): its end waits for whoever is served still (Python 3.12).
            server.close()
            for client in tuple(self._clients):
                client.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)
        # A callback and not the task's own end: it may be cancelled before it begins.
        client.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._clients) <= CONNECTIONS:
                writer.write((await self._reply(reader)).packet())
                async with asyncio.timeout(READ_WITHIN_S):
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            log.debug("a local client went away: %r", error)

    async def _reply(self, reader: asyncio.StreamReader) -> Reply:
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                request = await read_request(reader)
        except BadRequestError as error:
            return Reply(400, {"status": "error", "message": str(error), "code": "bad_request"})
        return await self._answer(request)


async def read_request(reader: asyncio.StreamReader) -> Request:
    """One request with its body; raises `BadRequestError`, or what the stream raises."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise BadRequestError("the head is too long") from error
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequestError("not an HTTP/1 request")
    names = {name.strip().lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    length = names.get("content-length", "0")
    if "transfer-encoding" in names or not length.isascii() or not length.isdigit():
        raise BadRequestError("the body needs a Content-Length")
    if int(length) > BODY_BYTES:
        raise BadRequestError(f"the body is larger than {BODY_BYTES} bytes")
    return Request(words[0], words[1].partition("?")[0], await reader.readexactly(int(length)))
