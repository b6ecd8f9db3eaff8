"""Programs that the daemon starts, and that never outlive what they are started for."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from typing import Any


@contextlib.asynccontextmanager
async def running(
    *argv: str, env: Mapping[str, str] | None = None, group: bool = False, **streams: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program without a shell; one that still runs at the end of the block is killed and waited for.

    `group`: it gets a session of its own, and what it started is killed with it. `streams` are stdin, stdout
    and stderr of `asyncio.create_subprocess_exec`. Raises OSError when it cannot be started.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(*argv, env=env, start_new_session=group, **streams)
    )
    try:
        # A start that is cancelled half-way asks for the exit status itself, in a race with asyncio's own
        # waiting for it, which then warns of an unknown child.
        yield await asyncio.shield(starting)
    finally:
        await asyncio.wait((starting,))
        if starting.exception() is None:
            await _end(starting.result(), group=group)


async def _end(process: asyncio.subprocess.Process, *, group: bool) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        # Not Process.kill: it asks for the exit status as well.
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    await process.wait()
