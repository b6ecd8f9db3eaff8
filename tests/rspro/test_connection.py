import asyncio
import socket
from typing import cast

from remsimd.assignment import Endpoint
from remsimd.rspro import ipa
from remsimd.rspro.connection import Connection
from tests.rspro.lab import TcpOpener


class Recorder:
    """Stands in for a StreamWriter and keeps each write by itself."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> object:
        return None


class Given:
    """An opener of one prepared connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: Recorder) -> None:
        self._pair = reader, cast("asyncio.StreamWriter", writer)

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return self._pair


async def run(reader: asyncio.StreamReader, writer: Recorder, frames: list[ipa.Frame]) -> str:
    connection = Connection(
        Endpoint("192.0.2.1", 9998),
        Given(reader, writer),
        on_opened=lambda _: connection.send(ipa.PING),
        on_frame=frames.append,
    )
    connection.send(ipa.PONG)
    ended = await connection.run()
    connection.send(ipa.PONG)
    return ended


async def test_each_frame_is_one_write_and_only_while_it_is_open() -> None:
    reader, writer, frames = asyncio.StreamReader(), Recorder(), list[ipa.Frame]()
    reader.feed_data(ipa.PONG + ipa.PING[:2])
    reader.feed_data(ipa.PING[2:])
    reader.feed_eof()
    assert await run(reader, writer, frames) == "closed by the peer"
    assert writer.writes == [ipa.PING]
    assert writer.closed
    assert [frame.body for frame in frames] == [b"\x01", b"\x00"]


async def test_a_stream_that_is_not_rspro_ends_the_connection() -> None:
    reader, writer = asyncio.StreamReader(), Recorder()
    reader.feed_data(b"HTTP/1.1")
    assert (await run(reader, writer, [])).startswith("protocol broken")
    assert writer.closed


async def test_an_error_of_the_socket_is_a_reason() -> None:
    reader, writer = asyncio.StreamReader(), Recorder()
    reader.set_exception(ConnectionResetError(104, "Connection reset by peer"))
    assert "Connection reset by peer" in await run(reader, writer, [])
    assert writer.closed


async def test_what_cannot_be_opened_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    opened: list[str | None] = []
    connection = Connection(
        Endpoint("127.0.0.1", port), TcpOpener(), on_opened=opened.append, on_frame=lambda _: None
    )
    assert "refused" in (await connection.run()).lower()
    assert not opened


async def test_the_peer_is_named_and_nagle_is_off() -> None:
    delays: list[int] = []

    class Looking(TcpOpener):
        async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await super().open(host, port)
            self.socket = writer.get_extra_info("socket")
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            return reader, writer

    opener = Looking()
    opened: list[str | None] = []

    def on_opened(host: str | None) -> None:
        opened.append(host)
        delays.append(opener.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    server = await asyncio.start_server(lambda _r, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Connection(Endpoint("127.0.0.1", port), opener, on_opened=on_opened, on_frame=lambda _: None)
    assert await connection.run() == "closed by the peer"
    assert (opened, bool(delays[0])) == (["127.0.0.1"], True)
    server.close()
