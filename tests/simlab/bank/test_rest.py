import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from remsimd.rspro import pdu
from remsimd.rspro.pdu import ClientSlot
from simlab.bank.bankd import Bankd
from simlab.bank.cards import generate
from simlab.bank.rest import Rest
from simlab.bank.server import RemsimServer
from tests.simlab.bank.wire import IDENTITY, wire

MAP = {"bank": {"bankId": 1, "slotNr": 0}, "client": {"clientId": 23, "slotNr": 0}}


async def call(port: int, method: str, path: str, body: object = None) -> tuple[int, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"{method} /api/backend/v1{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    answer = await reader.read()
    writer.close()
    status, _, rest = answer.partition(b"\r\n")
    text = rest.partition(b"\r\n\r\n")[2]
    return int(status.split()[1]), json.loads(text) if text else None


@asynccontextmanager
async def rest() -> AsyncIterator[tuple[RemsimServer, int]]:
    async with RemsimServer() as server, Rest(server) as served:
        yield server, served.port


async def test_maps_are_posted_listed_and_deleted() -> None:
    async with rest() as (_, port):
        assert await call(port, "POST", "/slotmaps", MAP) == (201, None)
        assert await call(port, "POST", "/slotmaps", MAP) == (400, None)
        assert await call(port, "GET", "/slotmaps") == (200, {"slotmaps": [MAP | {"state": "NEW"}]})
        assert await call(port, "DELETE", "/slotmaps/65536") == (200, None)
        assert await call(port, "DELETE", "/slotmaps/65536") == (404, None)
        assert await call(port, "GET", "/slotmaps") == (200, {"slotmaps": []})
        assert await call(port, "POST", "/slotmaps", MAP) == (201, None)
        assert await call(port, "POST", "/global-reset") == (200, None)
        assert await call(port, "GET", "/slotmaps") == (200, {"slotmaps": []})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        {"bank": {"bankId": 1, "slotNr": 0}},
        {"bank": {"bankId": 1024, "slotNr": 0}, "client": {"clientId": 0, "slotNr": 0}},
        {"bank": {"bankId": "1", "slotNr": 0}, "client": {"clientId": 0, "slotNr": 0}},
        {"bank": {"bankId": True, "slotNr": 0}, "client": {"clientId": 0, "slotNr": 0}},
    ],
)
async def test_bad_maps_are_refused(body: object) -> None:
    async with rest() as (server, port):
        assert await call(port, "POST", "/slotmaps", body) == (400, None)
        assert not server.maps


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/restart-counter", 200),
        ("GET", "/banks/7", 404),
        ("GET", "/banks/65536", 400),
        ("GET", "/clients/7", 404),
        ("GET", "/clients/65536", 400),
        ("GET", "/elsewhere", 404),
        ("PUT", "/slotmaps", 404),
        ("DELETE", "/slotmaps/4294967296", 400),
    ],
)
async def test_other_paths(method: str, path: str, status: int) -> None:
    async with rest() as (_, port):
        assert await call(port, method, path) == (status, None)


async def test_banks_and_clients_are_shown_as_the_deployed_server_does() -> None:
    async with (
        rest() as (server, port),
        wire(server.port) as client,
        Bankd(generate(2, seed=1), server=("127.0.0.1", server.port)),
    ):
        client.send(pdu.ConnectClientReq(IDENTITY, ClientSlot(23, 4)))
        await client.msg()
        async with asyncio.timeout(10):
            while not server.banks:
                await asyncio.sleep(0)
        component = {"type_": "remsimBankd", "name": "fixme-name", "software": "remsim-bankd"}
        bank = {
            "peer": "B1",
            "state": "CONNECTED_BANKD",
            "component_id": component | {"swVersion": "1.0.0"},
            "bankId": 1,
            "numberOfSlots": 2,
        }
        assert await call(port, "GET", "/banks") == (200, {"banks": [bank]})
        assert await call(port, "GET", "/banks/1") == (200, bank)
        shown = {
            "peer": "C23:4",
            "state": "CONNECTED_CLIENT",
            "component_id": {
                "type_": "remsimClient",
                "name": "router",
                "software": "remsimd",
                "swVersion": "1",
            },
        }
        assert await call(port, "GET", "/clients") == (200, {"clients": [shown]})
        assert await call(port, "GET", "/clients/0") == (200, shown)
        assert await call(port, "GET", "/clients/23") == (404, None)
