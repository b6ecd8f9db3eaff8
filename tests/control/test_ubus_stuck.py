"""A ubusd that no longer reads: the daemon goes on, keeps little for it, and ends when it is told to."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remsimd import events as ev
from remsimd.control.ubus import UNSENT_MAX_BYTES
from remsimd.control.ubus_message import HEAD_BYTES, Attribute, Kind, body_bytes, encode, number, text
from tests.control.test_ubus import Slow, published


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ubus.sock"


@asynccontextmanager
async def stuck(path: Path, calls: int = 0) -> AsyncIterator[asyncio.Event]:
    """A ubusd that registers the object, passes some calls on and reads nothing from then on."""
    over, registered = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Kind.HELLO, 0, 7, []))
        head = await reader.readexactly(HEAD_BYTES)
        await reader.readexactly(body_bytes(head))
        # The buffers of asyncio and of the kernel are made to fill early.
        reader._limit = 0  # type: ignore[attr-defined]
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(encode(Kind.DATA, 1, 0, [(Attribute.OBJID, number(9))]))
        writer.write(encode(Kind.STATUS, 1, 0, [(Attribute.STATUS, number(0))]))
        for seq in range(calls):
            parts = [(Attribute.OBJID, number(9)), (Attribute.METHOD, text("slow_large"))]
            writer.write(encode(Kind.INVOKE, seq, 7, [*parts, (Attribute.DATA, b"")]))
        registered.set()
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_unix_server(serve, str(path))
    try:
        yield registered
    finally:
        over.set()
        server.close()
        await server.wait_closed()


async def test_a_ubusd_that_is_stuck_holds_nothing_up(path: Path) -> None:
    """Entries go on being made, little of them is kept for it, and the daemon ends at once."""
    async with asyncio.timeout(10), stuck(path) as registered, published(path) as bus:
        await registered.wait()
        tracemalloc.start()
        try:
            for count in range(1000):
                bus.publish(ev.ModemGone("primary", f"{count} " + 5000 * "x"))
                await asyncio.sleep(0)
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert kept < 5 * UNSENT_MAX_BYTES


async def test_who_reads_no_answers_has_no_further_calls_served(path: Path) -> None:
    slow = Slow()
    async with asyncio.timeout(10), stuck(path, calls=500) as registered, published(path, slow):
        await registered.wait()
        served = -1
        while served != slow.served:
            served = slow.served
            for _ in range(50):
                await asyncio.sleep(0)
        assert 0 < served < 20
