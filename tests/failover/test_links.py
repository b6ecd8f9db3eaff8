"""Link facts from a real kernel."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncGenerator, Callable

import pytest

from remsimd.failover import links
from remsimd.failover.links import Hop, LinkFacts, Netlink
from simlab.links import World
from tests.failover.conftest import within

Watching = AsyncGenerator[tuple[LinkFacts, ...], None]


async def until(
    watching: Watching, known: dict[str, LinkFacts], true: Callable[[dict[str, LinkFacts]], bool]
) -> None:
    """Follow the changes until `true` of all that is known."""
    async with asyncio.timeout(5):
        while not true(known):
            for facts in await anext(watching):
                known[facts.name] = facts


async def ip(*args: str) -> None:
    process = await asyncio.create_subprocess_exec("ip", *args)
    assert await process.wait() == 0


async def test_the_first_batch_is_everything_and_then_come_the_changes(world: World) -> None:
    async def work() -> None:
        async with contextlib.aclosing(Netlink(frozenset()).watch()) as watching:
            known = {facts.name: facts for facts in await anext(watching)}
            assert set(known) == {"lo", "wwan0", "wwan1"}
            assert known["wwan0"].addresses == ("10.64.0.2",)
            assert known["wwan0"].ipv4 == Hop("10.64.0.1")
            assert known["wwan0"].objection is None
            await ip("route", "replace", "default", "via", "10.64.0.1", "dev", "wwan0", "metric", "20")
            await until(watching, known, lambda k: k["wwan1"].ipv4 is None)
            await ip("-6", "address", "add", "2001:db8::2/64", "dev", "wwan0", "nodad")
            await ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "wwan0")
            await until(watching, known, lambda k: k["wwan0"].ipv6 == Hop("fe80::1"))
            # The kernel tells of the address from a work queue, perhaps after the route.
            both = ("10.64.0.2", "2001:db8::2")
            await until(watching, known, lambda k: k["wwan0"].addresses == both)
            await ip("address", "del", "10.64.0.2/30", "dev", "wwan0")
            await until(watching, known, lambda k: k["wwan0"].addresses == ("2001:db8::2",))
            assert known["wwan0"].ipv4 is None
            await ip("link", "set", "wwan0", "down")
            await until(watching, known, lambda k: k["wwan0"].objection == "interface down")
            await ip("link", "set", "wwan1", "name", "wwan9")
            await until(watching, known, lambda k: "wwan9" in k and not k["wwan1"].present)

    await within(world, work)


async def test_faults_of_the_world_are_seen(world: World) -> None:
    heard: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def work() -> None:
        async with contextlib.aclosing(Netlink(frozenset()).watch()) as watching:
            known: dict[str, LinkFacts] = {}
            for objection in (None, "carrier lost", None, "device gone", None):
                await until(
                    watching,
                    known,
                    lambda k, objection=objection: (  # type: ignore[misc] # a default pins the loop's value
                        "wwan0" in k and k["wwan0"].objection == objection
                    ),
                )
                loop.call_soon_threadsafe(heard.put_nowait, None)

    faults = [
        lambda: world.carrier("wwan0", False),
        lambda: world.carrier("wwan0", True),
        lambda: world.unplug("wwan0"),
        lambda: world.plug("wwan0"),
    ]
    watching = asyncio.create_task(within(world, work))
    async with asyncio.timeout(10):
        for fault in faults:
            await heard.get()
            await fault()
        await watching


async def test_lost_messages_lead_to_a_new_dump(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "_RECEIVE_BUFFER_BYTES", 1)  # the kernel makes it its minimum

    async def work() -> None:
        async with contextlib.aclosing(Netlink(frozenset()).watch()) as watching:
            known = {facts.name: facts for facts in await anext(watching)}
            # Nobody reads while the kernel reports a few hundred changes, the last of which counts.
            lines = [f"address add 10.1.{n // 250}.{n % 250}/32 dev wwan0" for n in range(400)]
            batch = "\n".join([*lines, "link set wwan1 down"])
            subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)  # noqa: ASYNC221 - on purpose
            await until(watching, known, lambda k: len(k["wwan0"].addresses) == 401)
            assert known["wwan1"].objection == "interface down"

    await within(world, work)
