"""A web server that stands for uhttpd with LuCI: the app's own files, pages around them, and ubus."""

import json
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from remsimd.errors import ControlError
from tests.openwrt.luci import pages
from tests.openwrt.luci.rpcd import NO_OBJECT, NoObjectError, Rpcd

STANDIN = Path(__file__).parent / "standin"
FILES = {"/luci-static/": pages.APP / "htdocs/luci-static", "/standin/": STANDIN}


class Handler(BaseHTTPRequestHandler):
    """One request of the browser."""

    protocol_version = "HTTP/1.1"

    def __init__(self, rpcd: Rpcd, *arguments: Any) -> None:
        self._rpcd = rpcd
        super().__init__(*arguments)

    def log_message(self, *_: Any) -> None:
        """Silence: the test says what went wrong."""

    def do_GET(self) -> None:
        """A page (`?user=viewer`, `?dark=1`), or a file of the app or of the stand-in."""
        url = urlsplit(self.path)
        if url.path.startswith(pages.BASE):
            query = parse_qs(url.query)
            user = query.get("user", ["admin"])[0]
            made = pages.page(
                url.path.removeprefix(f"{pages.BASE}/"), user, readonly=user != "admin", dark="dark" in query
            )
            self._answer(404 if made is None else 200, "text/html", (made or "no such page").encode())
            return
        for prefix, folder in FILES.items():
            file = (folder / url.path.removeprefix(prefix)).resolve()
            if url.path.startswith(prefix) and file.is_relative_to(folder) and file.is_file():
                kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
                self._answer(200, kind, file.read_bytes())
                return
        self._answer(404, "text/plain", b"no such file")

    def do_POST(self) -> None:
        """One ubus call."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        session, name, method, params = request["params"]
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            status, table = self._rpcd.call(session, name, method, params)
            reply["result"] = [status] if table is None else [status, table]
        except (NoObjectError, ControlError):
            reply["error"] = {"code": NO_OBJECT, "message": "Object not found"}
        self._answer(200, "application/json", json.dumps(reply).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(rpcd: Rpcd) -> Iterator[str]:
    """The address of LuCI while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, rpcd))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
