"""A GPIO chip in memory, for one process or, over a Unix socket, for two.

The lab's modems watch the lines that select their card; remsimd in another process drives
them through `RemoteLines`, which is what it gets instead of libgpiod.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from remsimd.config.model import GpioLine
from remsimd.errors import GpioError

Watcher = Callable[[bool], None]


class MemoryChip:
    """Lines by name, low until driven; any name is a line. Values are kept until changed."""

    def __init__(self) -> None:
        self._values: dict[str, bool] = {}
        self._watchers: dict[str, list[Watcher]] = {}

    def watch(self, line: str, watcher: Watcher) -> None:
        """Call `watcher` with each new value of `line`."""
        self._watchers.setdefault(line, []).append(watcher)

    async def set(self, line: GpioLine, value: bool) -> None:
        """Drive the line; watchers hear of changes only."""
        name = str(line)
        if self._values.get(name, False) is value:
            return
        self._values[name] = value
        for watcher in self._watchers.get(name, ()):
            watcher(value)

    async def get(self, line: GpioLine) -> bool:
        """The line's value."""
        return self._values.get(str(line), False)

    async def close(self) -> None:
        """Nothing to give back: the values stay, as a real chip's may."""


@contextlib.asynccontextmanager
async def served(chip: MemoryChip, path: Path) -> AsyncIterator[None]:
    """Let other processes drive the chip's lines over the socket at `path`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while request := await reader.readline():
                name, value = json.loads(request)
                line = GpioLine(name=name)
                if value is not None:
                    await chip.set(line, value)
                writer.write(json.dumps(await chip.get(line)).encode() + b"\n")
                await writer.drain()

    server = await asyncio.start_unix_server(serve, str(path))
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


class RemoteLines:
    """The lines of a chip served by another process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def set(self, line: GpioLine, value: bool) -> None:
        """Drive the line; returns when the other side has done so."""
        await self._ask(line, value)

    async def get(self, line: GpioLine) -> bool:
        """The line's value."""
        return await self._ask(line, None)

    async def close(self) -> None:
        """Nothing is held between two calls."""

    async def _ask(self, line: GpioLine, value: bool | None) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path))
        except OSError as error:
            raise GpioError(f"GPIO line {line}: the lab's chip does not answer: {error}") from error
        with contextlib.closing(writer):
            writer.write(json.dumps([str(line), value]).encode() + b"\n")
            answer = await reader.readline()
            if not answer:
                raise GpioError(f"GPIO line {line}: the lab's chip went away")
            return bool(json.loads(answer))
