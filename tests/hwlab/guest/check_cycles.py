"""Modems with loose plugs: nothing is left behind, however far the router came each time."""

import asyncio
import contextlib
import re
import threading
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import gpiod
import pytest

from remsimd.sim.gpio import CONSUMER
from simlab.control import RemsimdControl
from tests.hwlab.guest.compositions import EC25, EM7565, L850, RM500Q
from tests.hwlab.guest.router import modem_section, router
from tests.hwlab.guest.usb_modem import UsbModem
from tests.hwlab.guest.waiting import until

SECONDS = 70
MODEMS = (EC25, RM500Q, EM7565, L850)
CYCLES = 25
"""For each of the four."""
SERVED_WITHIN_S = 60.0
"""A modem that was there and did not answer so often is asked again after 30 s."""
SETTLED_WITHIN_S = 15.0
NUMBER = re.compile(r"\[?\d+\]?")
TTYS = Path("/sys/class/tty")


def has_ttys(modem: UsbModem) -> bool:
    inside = f"/{modem.usb.usb_path}/"
    for tty in TTYS.glob("tty[AU]*"):
        # One that vanishes meanwhile leads nowhere.
        with contextlib.suppress(FileNotFoundError):
            if inside in str(tty.readlink()):
                return True
    return False


def held() -> Counter[str]:
    """What grows with every cycle that forgets something, without the numbers of sockets, pipes and tasks."""
    found: Counter[str] = Counter()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[f"open {NUMBER.sub('', str(entry.readlink()))}"] += 1
    found.update(f"task {NUMBER.sub('', task.get_name())}" for task in asyncio.all_tasks())
    # The pool's size depends on how much it had to do at once, and has an end.
    found.update(f"thread {each.name}" for each in threading.enumerate() if "asyncio_" not in each.name)
    found.update(f"lock {path.name}" for path in Path("/var/lock").glob("LCK..*"))
    with gpiod.Chip("/dev/gpiochip0") as chip:
        lines = [chip.get_line_info(offset) for offset in range(chip.get_info().num_lines)]
    found.update(f"line {line.name}" for line in lines if line.consumer == CONSUMER)
    return found


async def all_gone(modems: list[UsbModem], remsimd: RemsimdControl) -> None:
    for modem in modems:
        modem.usb.pull()
    await until(lambda: not any(has_ttys(modem) for modem in modems))
    await remsimd.until(
        lambda status: all(each["port"] is None for each in status["modems"].values()), "all are gone"
    )


async def loose(modem: UsbModem, name: str, remsimd: RemsimdControl) -> None:
    """Plug in and pull, each time at another moment; early ones mostly, because they take less time."""
    for cycle in range(CYCLES):
        modem.usb.plug()
        match cycle:
            case 2:
                await remsimd.until(lambda status: status["modems"][name]["port"] is not None, "it is served")
            case 3 | 7 | 11 | 15 | 19 | 23:
                modem.commands.clear()
                await until(lambda: modem.commands)
            case 1 | 5 | 9 | 13 | 17 | 21:
                await until(lambda: has_ttys(modem))
            case _:
                await asyncio.sleep(0.02 * cycle)
        modem.usb.pull()
        await until(lambda: not has_ttys(modem))


@pytest.mark.timeout(200)
async def test_a_hundred_plug_cycles_leave_nothing_behind(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        modems = [await stack.enter_async_context(UsbModem(each, n)) for n, each in enumerate(MODEMS, 1)]
        names = [f"modem{n}" for n in range(len(modems))]
        sections = [
            modem_section(n, f"usb:{each.usb.usb_path}") for n, each in zip(names, modems, strict=True)
        ]
        remsimd = await stack.enter_async_context(router(tmp_path, *sections))

        async def all_served() -> None:
            await remsimd.until(
                lambda status: all(each["port"] for each in status["modems"].values()),
                "all are served",
                within_s=SERVED_WITHIN_S,
            )

        await all_served()
        await all_gone(modems, remsimd)
        before = held()
        async with asyncio.TaskGroup() as group:
            for name, modem in zip(names, modems, strict=True):
                group.create_task(loose(modem, name, remsimd))
        await all_gone(modems, remsimd)
        grown: Counter[str] = Counter()

        def nothing_grew() -> bool:
            """A look at the bus that goes on at the moment has files open."""
            nonlocal grown
            grown = held() - before
            return not grown

        await until(nothing_grew, within_s=SETTLED_WITHIN_S, quietly=True)
        assert grown == Counter()
        for modem in modems:
            modem.usb.plug()
        await all_served()
