"""A host's endless download through the lab's router, which must not notice what the router does."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

from simlab.lab import Lab
from simlab.links import SERVICE_ADDRESS

PORT = 8080
RATE_BYTES_S = 400_000
PROGRAM = (sys.executable, "-m", "simlab.download")


class Download:
    """A host's endless download through the router."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.latest: dict[str, Any] = {"offset": 0, "connections": 0}

    async def follow(self) -> None:
        """Take in what the host says about it."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.latest = json.loads(line)
            assert not self.latest["wrong"], "octets were lost or came twice"

    async def goes_on(self, within_s: float = 10.0) -> int:
        """Wait until a good deal more has arrived; the number of connections it has taken so far."""
        wanted = self.latest["offset"] + RATE_BYTES_S // 8
        async with asyncio.timeout(within_s):
            while self.latest["offset"] < wanted:
                await asyncio.sleep(0.02)
        return int(self.latest["connections"])


@contextlib.asynccontextmanager
async def downloading(lab: Lab) -> AsyncIterator[Download]:
    """A host in the LAN, or the router itself where nothing can masquerade, downloads all the time."""
    assert lab.world is not None
    masquerades = await lab.world.add_lan()
    serve = [*PROGRAM, "serve", SERVICE_ADDRESS, str(PORT), str(RATE_BYTES_S)]
    fetch = [*PROGRAM, "fetch", SERVICE_ADDRESS, str(PORT)]
    inside = lab.world.exec_lan(fetch) if masquerades else lab.inside(fetch)
    server = await asyncio.create_subprocess_exec(*lab.outside(serve), stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    await server.stdout.readline()
    client = await asyncio.create_subprocess_exec(*inside, stdout=asyncio.subprocess.PIPE)
    made = Download(client)
    following = asyncio.create_task(made.follow())
    yield made
    for process in (client, server):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    await following
