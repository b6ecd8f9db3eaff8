"""The object `remsim` on OpenWrt's ubus: the method table once more, and each entry as an event.

ubusd is spoken to directly, in the daemon's own loop. The binding python3-ubus (0.1.3) cannot
serve this object: it refuses a call that leaves an optional argument out and every call that
carries `ubus_rpc_session`, as all of LuCI's do; it answers only before its callback returns, so
that one slow method stops all others; and its uloop takes SIGCHLD and the exit status of every
child. libubus's own clients are answered late without harm: each waits for its number.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remsimd.backoff import Backoff
from remsimd.control import blobmsg
from remsimd.control.methods import Method
from remsimd.control.report import plain
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
from remsimd.errors import ControlError, RemsimError
from remsimd.observe.eventlog import Entry, EventLog

log = logging.getLogger(__name__)

SOCKET = Path("/var/run/ubus/ubus.sock")
OBJECT = EVENT = "remsim"
ANSWER_WITHIN_S = 18.0
"""LuCI gives a call up after 20 s, rpcd after 30 s."""
GREETED_WITHIN_S = 5.0
UNSENT_MAX_BYTES = 256 * 1024
"""What may wait for a ubusd that does not read before entries are left out (their numbers tell)."""
TYPES = {str: blobmsg.Type.STRING, int: blobmsg.Type.INT32, bool: blobmsg.Type.INT8}

_SESSION = "ubus_rpc_session"
_REGISTRATION = 1
"""The number of the request that registers the object, the first of a connection."""


class UbusObject:
    """Keeps the object registered, whenever there is a ubusd."""

    def __init__(self, methods: Mapping[str, Method], eventlog: EventLog, *, path: Path = SOCKET) -> None:
        self._methods = {ubus_name(name): method for name, method in methods.items()}
        self._eventlog = eventlog
        self._path = path

    async def run(self) -> None:
        """Serve until cancelled; a ubusd that is not there, or goes, is waited for."""
        backoff = Backoff(first_s=1.0, cap_s=30.0)
        while True:
            try:
                async with _Connection(self._path) as connection:
                    await connection.register(self._methods)
                    log.info("object %s is on ubus", OBJECT)
                    backoff = backoff.succeeded()
                    await self._serve(connection)
            except EOFError:
                reason = "the connection was lost"
            except (ControlError, OSError) as error:
                reason = str(error) or "ubusd does not answer"
            backoff = backoff.failed()
            level = logging.INFO if backoff.failures == 1 else logging.DEBUG
            log.log(level, "not on ubus (%s): %s; only the control socket serves", self._path, reason)
            await asyncio.sleep(backoff.delay_s(random.random()))  # noqa: S311 - jitter, not a secret

    async def _serve(self, connection: "_Connection") -> None:
        calls: set[asyncio.Task[None]] = set()
        stop = self._eventlog.add_listener(connection.send_event)
        try:
            while True:
                message = await connection.receive()
                if message.kind == Kind.INVOKE:
                    task = asyncio.create_task(self._answer(connection, message))
                    calls.add(task)
                    task.add_done_callback(calls.discard)
                    # It begins, so that an answer given at once is there before the next call is taken.
                    await asyncio.sleep(0)
        finally:
            stop()
            for task in tuple(calls):
                task.cancel()

    async def _answer(self, connection: "_Connection", request: Message) -> None:
        name = request.text(Attribute.METHOD)
        # Also what a caller is told when this task is cancelled or the method is broken.
        answer: dict[str, Any] = {}
        status = Status.UNKNOWN_ERROR
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                answer = await self._call(name, request.attributes.get(Attribute.DATA, b""))
            status = Status.OK
        except RemsimError as error:
            answer = {"error": str(error)}
            status = Status.INVALID_ARGUMENT if name in self._methods else Status.METHOD_NOT_FOUND
        except TimeoutError:
            answer = {"error": f"no answer within {ANSWER_WITHIN_S:g} s; remsimctl waits longer"}
            status = Status.TIMEOUT
        finally:
            connection.reply(request, answer, status)

    async def _call(self, name: str, data: bytes) -> dict[str, Any]:
        params = blobmsg.decode(data)
        params.pop(_SESSION, None)
        if name not in self._methods:
            raise ControlError(f"no method {name!r}; methods: {', '.join(self._methods)}")
        result = await self._methods[name].call(name, params)
        return result if isinstance(result, dict) else {"result": result}


class _Connection:
    """One connection to ubusd, from its greeting to its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._object: int | None = None
        self._seq = _REGISTRATION

    async def __aenter__(self) -> "_Connection":
        self._reader, self._writer = await asyncio.open_unix_connection(str(self._path))
        return self

    async def __aexit__(self, *_: object) -> None:
        # What ubusd has not read by now is lost: a graceful end would wait for a ubusd that is stuck.
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def receive(self) -> Message:
        """The next message; raises EOFError at the end of the connection, ControlError for nonsense."""
        # Who does not read our answers has no further calls served, so that answers do not pile up.
        await self._writer.drain()
        head = await self._reader.readexactly(HEAD_BYTES)
        return decode(head, await self._reader.readexactly(body_bytes(head)))

    async def register(self, methods: Mapping[str, Method]) -> None:
        """Wait for the greeting and put the object there; raises ControlError when ubusd refuses it."""
        signature = blobmsg.encode({name: signature_of(method) for name, method in methods.items()})
        async with asyncio.timeout(GREETED_WITHIN_S):
            if (await self.receive()).kind != Kind.HELLO:
                raise ControlError("ubusd does not greet")
            parts = [(Attribute.OBJPATH, text(OBJECT)), (Attribute.SIGNATURE, signature)]
            self._writer.write(encode(Kind.ADD_OBJECT, _REGISTRATION, 0, parts))
            while True:
                answer = await self.receive()
                if answer.kind == Kind.DATA:
                    self._object = answer.number(Attribute.OBJID)
                elif answer.kind == Kind.STATUS:
                    break
        if self._object is None:
            status = answer.number(Attribute.STATUS)
            raise ControlError(
                f"ubusd refuses object {OBJECT} (status {status}): we are not root, or it is there already"
            )

    def reply(self, request: Message, answer: Mapping[str, Any], status: Status) -> None:
        """Answer a call with a table and how it ended; one too large becomes an error that says so."""
        if self._object is None or Attribute.NO_REPLY in request.attributes:
            return
        if self._writer.transport.is_closing():
            return
        me = (Attribute.OBJID, number(self._object))
        try:
            data = (Attribute.DATA, blobmsg.encode(answer))
            told = encode(Kind.DATA, request.seq, request.peer, [me, data])
        except ControlError as error:
            self.reply(request, {"error": str(error)}, Status.NOT_SUPPORTED)
            return
        ended = encode(Kind.STATUS, request.seq, request.peer, [(Attribute.STATUS, number(status)), me])
        self._writer.write(told + ended)

    def send_event(self, entry: Entry) -> None:
        """Have ubusd tell everybody who listens to `remsim`."""
        if self._writer.transport.get_write_buffer_size() > UNSENT_MAX_BYTES:
            return
        self._seq = self._seq % 0xFFFF + 1
        event = blobmsg.encode({"id": EVENT, "data": plain(entry)})
        parts = [
            (Attribute.OBJID, number(SYSTEM_OBJECT_EVENT)),
            (Attribute.METHOD, text("send")),
            (Attribute.DATA, event),
        ]
        self._writer.write(encode(Kind.INVOKE, self._seq, SYSTEM_OBJECT_EVENT, parts))


def ubus_name(name: str) -> str:
    """A method's name on ubus, where the shells' completion and rpcd's lists know no dots."""
    return name.replace(".", "_")


def signature_of(method: Method) -> dict[str, int]:
    """What ubus shows of a method: the type of each parameter."""
    return {name: TYPES[kind] for name, kind in method.params.items()}
