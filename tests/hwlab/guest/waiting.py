"""Waiting for what sends no event."""

import asyncio
import contextlib
from collections.abc import Callable

WITHIN_S = 45.0
LOOK_S = 0.05


async def until(holds: Callable[[], object], *, within_s: float = WITHIN_S, quietly: bool = False) -> None:
    """Wait for something to hold; TimeoutError where it does not come about, nothing if `quietly`."""
    with contextlib.ExitStack() as stack:
        if quietly:
            stack.enter_context(contextlib.suppress(TimeoutError))
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(LOOK_S)
