"""An emulated SIMtrace2 board in this process, for tests of what drives it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from remsimd.errors import FrontendError
from simlab.cardem import CardemBoard


class BoardTransport:
    """The endpoints of a CardemBoard; `unplug` makes every call fail, as a missing board does.

    `delay_s` says how long each transfer takes; writes wait while `gate` is not set.
    """

    def __init__(self, board: CardemBoard, delay_s: Callable[[], float] = lambda: 0.0) -> None:
        self._board = board
        self._delay_s = delay_s
        self._news = asyncio.Event()
        self._gone = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.written: list[bytes] = []
        board.on_message = self._news.set

    def unplug(self) -> None:
        self._gone = True
        self._news.set()

    async def write(self, transfer: bytes) -> None:
        await asyncio.sleep(self._delay_s())
        await self.gate.wait()
        if self._gone:
            raise FrontendError("unplugged")
        self.written.append(transfer)
        self._board.receive(transfer)

    async def read(self) -> bytes:
        return await self._next(self._board.bulk_in)

    async def read_interrupt(self) -> bytes:
        return await self._next(self._board.interrupt_in)

    async def _next(self, queue: deque[bytes]) -> bytes:
        while not queue and not self._gone:
            self._news.clear()
            await self._news.wait()
        await asyncio.sleep(self._delay_s())
        if self._gone:
            raise FrontendError("unplugged")
        return queue.popleft()


class Shelf:
    """Where boards are found; `opened` are the transports given out."""

    def __init__(
        self, board: CardemBoard | None = None, *, delay_s: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.board = board
        self._delay_s = delay_s
        self.opened: list[BoardTransport] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[BoardTransport]:
        if self.board is None:
            raise FrontendError("no SIMtrace2 card emulation at USB path 1-1.4")
        transport = BoardTransport(self.board, self._delay_s)
        self.opened.append(transport)
        yield transport
