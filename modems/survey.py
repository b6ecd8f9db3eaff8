"""Everything a driver can tell, asked once in a fixed order: what is recorded, and what a replay asks."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from modems.driver import Driver
from modems.errors import AtError, AtTimeout, ParseError, Unsupported
from modems.report import Value, flat

log = logging.getLogger(__name__)

T = TypeVar("T")


async def survey(driver: Driver) -> dict[str, Value]:
    """Return the flat report of `driver`'s modem; what it refuses to tell is None. Raises PortGone."""
    await driver.setup()
    identity = await _ask(driver.identity)
    sim = await _ask(driver.sim)
    registration = await _ask(driver.registration)
    serving = await _ask(driver.serving)
    temperatures = await _ask(driver.temperature)
    slot = await _ask(driver.sim_slot)
    # Not part of the report; a recording that holds them can be replayed by a driver that learns to use them.
    await _ask(driver.addresses)
    await _ask(driver.usb_mode)
    return flat(
        identity=identity,
        sim=None if sim is None else replace(sim, slot=slot),
        registration=registration,
        cell=None if serving is None else serving.cell,
        signal=None if serving is None else serving.signal,
        temperatures=temperatures or (),
    )


async def _ask(question: Callable[[], Awaitable[T]]) -> T | None:
    try:
        return await question()
    except (AtError, AtTimeout, ParseError, Unsupported) as error:
        log.debug("%s", error)
        return None
