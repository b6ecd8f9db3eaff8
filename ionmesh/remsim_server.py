"""Client of osmo-remsim-server's REST interface (port 9997, /api/backend/v1, JSON, no authentication).

What the deployed server does: GET /banks and /slotmaps answer 200; POST /slotmaps answers 201, or 400 also
when the bank slot or the client slot is mapped already; DELETE /slotmaps/<bankId*65536+slotNr> answers 200 or
404. Maps live in its memory only and are gone after its restart.
"""

from __future__ import annotations

import http.client
import json
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ionmesh.addresses import is_bank
from ionmesh.connecting import connect, http_over
from ionmesh.deadline import cut_off
from ionmesh.errors import (
    AddressRefused,
    RemsimServerGarbled,
    RemsimServerRefused,
    RemsimServerUnreachable,
)
from ionmesh.services.inventory import HTTPS_PORT, REMSIM_REST_PORT
from ionmesh.services.slotmaps import SlotMap

_PREFIX = "/api/backend/v1"
_RSPRO_ID_MAX = 1023
# A full server holds some thousand maps of about 100 bytes each.
_ANSWER_MAX_BYTES = 4 * 1024 * 1024


class RemsimServer:
    """One server, one request per connection, as ulfius is spoken to by its own command-line tool.

    Tenants name it: it is not called where no bank's server can be, see `addresses.is_bank`.
    """

    def __init__(self, url: str, timeout_s: float, *, loopback_allowed: bool = True) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._allowed = partial(is_bank, loopback_allowed=loopback_allowed)

    def connected_banks(self) -> frozenset[int]:
        """Return the bank ids whose bankd is connected now. Raises RemsimServerError."""
        banks = self._get_list("banks")
        return frozenset(self._number(bank, "bankId") for bank in banks)

    def slotmaps(self) -> frozenset[SlotMap]:
        """Return the maps the server holds, in whatever state. Raises RemsimServerError."""
        maps = set()
        for item in self._get_list("slotmaps"):
            bank, client = item.get("bank"), item.get("client")
            if not isinstance(bank, dict) or not isinstance(client, dict):
                raise RemsimServerGarbled(self._url, "a slot map without bank or client")
            maps.add(
                SlotMap(
                    self._number(bank, "bankId"),
                    self._number(bank, "slotNr"),
                    self._number(client, "clientId"),
                    self._number(client, "slotNr"),
                )
            )
        return frozenset(maps)

    def create(self, slot_map: SlotMap) -> None:
        """Create a map. Raises RemsimServerRefused (400) when either slot is mapped, RemsimServerError."""
        body = {
            "bank": {"bankId": slot_map.bank_id, "slotNr": slot_map.slot_nr},
            "client": {"clientId": slot_map.client_id, "slotNr": slot_map.client_slot_nr},
        }
        status, _ = self._request("POST", "slotmaps", body)
        if status != http.HTTPStatus.CREATED:
            raise RemsimServerRefused(self._url, status)

    def delete(self, bank_id: int, slot_nr: int) -> None:
        """Delete the map of a bank slot; one that is gone already is no error. Raises RemsimServerError."""
        status, _ = self._request("DELETE", f"slotmaps/{bank_id << 16 | slot_nr}")
        if status not in (http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND):
            raise RemsimServerRefused(self._url, status)

    def _get_list(self, name: str) -> list[dict[str, Any]]:
        status, body = self._request("GET", name)
        if status != http.HTTPStatus.OK:
            raise RemsimServerRefused(self._url, status)
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RemsimServerGarbled(self._url, f"GET {name}: not JSON") from error
        items = document.get(name) if isinstance(document, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise RemsimServerGarbled(self._url, f"GET {name}: no list of {name}")
        return items

    def _number(self, item: dict[str, Any], key: str) -> int:
        value = item.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _RSPRO_ID_MAX:
            raise RemsimServerGarbled(self._url, f"{key} is not 0..{_RSPRO_ID_MAX}")
        return value

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        headers = {"Accept": "application/json"}
        payload = None
        if body is not None:
            payload = json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        try:
            status, content = self._exchange(method, f"{_PREFIX}/{path}", payload, headers)
        except (OSError, http.client.HTTPException, AddressRefused) as error:
            reason = f"{method} {path}: {error or type(error).__name__}"
            raise RemsimServerUnreachable(self._url, reason) from error
        if len(content) > _ANSWER_MAX_BYTES:
            raise RemsimServerGarbled(self._url, f"{method} {path}: answer too long")
        return status, content

    def _exchange(
        self, method: str, path: str, payload: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        parts = urlsplit(self._url)
        host = parts.hostname or ""
        port = parts.port or (HTTPS_PORT if parts.scheme == "https" else REMSIM_REST_PORT)
        plain = connect(host, port, self._timeout_s, self._allowed)
        with plain, cut_off(plain, self._timeout_s):
            connection = http_over(plain, parts.scheme, host, port)
            try:
                connection.request(method, path, payload, headers)
                response = connection.getresponse()
                return response.status, response.read(_ANSWER_MAX_BYTES + 1)
            finally:
                connection.close()
