"""A stand-in for ubusd and for a client of libubus, as their sources have them.

The daemon: a greeting with the client's id, objects by path with their signature, calls passed
on with the caller as peer and answers passed back with the object as peer, patterns that
listen to events, `ubus.object.add` and `.remove`, nothing of an event back to its sender.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remsimd.control import blobmsg
from remsimd.control.ubus_message import (
    HEAD_BYTES,
    SYSTEM_OBJECT_EVENT,
    Attribute,
    Kind,
    Message,
    Status,
    body_bytes,
    decode,
    encode,
    number,
    text,
)

USER, GROUP = 12, 13


@dataclass
class Client:
    """A connection as ubusd sees it."""

    number: int
    writer: asyncio.StreamWriter
    patterns: list[tuple[str, int]] = field(default_factory=list)

    def send(self, kind: Kind, seq: int, peer: int, parts: Iterable[tuple[Any, bytes]]) -> None:
        self.writer.write(encode(kind, seq, peer, parts))


@dataclass
class Published:
    """An object of a client."""

    client: Client
    path: str
    signature: bytes


class Ubusd:
    """Serves one socket; `refuse` is what its ACL does not let clients publish."""

    def __init__(self, refuse: str = "") -> None:
        self.objects: dict[int, Published] = {}
        self.clients: dict[int, Client] = {}
        self._refuse = refuse
        self._next = 0x1000

    @asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator["Ubusd"]:
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._client, str(path))
        try:
            yield self
        finally:
            server.close()
            for client in tuple(self.clients.values()):
                client.writer.close()
            path.unlink(missing_ok=True)
            while self.clients:
                await asyncio.sleep(0)

    def _fresh(self) -> int:
        self._next += 1
        return self._next

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(self._fresh(), writer)
        self.clients[client.number] = client
        client.send(Kind.HELLO, 0, client.number, [])
        try:
            while True:
                head = await reader.readexactly(HEAD_BYTES)
                self._take(client, decode(head, await reader.readexactly(body_bytes(head))))
        except (EOFError, OSError):
            pass
        finally:
            for identity, published in tuple(self.objects.items()):
                if published.client is client:
                    del self.objects[identity]
                    self._spread(None, "ubus.object.remove", {"id": identity, "path": published.path})
            del self.clients[client.number]
            writer.close()

    def _take(self, client: Client, message: Message) -> None:
        handlers = {
            Kind.ADD_OBJECT: self._add,
            Kind.LOOKUP: self._lookup,
            Kind.INVOKE: self._invoke,
            Kind.DATA: self._pass_back,
            Kind.STATUS: self._pass_back,
        }
        status = handlers[Kind(message.kind)](client, message)
        if status is not None:
            parts = [(Attribute.STATUS, number(status))]
            client.send(Kind.STATUS, message.seq, message.peer, parts)

    def _add(self, client: Client, message: Message) -> Status | None:
        path = message.text(Attribute.OBJPATH)
        if path and (path == self._refuse or any(known.path == path for known in self.objects.values())):
            return Status.INVALID_ARGUMENT
        identity = self._fresh()
        self.objects[identity] = Published(client, path, message.attributes.get(Attribute.SIGNATURE, b""))
        parts = [(Attribute.OBJID, number(identity))]
        client.send(Kind.DATA, message.seq, message.peer, parts)
        if path:
            self._spread(None, "ubus.object.add", {"id": identity, "path": path})
        return Status.OK

    def _lookup(self, client: Client, message: Message) -> Status | None:
        path = message.text(Attribute.OBJPATH)
        for identity, known in self.objects.items():
            if known.path == path:
                parts = [(Attribute.OBJPATH, text(path)), (Attribute.OBJID, number(identity))]
                parts.append((Attribute.SIGNATURE, known.signature))
                client.send(Kind.DATA, message.seq, message.peer, parts)
                return Status.OK
        return Status.NOT_FOUND

    def _invoke(self, client: Client, message: Message) -> Status | None:
        identity = message.number(Attribute.OBJID)
        data = message.attributes.get(Attribute.DATA, b"")
        if identity == SYSTEM_OBJECT_EVENT:
            return self._event(client, message.text(Attribute.METHOD), blobmsg.decode(data))
        if identity not in self.objects:
            return Status.NOT_FOUND
        parts: list[tuple[Any, bytes]] = [
            (Attribute.OBJID, number(identity)),
            (Attribute.METHOD, text(message.text(Attribute.METHOD))),
            (USER, text("root")),
            (GROUP, text("root")),
            (Attribute.DATA, data),
        ]
        self.objects[identity].client.send(Kind.INVOKE, message.seq, client.number, parts)
        return None

    def _event(self, client: Client, method: str, data: dict[str, Any]) -> Status:
        if method == "register":
            client.patterns.append((data["pattern"], data["object"]))
            return Status.OK
        if not isinstance(data.get("data"), dict) or str(data.get("id")).startswith("ubus."):
            return Status.INVALID_ARGUMENT
        self._spread(client, data["id"], data["data"])
        return Status.OK

    def _spread(self, sender: Client | None, event: str, data: dict[str, Any]) -> None:
        for client in self.clients.values():
            for pattern, identity in client.patterns:
                partial = pattern.endswith("*") and event.startswith(pattern[:-1])
                if client is not sender and (partial or event == pattern):
                    parts = [(Attribute.OBJID, number(identity)), (Attribute.METHOD, text(event))]
                    parts.append((Attribute.DATA, blobmsg.encode(data)))
                    client.send(Kind.INVOKE, 0, 0, parts)

    def _pass_back(self, client: Client, message: Message) -> None:
        identity = message.number(Attribute.OBJID)
        caller = self.clients.get(message.peer)
        if identity is None or caller is None or self.objects[identity].client is not client:
            return
        parts = [(Attribute(key), payload) for key, payload in message.attributes.items()]
        caller.send(Kind(message.kind), message.seq, identity, parts)


class UbusError(Exception):
    """A call that ended with a status other than 0; `answer` is what came before it."""

    def __init__(self, status: Status, answer: dict[str, Any]) -> None:
        super().__init__(f"{status.name}: {answer}")
        self.status = status
        self.answer = answer


class UbusClient:
    """What `ubus call`, `ubus list -v` and `ubus listen` do; made by `connected`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._seq = 0
        self._waiting: dict[int, asyncio.Queue[Message]] = {}
        self.events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def connected(cls, path: Path) -> AsyncIterator["UbusClient"]:
        reader, writer = await asyncio.open_unix_connection(str(path))
        client = cls(reader, writer)
        assert (await client._receive()).kind == Kind.HELLO
        task = asyncio.create_task(client._read())
        try:
            yield client
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, EOFError):
                await task
            writer.close()

    async def signature(self, path: str) -> dict[str, Any]:
        answers, status = await self._ask(Kind.LOOKUP, 0, [(Attribute.OBJPATH, text(path))])
        if status is not Status.OK:
            raise UbusError(status, {})
        return blobmsg.decode(answers[0].attributes[Attribute.SIGNATURE])

    async def call(self, path: str, method: str, **params: Any) -> dict[str, Any]:
        answers, status = await self._ask(Kind.LOOKUP, 0, [(Attribute.OBJPATH, text(path))])
        if status is not Status.OK:
            raise UbusError(status, {})
        identity = answers[0].number(Attribute.OBJID)
        assert identity is not None
        parts = [(Attribute.OBJID, number(identity)), (Attribute.METHOD, text(method))]
        parts.append((Attribute.DATA, blobmsg.encode(params)))
        answers, status = await self._ask(Kind.INVOKE, identity, parts)
        answer = blobmsg.decode(answers[0].attributes[Attribute.DATA]) if answers else {}
        if status is not Status.OK:
            raise UbusError(status, answer)
        return answer

    async def listen(self, pattern: str) -> None:
        answers, _ = await self._ask(Kind.ADD_OBJECT, 0, [])
        data = {"object": answers[0].number(Attribute.OBJID), "pattern": pattern}
        parts = [(Attribute.OBJID, number(SYSTEM_OBJECT_EVENT)), (Attribute.METHOD, text("register"))]
        parts.append((Attribute.DATA, blobmsg.encode(data)))
        await self._ask(Kind.INVOKE, SYSTEM_OBJECT_EVENT, parts)

    async def _ask(
        self, kind: Kind, peer: int, parts: list[tuple[Attribute, bytes]]
    ) -> tuple[list[Message], Status]:
        self._seq += 1
        queue = self._waiting[self._seq] = asyncio.Queue()
        self._writer.write(encode(kind, self._seq, peer, parts))
        answers = []
        async with asyncio.timeout(20):
            while (message := await queue.get()).kind != Kind.STATUS:
                answers.append(message)
        return answers, Status(message.number(Attribute.STATUS) or 0)

    async def _receive(self) -> Message:
        head = await self._reader.readexactly(HEAD_BYTES)
        return decode(head, await self._reader.readexactly(body_bytes(head)))

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message.kind == Kind.INVOKE:
                data = blobmsg.decode(message.attributes[Attribute.DATA])
                self.events.put_nowait((message.text(Attribute.METHOD), data))
            elif message.seq in self._waiting:
                self._waiting[message.seq].put_nowait(message)
