"""An osmo-remsim-server's REST as deployed: 201/400/404, maps in memory, ids bankId * 65536 + slotNr."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from ionmesh.services.slotmaps import SlotMap

PREFIX = "/api/backend/v1/"


class FakeRemsimServer:
    """Serves on a free loopback port; can restart without its maps, or answer everything with one status."""

    def __init__(self, port: int = 0) -> None:
        self.maps: set[SlotMap] = set()
        self.banks: list[int] = []
        self.requests: list[str] = []
        self.raw_answer: tuple[int, bytes] | None = None
        self.changed = threading.Condition()
        owner = self

        class Handler(_Handler):
            fake = owner

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FakeRemsimServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def wait_for(self, maps: set[tuple[int, int]], deadline_s: float = 10) -> None:
        """Wait until exactly these (bank, slot) are mapped."""
        with self.changed:
            done = self.changed.wait_for(
                lambda: {(slot_map.bank_id, slot_map.slot_nr) for slot_map in self.maps} == maps, deadline_s
            )
        assert done, f"maps are {sorted(self.maps)}, not {sorted(maps)}"


class _Handler(BaseHTTPRequestHandler):
    fake: FakeRemsimServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
        pass

    def do_GET(self) -> None:
        if self._scripted():
            return
        with self.fake.changed:
            maps, banks = sorted(self.fake.maps), list(self.fake.banks)
        if self.path == f"{PREFIX}slotmaps":
            self._answer(200, {"slotmaps": [_as_json(slot_map) for slot_map in maps]})
        elif self.path == f"{PREFIX}banks":
            self._answer(200, {"banks": [{"peer": f"B{bank}", "bankId": bank} for bank in banks]})
        else:
            self._answer(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._scripted():
            return
        document = json.loads(body)
        bank, client = document["bank"], document["client"]
        new = SlotMap(bank["bankId"], bank["slotNr"], client["clientId"], client["slotNr"])
        with self.fake.changed:
            taken = any(
                (held.bank_id, held.slot_nr) == (new.bank_id, new.slot_nr)
                or (held.client_id, held.client_slot_nr) == (new.client_id, new.client_slot_nr)
                for held in self.fake.maps
            )
            if not taken:
                self.fake.maps.add(new)
                self.fake.changed.notify_all()
        self._answer(400 if taken or self.path != f"{PREFIX}slotmaps" else 201)

    def do_DELETE(self) -> None:
        if self._scripted():
            return
        number = int(self.path.removeprefix(f"{PREFIX}slotmaps/"))
        with self.fake.changed:
            found = {held for held in self.fake.maps if held.bank_id << 16 | held.slot_nr == number}
            self.fake.maps -= found
            self.fake.changed.notify_all()
        self._answer(200 if found else 404)

    def _scripted(self) -> bool:
        self.fake.requests.append(f"{self.command} {self.path.removeprefix(PREFIX)}")
        if self.fake.raw_answer is None:
            return False
        status, body = self.fake.raw_answer
        self._send(status, body)
        return True

    def _answer(self, status: int, document: Any = None) -> None:
        self._send(status, b"" if document is None else json.dumps(document).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _as_json(slot_map: SlotMap) -> dict[str, Any]:
    return {
        "bank": {"bankId": slot_map.bank_id, "slotNr": slot_map.slot_nr},
        "client": {"clientId": slot_map.client_id, "slotNr": slot_map.client_slot_nr},
        "state": "NEW",
    }
