"""The emulated world itself."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator

import pytest

from simlab.links import SERVICE_ADDRESS, LabError, World, ip
from simlab.namespaces import inside
from simlab.tun import to_host, to_port

PREFIX = f"lab{os.getpid()}"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    try:
        async with World.create(PREFIX) as made:
            yield made
    except LabError as error:
        pytest.skip(f"no network namespaces here: {error}")


async def back(world: World, link: str) -> None:
    """Wait until the link works again: neighbour discovery that failed meanwhile takes up to a second."""
    async with asyncio.timeout(5):
        while not await reached(world, link):
            pass


async def run(*argv: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    text, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, text.decode()


async def namespaces() -> str:
    return (await run("ip", "netns"))[1]


async def reached(world: World, link: str) -> bool:
    """Whether a connection over this link comes back (refused: nobody listens there)."""

    async def connect() -> bool:
        sock = socket.socket()
        with sock:
            sock.setblocking(False)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
                async with asyncio.timeout(0.3):
                    await asyncio.get_running_loop().sock_connect(sock, (SERVICE_ADDRESS, 9))
            except ConnectionRefusedError:
                return True
            except (TimeoutError, OSError):
                return False
        return False

    return await asyncio.to_thread(inside, world.router, lambda: asyncio.run(connect()))


@needs_root
async def test_both_links_reach_the_servers(world: World) -> None:
    assert await reached(world, "wwan0")
    assert await reached(world, "wwan1")
    assert world.address("wwan1") == "10.64.1.2"
    _, routes = await run(*world.exec(["ip", "route", "show", "default"]))
    assert routes.splitlines()[0].startswith("default via 10.64.0.1 dev wwan0 metric 10")


@needs_root
async def test_each_fault_hits_one_link_and_ends(world: World) -> None:
    await world.carrier("wwan0", False)
    assert not await reached(world, "wwan0")
    assert await reached(world, "wwan1")
    await world.carrier("wwan0", True)
    await back(world, "wwan0")
    await world.blackhole("wwan0", True)
    await world.blackhole("wwan0", True)
    assert not await reached(world, "wwan0")
    assert await reached(world, "wwan1")
    _, device = await run(*world.exec(["ip", "link", "show", "wwan0"]))
    assert "LOWER_UP" in device
    await world.blackhole("wwan0", False)
    await back(world, "wwan0")
    await world.loss("wwan0", 1.0)
    async with asyncio.timeout(5):
        while await reached(world, "wwan0"):
            pass
    await world.loss("wwan0", 0.0)
    await back(world, "wwan0")
    await world.unplug("wwan0")
    assert not await reached(world, "wwan0")
    await world.plug("wwan0")
    await back(world, "wwan0")


async def round_trip_s(world: World, link: str) -> float | None:
    """How long an answer takes over a link."""
    loop, started = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    return loop.time() - started if await reached(world, link) else None


@needs_root
async def test_the_conditions_of_a_link(world: World) -> None:
    before = await round_trip_s(world, "wwan0")
    world.set("wwan0", delay_s=0.1)
    after = await round_trip_s(world, "wwan0")
    assert before is not None
    assert after is not None
    assert after >= 0.2 > before
    world.set("wwan0", delay_s=0.0, swallows=to_host(SERVICE_ADDRESS))
    assert not await reached(world, "wwan0")
    world.set("wwan0", swallows=to_port(17, 53))
    assert await reached(world, "wwan0")
    sent, received = world.wire_bytes("wwan0")
    world.set("wwan0", swallows=to_port(6, 9))
    assert not await reached(world, "wwan0")
    assert world.wire_bytes("wwan0")[0] > sent
    assert world.wire_bytes("wwan0")[1] == received
    await world.mend()
    assert await reached(world, "wwan0")


@needs_root
async def test_a_link_is_point_to_point_and_its_rate_is_kept(world: World) -> None:
    _, device = await run(*world.exec(["ip", "link", "show", "wwan0"]))
    assert "POINTOPOINT" in device
    assert "NOARP" in device
    world.set("wwan0", rate_bytes_s=1000.0)
    # A connection attempt is 60 octets and its refusal 40: over 0.09 s at this rate.
    slow = await round_trip_s(world, "wwan0")
    assert slow is not None
    assert slow >= 0.09


@needs_root
async def test_the_address_and_the_route_are_lost_and_given_back(world: World) -> None:
    async def default() -> str:
        return (await run(*world.exec(["ip", "route", "show", "default", "dev", "wwan0"])))[1]

    await world.lose_gateway("wwan0", True)
    assert await default() == ""
    await world.lose_gateway("wwan0", False)
    assert "via 10.64.0.1" in await default()
    await world.lose_address("wwan0", True)
    assert await default() == ""
    await world.lose_address("wwan0", False)
    assert await reached(world, "wwan0")


@needs_root
async def test_a_host_in_the_lan(world: World) -> None:
    masquerades = await world.add_lan()
    status, _ = await run(*world.exec_lan(["ip", "route", "get", SERVICE_ADDRESS]))
    assert status == 0
    assert masquerades == (shutil.which("nft") is not None)


@needs_root
async def test_a_program_outside_reaches_a_server_inside(world: World) -> None:
    server = await asyncio.create_subprocess_exec(
        *world.exec(["python3", "-c", ECHO]), stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    outside = await world.forward(0, port)
    reader, writer = await asyncio.open_connection("127.0.0.1", outside)
    writer.write(b"over the border\n")
    writer.write_eof()
    assert await reader.read() == b"over the border\n"
    writer.close()
    await writer.wait_closed()
    assert await server.wait() == 0
    # The server is gone; the forwarder stays and closes what it cannot connect.
    reader, writer = await asyncio.open_connection("127.0.0.1", outside)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


ECHO = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)
"""


async def broken_story() -> None:
    async with World.create(PREFIX) as world:
        assert await reached(world, "wwan0")
        await world.loss("wwan0", 0.5)
        raise RuntimeError("a fault in the story")


@needs_root
async def test_nothing_is_left_behind_and_leftovers_are_taken_over() -> None:
    await ip("netns", "add", f"{PREFIX}-router")
    with pytest.raises(RuntimeError, match="a fault in the story"):
        await broken_story()
    assert PREFIX not in await namespaces()


@needs_root
async def test_a_refusal_carries_the_command_and_its_words(world: World) -> None:
    with pytest.raises(LabError, match=r"ip -n .* link set nodev0 up: Cannot find device"):
        await ip("-n", world.router, "link", "set", "nodev0", "up")


async def test_without_root_it_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match=r"^network namespaces need root$"):
        async with World.create(PREFIX):
            pass


@needs_root
async def test_what_is_raised_inside_is_raised_outside(world: World) -> None:
    with pytest.raises(ZeroDivisionError):
        inside(world.router, lambda: 1 // 0)
    with pytest.raises(FileNotFoundError):
        inside("no-such-namespace", lambda: None)
