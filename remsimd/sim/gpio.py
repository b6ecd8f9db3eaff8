"""GPIO lines through the character device; the only module that knows gpiod."""

from typing import Protocol

from remsimd.config.model import GpioLine


class Lines(Protocol):
    """Output lines that keep their value while the daemon runs.

    `set` requests the line on first use with the wanted value (no pulse through another one).
    Both raise `GpioError` naming the line.
    """

    async def set(self, line: GpioLine, value: bool) -> None: ...

    async def get(self, line: GpioLine) -> bool: ...

    async def close(self) -> None: ...
