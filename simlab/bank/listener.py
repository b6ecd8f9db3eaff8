"""What the emulated server and bankd have in common: they listen, and serve each connection in a task."""

import asyncio
import socket
from abc import ABC, abstractmethod
from functools import partial
from typing import Self


class Listener(ABC):
    """Listens on `host` from `async with` to its end; `port` 0 takes a free one, which is there from then on.

    The sockets are bare ones, because some habits of the deployed programs are about single calls.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._listener: socket.socket
        self._main: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server((self.host, self.port))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._main = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._main.cancel()
        await asyncio.wait([self._main])
        self._listener.close()

    @abstractmethod
    async def _serve(self, tasks: asyncio.TaskGroup, sock: socket.socket, address: str) -> None:
        """Serve one connection from `address`; `tasks` are for what goes on beside it."""

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            await self._accept(tasks)

    async def _accept(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            sock, address = await asyncio.get_running_loop().sock_accept(self._listener)
            # Closed by a callback: a task may be cancelled before it begins.
            serving = tasks.create_task(self._serve(tasks, sock, address[0]))
            serving.add_done_callback(partial(_close, sock))


def _close(sock: socket.socket, _: asyncio.Task[None]) -> None:
    sock.close()
