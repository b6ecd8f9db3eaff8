"""The SIM stack of a modem whose card is reached over the shell frontend's socket."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from simlab.modems.sim import SimFailure
from simlab.modems.sim_stack import SimStack

ANSWER_TIMEOUT_S = 30.0
"""A card behind a network; the waiting time of a real slot is kept up by its NULL octets."""


class RemoteSim(SimStack):
    """A card behind the Unix socket of `remsimd`'s shell frontend.

    `async with` connects and waits until a card is there.
    """

    def __init__(self, socket_path: Path, *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        super().__init__()
        self._path = socket_path
        self._timeout_s = timeout_s
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self.atr = b""

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._reader, self._writer = await asyncio.open_unix_connection(self._path)
        except (OSError, TimeoutError) as error:
            raise SimFailure(f"{self._path}: no card: {error}") from error
        inserted = False
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._card()
            inserted = True
        except (OSError, TimeoutError) as error:
            raise SimFailure(f"{self._path}: no card: {error}") from error
        finally:
            if not inserted:
                self._writer.close()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    @property
    def gone(self) -> bool:
        """Whether the frontend closed the socket, or this side after an answer that never came."""
        return self._reader.at_eof() or self._writer.is_closing()

    async def _exchange(self, tpdu: bytes) -> bytes:
        answered = False
        try:
            async with asyncio.timeout(self._timeout_s):
                self._writer.write(tpdu.hex().encode() + b"\n")
                answer = await self._answer()
            answered = True
        except (OSError, TimeoutError, ValueError) as error:
            raise SimFailure(f"no answer from the card: {error}") from error
        finally:
            # A late answer would be taken for that of the next command.
            if not answered:
                self._writer.close()
        if isinstance(answer, str):
            raise SimFailure(answer)
        return answer

    async def _answer(self) -> bytes | str:
        """What the frontend says to a command: the card's answer, or why there is none."""
        while True:
            kind, _, rest = (await self._line()).partition(": ")
            match kind:
                case "R-APDU":
                    return bytes.fromhex(rest)
                case "ERROR":
                    return rest
                case "SET_ATR":
                    self.atr = bytes.fromhex(rest)

    async def _card(self) -> None:
        while True:
            kind, _, rest = (await self._line()).partition(": ")
            if kind == "SET_ATR":
                self.atr = bytes.fromhex(rest)
                return

    async def _line(self) -> str:
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the frontend closed the socket")
        return line.decode("ascii").strip()
