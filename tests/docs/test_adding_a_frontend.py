"""The frontend of docs/frontends.md is run as it stands there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from remsimd.errors import CardError, FrontendError
from remsimd.sim.frontend import SlotStatus
from tests.docs.pages import ROOT, blocks

DEADLINE_S = 5.0
ATR = bytes.fromhex("3b00")
LINES = 90


class Card:
    """Answers SELECT, and nothing else."""

    def __init__(self) -> None:
        self.resets: list[bool] = []

    async def transmit(self, tpdu: bytes) -> bytes:
        if tpdu[1] != 0xA4:
            raise CardError("no answer")
        return b"\x90\x00"

    def status(self, status: SlotStatus) -> None:
        self.resets.append(status.reset_active)


def shown() -> type[Any]:
    (code,) = [block for block in blocks(ROOT / "docs/frontends.md") if block.startswith('"""A board')]
    assert len(code.splitlines()) < LINES
    names: dict[str, Any] = {}
    exec(compile(code, "docs/frontends.md", "exec"), names)
    found: type[Any] = names["LineFrontend"]
    return found


@asynccontextmanager
async def board() -> AsyncIterator[
    tuple[int, "asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]"]
]:
    """The port of a board, and its connections."""
    arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *peer: arrived.put_nowait(peer), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], arrived


async def test_a_modem_sees_the_card_and_gets_its_answers() -> None:
    card = Card()
    async with asyncio.timeout(DEADLINE_S), board() as (port, arrived):
        frontend = shown()("127.0.0.1", port)
        serving = asyncio.create_task(frontend.run(card))
        reader, writer = await arrived.get()

        async def says(line: str) -> str:
            writer.write(line.encode() + b"\n")
            return (await reader.readline()).decode().strip()

        assert await reader.readline() == b"ATR \n"
        await frontend.insert(ATR)
        await frontend.insert(ATR)
        assert await reader.readline() == b"ATR 3b00\n"
        assert await says("00a4000c02") == "9000"
        assert await says("0088008110") == "6f00"
        assert await says("RESET") == "ATR 3b00"
        assert card.resets == [True, False]
        await frontend.remove()
        assert await reader.readline() == b"ATR\n"
        writer.close()
        with pytest.raises(FrontendError, match="closed"):
            await serving


async def test_a_board_that_is_not_there_is_a_frontend_error_and_one_that_comes_back_is_served() -> None:
    async with asyncio.timeout(DEADLINE_S), board() as (port, arrived):
        frontend = shown()("127.0.0.1", port)
        with pytest.raises(FrontendError):
            await frontend.insert(ATR)
        for _ in range(2):
            serving = asyncio.create_task(frontend.run(Card()))
            reader, writer = await arrived.get()
            await reader.readline()
            writer.close()
            with pytest.raises(FrontendError):
                await serving
