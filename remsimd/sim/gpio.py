"""GPIO lines through the character device; the only module that knows gpiod."""

import asyncio
import errno
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
EXPORTS = Path("/sys/class/gpio")


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

    A line that the device tree exports (OpenWrt's gpio-export) is held by the kernel for ever
    and has no other name than its folder in `exports`; it is driven there, by that name.
    """

    def __init__(self, exports: Path = EXPORTS) -> None:
        self._exports = exports
        self._held: dict[GpioLine, _Held] = {}

    async def set(self, line: GpioLine, value: bool) -> None:
        """Drive `line`; the few microseconds of the system call are spent on the loop."""
        try:
            if line not in self._held:
                self._held[line] = await asyncio.to_thread(self._hold, line, value)
            self._held[line].set(value)
        except (OSError, ValueError) as error:
            raise GpioError(f"GPIO line {line} cannot be set: {error}") from error
        log.debug("GPIO %s = %d", line, value)

    async def get(self, line: GpioLine) -> bool:
        """The value last driven, or, for a line not requested yet, what the pin shows."""
        try:
            if line in self._held:
                return self._held[line].get()
            exported = self._exported(line)
            return await asyncio.to_thread(_peek, line) if exported is None else exported.get()
        except (OSError, ValueError) as error:
            raise GpioError(f"GPIO line {line} cannot be read: {error}") from error

    async def close(self) -> None:
        """Give the lines back to the kernel."""
        for held in self._held.values():
            held.release()
        self._held.clear()

    def _hold(self, line: GpioLine, value: bool) -> "_Held":
        return self._exported(line) or _request(line, value)

    def _exported(self, line: GpioLine) -> "_Exported | None":
        if line.name is None:
            return None
        path = self._exports / line.name / "value"
        return _Exported(path) if path.exists() else None


class _Held(Protocol):
    """A line that is ours to drive."""

    def set(self, value: bool) -> None: ...

    def get(self) -> bool: ...

    def release(self) -> None: ...


class _Exported:
    """A line that the device tree exports as an output, by its file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def set(self, value: bool) -> None:
        self._path.write_text("1" if value else "0", encoding="ascii")

    def get(self) -> bool:
        return self._path.read_text(encoding="ascii").strip() == "1"

    def release(self) -> None:
        """It stays exported, with its value."""


class _Requested:
    """A line requested from its chip."""

    def __init__(self, request: "gpiod.LineRequest", offset: int) -> None:
        self._request = request
        self._offset = offset

    def set(self, value: bool) -> None:
        import gpiod

        level = gpiod.line.Value.ACTIVE if value else gpiod.line.Value.INACTIVE
        self._request.set_value(self._offset, level)

    def get(self) -> bool:
        import gpiod

        return bool(self._request.get_value(self._offset) == gpiod.line.Value.ACTIVE)

    def release(self) -> None:
        self._request.release()


def _request(line: GpioLine, value: bool) -> _Requested:
    import gpiod

    path, offset = _locate(line)
    level = gpiod.line.Value.ACTIVE if value else gpiod.line.Value.INACTIVE
    settings = gpiod.LineSettings(direction=gpiod.line.Direction.OUTPUT, output_value=level)
    return _Requested(_requested(line, path, offset, settings), offset)


def _peek(line: GpioLine) -> bool:
    import gpiod

    path, offset = _locate(line)
    settings = gpiod.LineSettings(direction=gpiod.line.Direction.AS_IS)
    with _requested(line, path, offset, settings) as request:
        return bool(request.get_value(offset) == gpiod.line.Value.ACTIVE)


def _requested(line: GpioLine, path: str, offset: int, settings: "gpiod.LineSettings") -> "gpiod.LineRequest":
    """The line from its chip; one that somebody else holds is an error that names the holder."""
    import gpiod

    try:
        return gpiod.request_lines(path, consumer=CONSUMER, config={offset: settings})
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        with gpiod.Chip(path) as chip:
            holder = chip.get_line_info(offset).consumer or "somebody who gives no name"
        raise GpioError(
            f"GPIO line {line} is held by {holder!r}; end that program, or take the line out of its hands"
        ) from error


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
