"""Peers in memory, so that a client runs in virtual time: they hear frames and say some."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from remsimd.rspro import codec, ipa, pdu
from remsimd.rspro.pdu import ComponentIdentity, ComponentType, Message, RsproPdu

Reply = Callable[["MemoryConnection", Message], None]


class MemoryConnection:
    """The peer's end of one connection; stands in for the StreamWriter of the client's end."""

    def __init__(self, host: str, reply: Reply) -> None:
        self.reader = asyncio.StreamReader()
        self.heard: list[Message] = []
        self.ccm: list[tuple[float, int]] = []
        self.opened_s = asyncio.get_running_loop().time()
        self.closed_s: float | None = None
        self.answers_ping = True
        self._host = host
        self._reply = reply

    def say(self, message: Message) -> None:
        self.reader.feed_data(ipa.rspro(codec.encode(RsproPdu(message))))

    # What the client calls

    def write(self, frame: bytes) -> None:
        (found,) = ipa.Deframer().feed(frame)
        if found.proto is ipa.Proto.CCM:
            self.ccm.append((asyncio.get_running_loop().time(), found.body[0]))
            if found.body[0] == ipa.Ccm.PING and self.answers_ping:
                self.reader.feed_data(ipa.PONG)
            return
        message = codec.decode(found.body).msg
        self.heard.append(message)
        self._reply(self, message)

    def close(self) -> None:
        if self.closed_s is None:
            self.closed_s = asyncio.get_running_loop().time()

    def get_extra_info(self, name: str) -> Any:
        return (self._host, 1) if name == "peername" else None


class MemoryOpener:
    """Opens connections to `reply`, which says what the peer answers."""

    def __init__(self, reply: Reply) -> None:
        self.connections: list[MemoryConnection] = []
        self._reply = reply

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = MemoryConnection(host, self._reply)
        self.connections.append(connection)
        return connection.reader, cast("asyncio.StreamWriter", connection)


def identity(component: ComponentType) -> ComponentIdentity:
    return ComponentIdentity(component, "peer", "remsim", "1")


def greet(component: ComponentType, result: int = 0) -> Message:
    return pdu.ConnectClientRes(identity(component), result)
