"""A real HTTP server on loopback that answers by script."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer; `raw` instead of JSON; `hold` until the server closes, never answering."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    hold: bool = False
    trickle: bool = False


class _Quiet(ThreadingHTTPServer):
    """A client that goes away, or whose certificate is refused, is part of the tests."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Server:
    """Answers each request with the next of `script`, the last one again and again."""

    def __init__(self, script: list[Answer], tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.script = script
        self.received: list[Received] = []
        self.peers: set[tuple[str, int]] = set()
        self.closing = threading.Event()
        self.on_request: Callable[[], None] = lambda: None
        self._scheme = "http" if tls is None else "https"
        self._http = _Quiet(("127.0.0.1", port), self._handler())
        self.port = self._http.server_port
        if tls is not None:
            # The handshake belongs into the connection's own thread: done at accept it would block them all.
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator["Server"]:
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._http.shutdown()
            thread.join()
            self._http.server_close()

    def _next(self) -> Answer:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                request = Received(self.command, self.path, dict(self.headers), self.rfile.read(length))
                server.received.append(request)
                server.peers.add(self.client_address)
                answer = server._next()
                server.on_request()
                self.reply(answer)

            def reply(self, answer: Answer) -> None:
                if answer.hold:
                    server.closing.wait()
                    self.close_connection = True
                    return
                raw = json.dumps(answer.body).encode() if answer.raw is None else answer.raw
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                if not answer.trickle:
                    self.wfile.write(raw)
                    return
                self.close_connection = True
                for byte in raw:
                    self.wfile.write(bytes([byte]))
                    if server.closing.wait(0.02):
                        return

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - the names http.server calls

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parameter's name
                pass

        return Handler


@contextmanager
def serving(*script: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    with Server(list(script), tls).running() as server:
        yield server
