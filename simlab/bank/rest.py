"""The REST interface of osmo-remsim-server (RSRES), with its oddities.

No authentication, prefix /api/backend/v1. /restart-counter answers without a body, and a
client is found by number only where that number is 0, as in the deployed program.
"""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from remsimd.rspro.pdu import BankSlot, ClientSlot, ComponentIdentity, ComponentType
from simlab.bank.server import Bank, Client, RemsimServer, SlotMap

PREFIX = "/api/backend/v1"
BODY_MAX_OCTETS = 65536
IDENTIFIERS = range(1024)
COMPONENT_NAMES = {
    ComponentType.CLIENT: "remsimClient",
    ComponentType.SERVER: "remsimServer",
    ComponentType.BANKD: "remsimBankd",
}
OPTIONAL_FIELDS = {
    "hw_manufacturer": "hwManufacturer",
    "hw_model": "hwModel",
    "hw_serial_nr": "hwSerialNr",
    "hw_version": "hwVersion",
    "fw_version": "fwVersion",
}

Answer = tuple[HTTPStatus, object]
Handler = Callable[[re.Match[str], bytes], Coroutine[Any, Any, Answer]]

OK: Answer = (HTTPStatus.OK, None)
NOT_FOUND: Answer = (HTTPStatus.NOT_FOUND, None)
BAD_REQUEST: Answer = (HTTPStatus.BAD_REQUEST, None)


class Rest:
    """Serves the state of a `RemsimServer` over HTTP, from `async with` to its end."""

    def __init__(self, server: RemsimServer, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.port = port
        self._server = server
        self._host = host
        self._listener: asyncio.Server
        self._routes: tuple[tuple[str, re.Pattern[str], Handler], ...] = (
            ("GET", _path("/restart-counter"), self._restart_counter),
            ("GET", _path("/banks"), self._banks),
            ("GET", _path(r"/banks/(\d+)"), self._bank),
            ("GET", _path("/clients"), self._clients),
            ("GET", _path(r"/clients/(\d+)"), self._client),
            ("GET", _path("/slotmaps"), self._slotmaps),
            ("POST", _path("/slotmaps"), self._create),
            ("DELETE", _path(r"/slotmaps/(\d+)"), self._delete),
            ("POST", _path("/global-reset"), self._reset),
        )

    async def __aenter__(self) -> "Rest":
        self._listener = await asyncio.start_server(self._serve, self._host, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            status, body = await self._answer(reader)
            text = b"" if body is None else json.dumps(body).encode()
            kind = "" if body is None else "Content-Type: application/json\r\n"
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\n{kind}"
            writer.write(f"{head}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.LimitOverrunError:
            return BAD_REQUEST
        request = re.match(r"(\w+) (\S+) HTTP/1\.", head)
        length = re.search(r"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
        octets = int(length[1]) if length else 0
        if request is None or octets > BODY_MAX_OCTETS:
            return BAD_REQUEST
        body = await reader.readexactly(octets)
        for method, path, handler in self._routes:
            match = path.fullmatch(request[2])
            if match is not None and method == request[1]:
                return await handler(match, body)
        return NOT_FOUND

    async def _restart_counter(self, _: re.Match[str], __: bytes) -> Answer:
        return OK

    async def _banks(self, _: re.Match[str], __: bytes) -> Answer:
        return HTTPStatus.OK, {"banks": [_bank_json(bank) for bank in self._server.banks.values()]}

    async def _bank(self, match: re.Match[str], _: bytes) -> Answer:
        number = int(match[1])
        if number > 65535:
            return BAD_REQUEST
        bank = self._server.banks.get(number)
        return NOT_FOUND if bank is None else (HTTPStatus.OK, _bank_json(bank))

    async def _clients(self, _: re.Match[str], __: bytes) -> Answer:
        return HTTPStatus.OK, {"clients": [_client_json(client) for client in self._server.clients.values()]}

    async def _client(self, match: re.Match[str], _: bytes) -> Answer:
        number = int(match[1])
        if number > 65535:
            return BAD_REQUEST
        client = next(iter(self._server.clients.values()), None)
        # The deployed program compares with a bank number that clients do not have.
        return (HTTPStatus.OK, _client_json(client)) if client is not None and number == 0 else NOT_FOUND

    async def _slotmaps(self, _: re.Match[str], __: bytes) -> Answer:
        return HTTPStatus.OK, {"slotmaps": [_map_json(found) for found in self._server.maps.values()]}

    async def _create(self, _: re.Match[str], body: bytes) -> Answer:
        try:
            wanted = json.loads(body)
            numbers = [
                wanted["bank"]["bankId"],
                wanted["bank"]["slotNr"],
                wanted["client"]["clientId"],
                wanted["client"]["slotNr"],
            ]
        except (ValueError, KeyError, TypeError):
            return BAD_REQUEST
        if not all(type(number) is int and number in IDENTIFIERS for number in numbers):
            return BAD_REQUEST
        bank, client = BankSlot(*numbers[:2]), ClientSlot(*numbers[2:])
        created = await self._server.create_map(bank, client)
        return (HTTPStatus.CREATED, None) if created else BAD_REQUEST

    async def _delete(self, match: re.Match[str], _: bytes) -> Answer:
        number = int(match[1])
        if number >= 1 << 32:
            return BAD_REQUEST
        deleted = await self._server.delete_map(BankSlot(number >> 16, number & 0xFFFF))
        return OK if deleted else NOT_FOUND

    async def _reset(self, _: re.Match[str], __: bytes) -> Answer:
        await self._server.reset()
        return OK


def _path(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(PREFIX) + pattern)


def _identity_json(identity: ComponentIdentity) -> dict[str, str]:
    optional = {name: getattr(identity, field) for field, name in OPTIONAL_FIELDS.items()}
    return {
        "type_": COMPONENT_NAMES[ComponentType(identity.type)],
        "name": identity.name,
        "software": identity.software,
        "swVersion": identity.sw_version,
    } | {name: value for name, value in optional.items() if value is not None}


def _bank_json(bank: Bank) -> dict[str, object]:
    return {
        "peer": f"B{bank.bank_id}",
        "state": "CONNECTED_BANKD",
        "component_id": _identity_json(bank.identity),
        "bankId": bank.bank_id,
        "numberOfSlots": bank.slots,
    }


def _client_json(client: Client) -> dict[str, object]:
    return {
        "peer": f"C{client.slot}",
        "state": "CONNECTED_CLIENT",
        "component_id": _identity_json(client.identity),
    }


def _map_json(slot_map: SlotMap) -> dict[str, object]:
    return {
        "bank": {"bankId": slot_map.bank.bank_id, "slotNr": slot_map.bank.slot_nr},
        "client": {"clientId": slot_map.client.client_id, "slotNr": slot_map.client.slot_nr},
        "state": slot_map.state.value,
    }
