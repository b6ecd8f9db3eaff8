"""A router in network namespaces for the tests that need the real kernel."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest

from simlab.links import LabError, World
from simlab.namespaces import inside

T = TypeVar("T")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    try:
        async with World.create(f"fo{os.getpid()}") as made:
            yield made
    except LabError as error:
        pytest.skip(f"no network namespaces here: {error}")


async def within(world: World, work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` on a loop of its own in the router's namespace."""

    async def whole() -> T:
        return await work()

    return await asyncio.to_thread(inside, world.router, lambda: asyncio.run(whole()))


async def output(*argv: str) -> str:
    """What a program prints, errors included."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    text, _ = await process.communicate()
    return text.decode()
