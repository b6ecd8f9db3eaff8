"""Connections over loopback, with and without a device to bind to."""

import asyncio
import os
import socket

import pytest

from remsimd import net

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="binding to a device needs CAP_NET_RAW")


async def serve() -> asyncio.Server:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return await asyncio.start_server(echo, "127.0.0.1", 0)


def port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


async def closed_port() -> int:
    server = await serve()
    port = port_of(server)
    server.close()
    await server.wait_closed()
    return port


@pytest.mark.parametrize("device", [None, pytest.param("lo", marks=needs_root)])
async def test_a_connection(device: str | None) -> None:
    async with await serve() as server:
        reader, writer = await net.open_tcp("127.0.0.1", port_of(server), device, 5.0)
        bound = writer.get_extra_info("socket")
        assert bound.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        if device is not None:
            assert bound.getsockopt(socket.SOL_SOCKET, net.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()


async def test_every_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    port = await closed_port()
    async with await serve() as server:
        loop = asyncio.get_running_loop()

        async def two_addresses(*_: object, **__: object) -> list[object]:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", one))
                for one in (port, port_of(server))
            ]

        monkeypatch.setattr(loop, "getaddrinfo", two_addresses)
        _, writer = await net.open_tcp("two.example.com", 1, None, 5.0)
        assert writer.get_extra_info("peername")[1] == port_of(server)
        writer.close()
        await writer.wait_closed()


async def test_nobody_listens() -> None:
    with pytest.raises(ConnectionRefusedError):
        await net.open_tcp("127.0.0.1", await closed_port(), None, 5.0)


async def test_nobody_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        port = silent.getsockname()[1]
        # The queue of a listener that accepts nothing takes one or two connections.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with pytest.raises(TimeoutError):
            await net.open_tcp("127.0.0.1", port, None, 0.1)
        for filler in fillers:
            filler.close()


@needs_root
async def test_there_is_no_such_device() -> None:
    async with await serve() as server:
        with pytest.raises(OSError, match="there is no network device nosuch0"):
            await net.open_tcp("127.0.0.1", port_of(server), "nosuch0", 5.0)


@pytest.mark.parametrize("name", ["", "sixteen-letters0", "a/b", "a\0b"])
async def test_no_name_of_a_device(name: str) -> None:
    with pytest.raises(OSError, match="cannot be the name"):
        net.device_option(name)


def test_the_reason_is_in_words() -> None:
    error = net.bind_error(PermissionError(1, "Operation not permitted"), "wwan1")
    assert isinstance(error, PermissionError)
    assert "needs root or CAP_NET_RAW" in str(error)
    assert "wwan1" in str(net.bind_error(OSError(5, "Input/output error"), "wwan1"))


async def test_an_unknown_name() -> None:
    with pytest.raises(socket.gaierror):
        await net.open_tcp("no such name", 1, None, 5.0)
