"""The bank with a card in a PC/SC reader: real pcscd, real vpcd, and the software USIM as the card in it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from remsimd.assignment import Assignment, Endpoint
from remsimd.rspro.events import RsproState
from remsimd.sim.frontend import SlotStatus
from remsimd.sim.frontends.vpcd import VpcdFrontend
from remsimd.sim.reader import read_numbers
from simlab.bank.auc import Auc
from simlab.bank.cards import generate
from simlab.bank.usim import ATR, Usim
from tests.rspro.lab import Events, Host, TcpOpener, make_client
from tests.sim import pcsc

needs_pcscd = pytest.mark.skipif(
    pcsc.missing() is not None, reason=f"the Debian package {pcsc.missing()} is not installed"
)
CARD = generate(1, seed=5)[0]
DEADLINE_S = 15.0


class Inserted:
    """The software USIM as what a virtual card is made of."""

    def __init__(self) -> None:
        self.usim = Usim(CARD)
        self.resets = 0

    async def transmit(self, tpdu: bytes) -> bytes:
        return self.usim.transmit(tpdu)

    def status(self, status: SlotStatus) -> None:
        if status.reset_active:
            self.resets += 1
            self.usim.reset()


@asynccontextmanager
async def bank(control: Path) -> AsyncIterator[dict[str, Any]]:
    """`python -m simlab.bank --pcsc` with the card; its ready line."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            # pcscd notices a card after a moment, and the bank looks for cards at its start.
            process = await start_bank(control)
            assert process.stdout is not None
            ready = json.loads(await process.stdout.readline())
            if ready["cards"]:
                break
            await end(process)
    try:
        yield ready
    finally:
        await end(process)


async def start_bank(control: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simlab.bank", "--pcsc", "--server-port", "0", "--rest-port", "0",
        "--bankd-port", "0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PCSCLITE_CSOCK_NAME": str(control)},
    )  # fmt: skip


async def end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.communicate()


async def post_map(port: int) -> None:
    body = json.dumps({"bank": {"bankId": 1, "slotNr": 0}, "client": {"clientId": 23, "slotNr": 0}})
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /api/backend/v1/slotmaps HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
    assert b" 201 " in await reader.readline()
    writer.close()


@asynccontextmanager
async def card_in_a_reader(folder: Path, inserted: Inserted) -> AsyncIterator[Path]:
    port = pcsc.two_free_ports()
    frontend = VpcdFrontend("127.0.0.1", port)
    async with pcsc.pcscd(folder, port) as control:
        serving = asyncio.create_task(frontend.run(inserted))
        await frontend.insert(ATR)
        try:
            yield control
        finally:
            serving.cancel()
            await asyncio.wait([serving])


@needs_pcscd
async def test_a_card_in_a_reader_is_lent_over_the_network(tmp_path: Path) -> None:
    inserted, events, auc = Inserted(), Events(), Auc((CARD,))
    client = make_client(Host(), TcpOpener(), events)
    async with card_in_a_reader(tmp_path, inserted) as control, bank(control) as ready:
        await post_map(ready["rest_port"])
        server = Endpoint("127.0.0.1", ready["server_port"])
        client.assign(Assignment(client_id=23, client_slot=0, server=server))
        running = asyncio.create_task(client.run())
        await events.state(RsproState.OPERATIONAL)
        numbers = await read_numbers(client)
        assert (numbers.iccid, numbers.imsi) == (CARD.iccid, CARD.imsi)
        await client.transmit(bytes.fromhex("00a4040c07a0000000871002"))
        challenge = auc.challenge(CARD.imsi)
        data = b"\x10" + challenge.rand + b"\x10" + challenge.autn
        answer = await client.transmit(b"\x00\x88\x00\x81\x22" + data)
        assert answer[0] == 0x61
        answer = await client.transmit(b"\x00\xc0\x00\x00" + answer[-1:])
        assert answer.startswith(b"\xdb\x08" + challenge.xres)
        before = inserted.resets
        client.status(SlotStatus(reset_active=True, vcc_present=True))
        client.status(SlotStatus(reset_active=False, vcc_present=True))
        assert (await client.transmit(bytes.fromhex("00b0000009")))[-2:] == b"\x69\x86"
        assert inserted.resets > before, "the modem's reset reached the card in the reader"
        running.cancel()
        await asyncio.wait([running])


@needs_pcscd
async def test_without_pcscd_it_says_so(tmp_path: Path) -> None:
    process = await start_bank(tmp_path / "nobody")
    _, words = await process.communicate()
    assert process.returncode == 1
    assert b"is pcscd running?" in words
