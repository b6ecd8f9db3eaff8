"""The control socket: one JSON document a line, requests and answers matched by `id`.

    {"id": 1, "method": "status", "params": {}}
    {"id": 1, "result": {...}}   or   {"id": 1, "error": "text for a person"}

The method `events.follow` is answered with the present timeline and then, for as long as the
connection lasts, with one `{"entry": {...}}` line for each new entry.
"""

import asyncio
import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from remsimd.control.methods import Method
from remsimd.control.report import plain
from remsimd.errors import ControlError, RemsimError
from remsimd.observe.eventlog import Entry, EventLog

LINE_LIMIT = 64 * 1024
FOLLOW_QUEUE = 256
"""Entries a slow reader may be behind; further ones are left out for it (their numbers tell)."""


class ControlSocket:
    """Serves the method table on a Unix socket that only its owner may use."""

    def __init__(self, path: Path, methods: dict[str, Method], eventlog: EventLog) -> None:
        self._path = path
        self._methods = methods
        self._eventlog = eventlog
        self._clients: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen until cancelled."""
        listening = self._bind()
        try:
            server = await asyncio.start_unix_server(self._accept, sock=listening, limit=LINE_LIMIT)
            try:
                await asyncio.Event().wait()
            finally:
                # Not serve_forever(): its end waits for the last follower to hang up (Python 3.12).
                server.close()
        finally:
            listening.close()
            for client in tuple(self._clients):
                client.cancel()
            self._path.unlink(missing_ok=True)

    def _bind(self) -> socket.socket:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old_umask = os.umask(0o177)
        try:
            listening.bind(str(self._path))
        except OSError:
            listening.close()
            raise
        finally:
            os.umask(old_umask)
        return listening

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, ValueError):
            while line := await reader.readline():
                request = self._parse(line)
                if request.get("method") == "events.follow":
                    await self._follow(request.get("id"), writer)
                    return
                await _send(writer, await self._answer(request))

    @staticmethod
    def _parse(line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return {}
        return request if isinstance(request, dict) else {}

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        name, params = request.get("method"), request.get("params") or {}
        method = self._methods.get(name) if isinstance(name, str) else None
        try:
            if method is None or not isinstance(params, dict):
                known = ", ".join([*self._methods, "events.follow"])
                raise ControlError(f"not a request; known methods: {known}")
            return {"id": request.get("id"), "result": await method.call(str(name), params)}
        except RemsimError as error:
            return {"id": request.get("id"), "error": str(error)}

    async def _follow(self, request_id: Any, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[Entry] = asyncio.Queue(FOLLOW_QUEUE)

        def enqueue(entry: Entry) -> None:
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait(entry)

        stop = self._eventlog.add_listener(enqueue)
        try:
            await _send(writer, {"id": request_id, "result": [plain(e) for e in self._eventlog.entries()]})
            while True:
                await _send(writer, {"entry": plain(await queue.get())})
        finally:
            stop()


async def _send(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
    writer.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
    await writer.drain()
