"""GPIO lines through the character device; the only module that knows gpiod."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from remsimd.config.model import GpioLine
from remsimd.errors import GpioError

if TYPE_CHECKING:
    import gpiod

log = logging.getLogger(__name__)

CONSUMER = "remsimd"
DEVICES = Path("/dev")


class Lines(Protocol):
    """Output lines that keep their value while the daemon runs.

    `set` requests the line on first use with the wanted value (no pulse through another one).
    Both raise `GpioError` naming the line.
    """

    async def set(self, line: GpioLine, value: bool) -> None: ...

    async def get(self, line: GpioLine) -> bool: ...

    async def close(self) -> None: ...


class GpiodLines:
    """The router's own lines, by libgpiod 2.

    A line is requested once and then only reconfigured, so that it never floats or pulses
    between two values. The kernel releases it when the daemon ends; whether it then keeps its
    value is the chip driver's choice, so the daemon leaves every line as it should stay.
    """

    def __init__(self) -> None:
        self._requests: dict[GpioLine, tuple[gpiod.LineRequest, int]] = {}

    async def set(self, line: GpioLine, value: bool) -> None:
        """Drive `line`; the few microseconds of the system call are spent on the loop."""
        import gpiod

        level = gpiod.line.Value.ACTIVE if value else gpiod.line.Value.INACTIVE
        try:
            if line not in self._requests:
                self._requests[line] = await asyncio.to_thread(_request, line, level)
            request, offset = self._requests[line]
            request.set_value(offset, level)
        except (OSError, ValueError) as error:
            raise GpioError(f"GPIO line {line} cannot be set: {error}") from error
        log.debug("GPIO %s = %d", line, value)

    async def get(self, line: GpioLine) -> bool:
        """The value last driven, or, for a line not requested yet, what the pin shows."""
        import gpiod

        try:
            if line not in self._requests:
                return await asyncio.to_thread(_peek, line)
            request, offset = self._requests[line]
            return bool(request.get_value(offset) == gpiod.line.Value.ACTIVE)
        except (OSError, ValueError) as error:
            raise GpioError(f"GPIO line {line} cannot be read: {error}") from error

    async def close(self) -> None:
        """Give the lines back to the kernel."""
        for request, _ in self._requests.values():
            request.release()
        self._requests.clear()


def _request(line: GpioLine, level: "gpiod.line.Value") -> tuple["gpiod.LineRequest", int]:
    import gpiod

    path, offset = _locate(line)
    settings = gpiod.LineSettings(direction=gpiod.line.Direction.OUTPUT, output_value=level)
    return gpiod.request_lines(path, consumer=CONSUMER, config={offset: settings}), offset


def _peek(line: GpioLine) -> bool:
    import gpiod

    path, offset = _locate(line)
    settings = gpiod.LineSettings(direction=gpiod.line.Direction.AS_IS)
    with gpiod.request_lines(path, consumer=CONSUMER, config={offset: settings}) as request:
        return bool(request.get_value(offset) == gpiod.line.Value.ACTIVE)


def _locate(line: GpioLine) -> tuple[str, int]:
    """The chip device and offset of a line; names are searched over all chips."""
    import gpiod

    if line.chip is not None and line.offset is not None:
        chip = line.chip if line.chip.startswith("/") else str(DEVICES / line.chip)
        if not gpiod.is_gpiochip_device(chip):
            raise GpioError(f"GPIO line {line}: {chip} is not a GPIO chip of this router")
        return chip, line.offset
    for path in sorted(DEVICES.glob("gpiochip*")):
        with gpiod.Chip(str(path)) as opened:
            try:
                return str(path), opened.line_offset_from_id(str(line))
            except (OSError, ValueError):
                continue
    raise GpioError(f"GPIO line {line}: no chip of this router has a line of this name (see gpioinfo)")
