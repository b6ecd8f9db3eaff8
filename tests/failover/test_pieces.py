"""A frame leaves in one piece, whatever happened to the route it takes."""

import asyncio
import socket
import struct

from remsimd.assignment import Endpoint
from remsimd.failover.links import Hop
from remsimd.failover.routes import PolicyRouting, Route
from remsimd.net import open_tcp
from remsimd.rspro.connection import Connection
from simlab.links import SERVICE_ADDRESS, World
from simlab.namespaces import inside
from tests.failover.conftest import within

FRAME = bytes(100)
SEGMENTS_WITH_DATA = 156
"""tcpi_data_segs_out of struct tcp_info (linux/tcp.h)."""
IP_MTU = 14
DEAD_ROUTE_OCTETS = 68
"""The MTU that a socket sees on a route that the kernel has given up."""


class Bound:
    """Opens connections through one device, and keeps the socket for the test."""

    sock: socket.socket

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await open_tcp(host, port, "wwan1", 5.0)
        self.sock = writer.get_extra_info("socket")
        return reader, writer

    async def lost_its_route(self) -> None:
        """Wait until the kernel has given up the route that the socket still holds."""
        async with asyncio.timeout(5):
            while self.sock.getsockopt(socket.IPPROTO_IP, IP_MTU) != DEAD_ROUTE_OCTETS:
                await asyncio.sleep(0)

    def segments(self) -> int:
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 216)
        return int(struct.unpack_from("=I", info, SEGMENTS_WITH_DATA)[0])


async def test_a_frame_leaves_in_one_piece_after_the_data_moved(world: World) -> None:
    listener = inside(world.world, lambda: socket.create_server((SERVICE_ADDRESS, 0)))
    received = 0
    arrived = asyncio.Condition()

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while chunk := await reader.read(4096):
            async with arrived:
                received += len(chunk)
                arrived.notify_all()
        writer.close()

    async def everything_there(octets: int) -> None:
        async with asyncio.timeout(5), arrived:
            await arrived.wait_for(lambda: received == octets)

    server = await asyncio.start_server(read, sock=listener)
    loop = asyncio.get_running_loop()
    endpoint = Endpoint(SERVICE_ADDRESS, listener.getsockname()[1])

    async def frames() -> list[int]:
        routing, bound, opened = PolicyRouting(), Bound(), asyncio.Event()
        connection = Connection(endpoint, bound, on_opened=lambda _: opened.set(), on_frame=lambda _: None)
        await routing.install()
        running = asyncio.create_task(connection.run())
        await opened.wait()
        pieces = []
        for number, device in enumerate(("wwan1", "wwan0") * 2):
            await routing.move(Route(device, device, Hop(None), None))
            if device == "wwan0":
                await bound.lost_its_route()
            before = bound.segments()
            connection.send(FRAME)
            there = everything_there(len(FRAME) * (number + 1))
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there, loop))
            pieces.append(bound.segments() - before)
        running.cancel()
        await asyncio.wait([running])
        return pieces

    assert await within(world, frames) == [1, 1, 1, 1]
    server.close()
    await server.wait_closed()
