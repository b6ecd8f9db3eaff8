"""Waiting for what detection shall find."""

import asyncio
from collections.abc import Callable

from modems.detect.udev import candidates
from modems.detect.usb import Candidate
from tests.hwlab.guest.compositions import Composition

WITHIN_S = 20.0


async def on_bus(fits: Callable[[tuple[Candidate, ...]], bool]) -> tuple[Candidate, ...]:
    """What detection finds once it `fits`; TimeoutError where it never does."""
    async with asyncio.timeout(WITHIN_S):
        while not fits(found := await asyncio.to_thread(candidates)):
            pass
    return found


async def whole_modem(composition: Composition) -> Candidate:
    """The only modem there is, once all its ports are there."""
    ports = len(composition.ports)
    (found,) = await on_bus(lambda seen: len(seen) == 1 and len(seen[0].ports) == ports)
    return found


async def at_port(composition: Composition) -> str:
    """The AT port of the only modem there is."""
    found = (await whole_modem(composition)).at_port
    assert found is not None
    return found
