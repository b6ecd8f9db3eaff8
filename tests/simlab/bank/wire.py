"""A bare RSPRO peer for tests of the emulated bank: what is sent is exactly what the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from remsimd.rspro import codec, ipa
from remsimd.rspro.pdu import ComponentIdentity, ComponentType, Message, RsproPdu

DEADLINE_S = 10.0
IDENTITY = ComponentIdentity(ComponentType.CLIENT, "router", "remsimd", "1")


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = reader

    def send(self, message: Message, tag: int = 7) -> None:
        self.writer.write(ipa.rspro(codec.encode(RsproPdu(message, tag))))

    async def frame(self) -> bytes:
        """The next frame as it came, b"" at the end of the connection."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                header = await self._reader.readexactly(3)
                return header + await self._reader.readexactly(int.from_bytes(header[:2], "big"))
            except (asyncio.IncompleteReadError, ConnectionError):
                return b""

    async def pdu(self) -> RsproPdu:
        frame = await self.frame()
        assert frame, "the connection was closed"
        return codec.decode(frame[4:])

    async def msg(self) -> Message:
        return (await self.pdu()).msg


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
