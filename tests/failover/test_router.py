"""The engine as a process in the router's namespace, against real faults."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from remsimd.failover.routes import PREFERENCE
from simlab.links import PROBE_ADDRESSES, SERVICE_ADDRESS, World
from tests.failover.conftest import output

FAST = {
    "targets": PROBE_ADDRESSES,
    "interval_s": 0.2,
    "fast_interval_s": 0.1,
    "timeout_s": 0.2,
    "hold_down_s": 0.5,
}


class RouterProcess:
    """The program of router.py, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next line of this kind in which these fields have these values."""
        assert self.process.stdout is not None
        async with asyncio.timeout(15):
            async for line in self.process.stdout:
                said: dict[str, Any] = json.loads(line)
                if said["kind"] == kind and fields.items() <= said.items():
                    return said
        raise AssertionError(f"ended before {kind} {fields}")

    def tell(self, **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")


@contextlib.asynccontextmanager
async def router(world: World, **options: Any) -> AsyncIterator[RouterProcess]:
    """A running router on its first link, ended through its stdin."""
    argv = [sys.executable, "-m", "tests.failover.router", json.dumps(FAST | options)]
    process = await asyncio.create_subprocess_exec(
        *world.exec([*argv, "primary=wwan0", "secondary=wwan1"]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        running = RouterProcess(process)
        healthy = {"primary", "secondary"}
        while healthy:
            healthy.discard((await running.until("LinkHealthChanged", health="up"))["link"])
        yield running
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(5):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def way(world: World, *more: str) -> str:
    return await output(*world.exec(["ip", "route", "get", SERVICE_ADDRESS, *more]))


async def test_carrier_loss_and_return(world: World) -> None:
    async with router(world) as running:
        await world.carrier("wwan0", False)
        moved = await running.until("ActiveLinkChanged", active="secondary")
        assert moved["cause"] == "primary is down: carrier lost"
        assert "dev wwan1" in await way(world)
        await world.carrier("wwan0", True)
        await running.until("ActiveLinkChanged", active="primary")
        assert "dev wwan0" in await way(world)
    assert f"{PREFERENCE}:" not in await output(*world.exec(["ip", "rule"]))


async def test_a_black_hole_and_return(world: World) -> None:
    async with router(world) as running:
        await world.blackhole("wwan0", True)
        moved = await running.until("ActiveLinkChanged", active="secondary")
        assert moved["cause"] == "primary is down: 3 rounds without an answer"
        assert "dev wwan1" in await way(world)
        await world.blackhole("wwan0", False)
        await running.until("ActiveLinkChanged", active="primary")


async def test_a_modem_leaves_the_bus_and_comes_back(world: World) -> None:
    async with router(world) as running:
        await world.unplug("wwan0")
        await running.until("ActiveLinkChanged", active="secondary")
        await world.plug("wwan0")
        await running.until("ActiveLinkChanged", active="primary")
        assert "via 10.64.0.1 dev wwan0" in await way(world)


async def test_registration_lost_and_the_operator(world: World) -> None:
    async with router(world) as running:
        running.tell(modem="primary", registration="searching")
        await running.until("ActiveLinkChanged", active="secondary")
        running.tell(modem="primary", registration="home")
        await running.until("ActiveLinkChanged", active="primary")
        running.tell(to="secondary")
        # At once where that link is up; on a busy machine a probe may just have come too late for that.
        await running.until("ActiveLinkChanged", active="secondary")
        assert "dev wwan1" in await way(world)
        running.tell(explain=True)
        told = (await running.until("explanation"))["explanation"]
        assert (told["active"], told["pinned"], told["device"]) == ("secondary", "secondary", "wwan1")
        running.tell(to="tertiary")
        assert "no link 'tertiary'" in (await running.until("refused"))["reason"]


async def test_both_links_lost_and_one_returns(world: World) -> None:
    async with router(world) as running:
        await world.carrier("wwan0", False)
        await running.until("ActiveLinkChanged", active="secondary")
        await world.carrier("wwan1", False)
        await running.until("LinkHealthChanged", link="secondary", health="down")
        await world.carrier("wwan0", True)
        await running.until("ActiveLinkChanged", active="primary")
        assert "dev wwan0" in await way(world)


async def test_a_killed_router_is_cleaned_up_by_the_next(world: World) -> None:
    with contextlib.suppress(AssertionError):
        async with router(world) as running:
            await world.carrier("wwan0", False)
            await running.until("ActiveLinkChanged", active="secondary")
            running.process.kill()
            await running.process.wait()
    assert f"{PREFERENCE}:" in await output(*world.exec(["ip", "rule"]))
    assert "dev wwan1" in await way(world)
    await world.carrier("wwan0", True)
    async with router(world):
        pass
    assert f"{PREFERENCE}:" not in await output(*world.exec(["ip", "rule"]))
    assert "dev wwan0" in await way(world)


async def test_answers_lost_in_part_keep_the_link(world: World) -> None:
    async with router(world, down=10) as running:
        await world.loss("wwan0", 0.5)
        await running.until("LinkHealthChanged", link="primary", health="suspect")
        await running.until("LinkHealthChanged", link="primary", health="up")
        assert "dev wwan0" in await way(world)


async def test_a_metered_link_carries_no_traffic_of_the_lan(world: World) -> None:
    if not await world.add_lan():
        pytest.skip("nothing masquerades here: nftables is not installed")
    async with router(world) as running:
        assert await reached_from_lan(world) == "refused"
        await world.carrier("wwan0", False)
        await running.until("ActiveLinkChanged", active="secondary")
        assert await reached_from_lan(world) == "unreachable"
        # The router itself, its DNS and its time, may.
        assert "dev wwan1" in await way(world)
        assert await reached(world.exec) == "refused"
        await world.carrier("wwan0", True)
        await running.until("ActiveLinkChanged", active="primary")
        assert await reached_from_lan(world) == "refused"


async def test_an_established_translated_flow_goes_on_over_the_other_link(world: World) -> None:
    if not await world.add_lan():
        pytest.skip("nothing masquerades here: nftables is not installed")
    program = [sys.executable, "-m", "simlab.download"]
    async with router(world, secondary_carries="all") as running, asyncio.TaskGroup() as group:
        echo = await started(world.exec_world([*program, "echo", SERVICE_ADDRESS, "7007"]))
        flow = await started(world.exec_lan([*program, "ask", SERVICE_ADDRESS, "7007", "0.01"]))
        for fault in (True, False):
            await world.carrier("wwan0", not fault)
            moved = await running.until("ActiveLinkChanged", active="secondary" if fault else "primary")
            async with asyncio.timeout(5):
                while (await answer(flow))["sent_s"] < moved["at_s"]:
                    pass
        for process in (flow, echo):
            process.kill()
            group.create_task(process.wait())


async def started(argv: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)


async def answer(flow: asyncio.subprocess.Process) -> dict[str, Any]:
    assert flow.stdout is not None
    said: dict[str, Any] = json.loads(await flow.stdout.readline())
    return said


async def reached_from_lan(world: World) -> str:
    return await reached(world.exec_lan)


async def reached(place: Callable[[Sequence[str]], list[str]]) -> str:
    """How a connection to a server that does not listen ends."""
    return (await output(*place([sys.executable, "-c", CONNECT]))).strip()


CONNECT = f"""
import errno, socket
sock = socket.socket()
sock.settimeout(3)
try:
    sock.connect(("{SERVICE_ADDRESS}", 9))
except ConnectionRefusedError:
    print("refused")
except OSError as error:
    print("unreachable" if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES) else error)
"""
