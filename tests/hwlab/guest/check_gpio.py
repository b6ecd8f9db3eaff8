"""Lines of a real GPIO chip; the board's emulator writes down every change of a pin."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from remsimd.config.model import GpioLine
from remsimd.errors import GpioError
from remsimd.sim.gpio import GpiodLines
from tests.hwlab.guest.pins import Pins

SECONDS = 10
BY_NAME, BY_OFFSET = GpioLine(name="sim2"), GpioLine(chip="gpiochip0", offset=1)
POWER_KEY = GpioLine(chip="gpiochip0", offset=3)
HOLDER = """
import gpiod, sys
settings = gpiod.LineSettings(direction=gpiod.line.Direction.OUTPUT)
with gpiod.request_lines("/dev/gpiochip0", consumer="simswitchd", config={"sim2": settings}):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def pins() -> Pins:
    return Pins()


@pytest.mark.parametrize("line", [BY_NAME, BY_OFFSET], ids=str)
async def test_a_line_is_driven_by_name_and_by_offset(line: GpioLine, pins: Pins) -> None:
    lines = GpiodLines()
    await lines.set(line, True)
    await lines.set(line, True)
    assert await lines.get(line) is True
    await lines.set(line, False)
    assert await lines.get(line) is False
    await lines.close()
    assert pins.changes(1) == [True, False]
    assert pins.changes(0) == []


async def test_a_line_keeps_its_value_after_its_holder_and_is_taken_over_without_a_pulse(pins: Pins) -> None:
    first, second = GpiodLines(), GpiodLines()
    await first.set(BY_NAME, True)
    await first.close()
    assert await second.get(BY_NAME) is True
    await second.set(BY_OFFSET, True)
    assert pins.changes(1) == [True]
    await second.set(BY_OFFSET, False)
    await second.close()
    assert pins.changes(1) == [True, False]


@contextmanager
def another_program() -> Iterator[None]:
    argv = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.communicate()


async def test_a_line_that_another_program_holds_is_refused_with_its_name(pins: Pins) -> None:
    lines = GpiodLines()
    with another_program():
        for line in (BY_NAME, BY_OFFSET):
            with pytest.raises(GpioError, match="is held by 'simswitchd'"):
                await lines.set(line, True)
            with pytest.raises(GpioError, match="is held by 'simswitchd'"):
                await lines.get(line)
    await lines.set(BY_NAME, True)
    await lines.set(BY_NAME, False)
    await lines.close()
    assert pins.changes(1) == [True, False]


async def test_a_line_that_the_kernel_holds_is_refused_with_its_name() -> None:
    with pytest.raises(GpioError, match="is held by 'GPIO Key Poweroff'"):
        await GpiodLines().set(POWER_KEY, True)


async def test_lines_and_chips_that_are_not_there_are_said() -> None:
    with pytest.raises(GpioError, match="no chip of this router has a line of this name"):
        await GpiodLines().set(GpioLine(name="sim9"), True)
    with pytest.raises(GpioError, match="GPIO line gpiochip0:8 cannot be set"):
        await GpiodLines().set(GpioLine(chip="gpiochip0", offset=8), True)
    with pytest.raises(GpioError, match="gpiochip7 is not a GPIO chip of this router"):
        await GpiodLines().set(GpioLine(chip="gpiochip7", offset=0), True)
